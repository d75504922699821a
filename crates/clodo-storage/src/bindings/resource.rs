use crate::{
    BucketRef, DatabaseRef, DatasetRef, NamespaceRef, QueueRef, RateLimitRef, queue::MAX_DELAY,
};
use clodo_types::{AccountId, WorkflowName};
use std::{fmt, str::FromStr, time::Duration};

/// The header that says which resource a binding stands for.
pub const RESOURCE_HEADER: &str = "x-clodo-res";

/// What a binding stands for; as text `<account>/d1:<id>`, `<account>/kv:<id>`,
/// `<account>/r2:<bucket>`, `<account>/queue:<id>` or `<account>/queue:<id>+<seconds>`,
/// `<account>/analytics:<dataset>`, `<account>/ratelimit:<namespace>+<limit>+<period>`,
/// `<account>/workflow:<name>`, `<account>/workflow-runs:all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A database.
    D1(DatabaseRef),
    /// A namespace.
    Kv(NamespaceRef),
    /// A bucket.
    R2(BucketRef),
    /// A dataset of Analytics Engine.
    Analytics(DatasetRef),
    /// A rate limit.
    RateLimit(RateLimitRef),
    /// A queue, and the delay of messages that are sent without one.
    Queue {
        /// The queue.
        at: QueueRef,
        /// Whole seconds.
        delivery_delay: Option<Duration>,
    },
    /// A Workflow, by name: it may be registered later than a Worker that uses it.
    Workflow {
        /// The account.
        account: AccountId,
        /// The name.
        name: WorkflowName,
    },
    /// What runs the account's instances.
    WorkflowRuns(AccountId),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::D1(at) => write!(f, "{}/d1:{}", at.account, at.id),
            Self::Kv(at) => write!(f, "{}/kv:{}", at.account, at.id),
            Self::R2(at) => write!(f, "{}/r2:{}", at.account, at.name),
            Self::Analytics(at) => write!(f, "{}/analytics:{}", at.account, at.name),
            Self::RateLimit(at) => write!(f, "{}/ratelimit:{at}", at.account),
            Self::Queue { at, delivery_delay } => {
                write!(f, "{}/queue:{}", at.account, at.id)?;
                delivery_delay.map_or(Ok(()), |delay| write!(f, "+{}", delay.as_secs()))
            }
            Self::Workflow { account, name } => write!(f, "{account}/workflow:{name}"),
            Self::WorkflowRuns(account) => write!(f, "{account}/workflow-runs:all"),
        }
    }
}

/// Text that names no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a resource is written `<account>/<kind>:<id>`; kinds are d1, kv, r2, queue, analytics, \
     ratelimit, workflow and workflow-runs"
)]
pub struct ResourceError;

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let (account, rest) = text.split_once('/').ok_or(ResourceError)?;
        let (kind, id) = rest.split_once(':').ok_or(ResourceError)?;
        let account = account.parse().map_err(|_| ResourceError)?;
        match kind {
            "d1" => Ok(Self::D1(DatabaseRef { account, id: parsed(id)? })),
            "kv" => Ok(Self::Kv(NamespaceRef { account, id: parsed(id)? })),
            "r2" => Ok(Self::R2(BucketRef { account, name: parsed(id)? })),
            "analytics" => Ok(Self::Analytics(DatasetRef { account, name: parsed(id)? })),
            "ratelimit" => {
                RateLimitRef::parse(account, id).map(Self::RateLimit).ok_or(ResourceError)
            }
            "workflow" => Ok(Self::Workflow { account, name: parsed(id)? }),
            "workflow-runs" if id == "all" => Ok(Self::WorkflowRuns(account)),
            "queue" => {
                let (id, delay) = id.split_once('+').map_or((id, None), |(id, s)| (id, Some(s)));
                let delay: Option<u64> = delay.map(parsed).transpose()?;
                let delay = delay.map(|seconds| Duration::from_secs(seconds.min(MAX_DELAY)));
                let at = QueueRef { account, id: parsed(id)? };
                Ok(Self::Queue { at, delivery_delay: delay })
            }
            _ => Err(ResourceError),
        }
    }
}

fn parsed<T: FromStr>(text: &str) -> Result<T, ResourceError> {
    text.parse().map_err(|_| ResourceError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_survives_its_text_form() {
        let account = "0123456789abcdef0123456789abcdef";
        let queue = format!("queue:{account}");
        let delayed = format!("{queue}+60");
        for id in [
            "d1:018f3c5e-0000-7000-8000-000000000000",
            "r2:my-bucket",
            &queue,
            &delayed,
            "analytics:a_b-c",
            "ratelimit:1+2+60",
            "workflow:My_Orders",
            "workflow-runs:all",
        ] {
            let text = format!("{account}/{id}");
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "d1:x",
            "0/d1:x",
            &format!("{account}/d1:../../etc"),
            &format!("{account}/do:x"),
            &format!("{account}/workflow:a/b"),
            &format!("{account}/workflow-runs:x"),
        ] {
            assert_eq!(bad.parse::<Resource>(), Err(ResourceError), "{bad}");
        }
    }
}
