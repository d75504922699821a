use clodo_types::{
    AccountName, DatabaseId, Hostname, NamespaceId, QueueName, TargetId, WorkerName, WorkflowName,
    ZoneName,
};

/// The desired state contradicts itself, or names something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two targets are the same Worker.
    #[error("{first} and {second} are both worker `{worker}` in account `{account}`")]
    WorkerClaimedTwice {
        /// The Worker.
        worker: WorkerName,
        /// Its account.
        account: AccountName,
        /// One target.
        first: Box<TargetId>,
        /// The other.
        second: Box<TargetId>,
    },
    /// Two targets want the same domain.
    #[error("{first} and {second} both claim {hostname}")]
    DomainClaimedTwice {
        /// The domain.
        hostname: Hostname,
        /// One target.
        first: Box<TargetId>,
        /// The other.
        second: Box<TargetId>,
    },
    /// Two targets want to receive from the same queue.
    #[error("{first} and {second} both receive from queue `{queue}`")]
    QueueClaimedTwice {
        /// The queue.
        queue: QueueName,
        /// One target.
        first: Box<TargetId>,
        /// The other.
        second: Box<TargetId>,
    },
    /// A Workflow is to have two classes.
    #[error("{first} and {second} both have a class for Workflow `{workflow}`")]
    WorkflowClaimedTwice {
        /// The Workflow.
        workflow: WorkflowName,
        /// One target.
        first: Box<TargetId>,
        /// The other.
        second: Box<TargetId>,
    },
    /// A domain lies in none of the account's zones.
    #[error("{target} claims {hostname}, which lies in no zone of account `{account}`{}", listed(.zones))]
    NoZone {
        /// The domain.
        hostname: Hostname,
        /// Who claims it.
        target: Box<TargetId>,
        /// The account.
        account: AccountName,
        /// The account's zones.
        zones: Vec<ZoneName>,
    },
    /// An account was not read.
    #[error("account `{0}` was not observed")]
    UnknownAccount(AccountName),
    /// A database that is named by its id is not there.
    #[error("{target} binds database {id}, which account `{account}` does not have")]
    NoDatabase {
        /// The id.
        id: DatabaseId,
        /// Who binds it.
        target: Box<TargetId>,
        /// The account.
        account: AccountName,
    },
    /// A KV namespace that is named by its id is not there.
    #[error("{target} binds KV namespace {id}, which account `{account}` does not have")]
    NoNamespace {
        /// The id.
        id: NamespaceId,
        /// Who binds it.
        target: Box<TargetId>,
        /// The account.
        account: AccountName,
    },
    /// A Worker that another one calls is neither there nor part of the plan.
    #[error("{target} calls worker `{worker}`, which does not exist in account `{account}`")]
    NoWorker {
        /// The Worker that is missing.
        worker: WorkerName,
        /// Who calls it.
        target: Box<TargetId>,
        /// The account.
        account: AccountName,
    },
    /// Two bindings of one database come with different migrations.
    #[error("{first} and {second} bring different migrations for database `{database}`")]
    MigrationsDisagree {
        /// The database's name or id.
        database: String,
        /// One target.
        first: Box<TargetId>,
        /// The other.
        second: Box<TargetId>,
    },
    /// Targets wait for each other.
    #[error("dependency cycle: {}", cycle(.0))]
    Cycle(Vec<TargetId>),
}

impl PlanError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::WorkerClaimedTwice { .. } => {
                "give the services different names in their wrangler configs"
            }
            Self::DomainClaimedTwice { .. } => "let only one of them have the domain",
            Self::WorkflowClaimedTwice { .. } => {
                "give one of them another name, or let it name the other's Worker as `script_name`"
            }
            Self::QueueClaimedTwice { .. } => {
                "let only one of them have the consumer: Cloudflare gives a queue one Worker at most"
            }
            Self::NoZone { .. } => {
                "list the zone under the account in clodo.toml, or correct the domain"
            }
            Self::UnknownAccount(_) => "define the account in clodo.toml",
            Self::NoDatabase { .. } | Self::NoNamespace { .. } => {
                "correct the id in the wrangler config, or leave it out to have one created"
            }
            Self::NoWorker { .. } => {
                "deploy that service too, or correct the name in the service binding"
            }
            Self::MigrationsDisagree { .. } => {
                "keep the migrations in one service, or point both at the same folder"
            }
            Self::Cycle(_) => {
                "remove one `depends_on` or service binding; Workers that call each other can only \
                 be deployed once all of them exist"
            }
        }
    }
}

fn listed(zones: &[ZoneName]) -> String {
    if zones.is_empty() {
        return " (it has none)".into();
    }
    let names: Vec<_> = zones.iter().take(10).map(ZoneName::as_str).collect();
    let more = if zones.len() > 10 { ", …" } else { "" };
    format!(" ({}{more})", names.join(", "))
}

fn cycle(targets: &[TargetId]) -> String {
    let names: Vec<_> = targets.iter().map(ToString::to_string).collect();
    names.join(" -> ")
}
