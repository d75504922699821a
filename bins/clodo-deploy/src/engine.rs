use crate::{
    args::WorkArgs, confirm::Confirmation, context::Context, deadline::Deadline, failure,
    listener::Teller,
};
pub(crate) use clodo::new_deployment;
use clodo::{
    Client, Connection, Loaded, Preflight, PreflightLevel, RunLease, UntestedGate, UrlStyle,
    Wiring, program,
};
use clodo_cli::CliError;
use clodo_config::{Platform, Protection};
use clodo_http::HttpService;
use clodo_orchestrator::{DeployContext, DeployOptions, Desired, Gate, Outcome};
use clodo_saga::StateStore;
use clodo_types::{AccountId, AccountName, Clock as _, SystemClock, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// How long code is kept that is to be promoted: 30 days.
const KEPT_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// The orchestrator's context with everything plugged in.
pub(crate) struct Engine {
    pub(crate) cx: DeployContext,
    pub(crate) confirmation: Arc<Confirmation>,
    state: Arc<dyn StateStore>,
    client: Client,
    to: Connection,
    http: Arc<dyn HttpService>,
    timed_out: Arc<AtomicBool>,
}

impl Engine {
    /// Plugs the adapters into the orchestrator's ports.
    pub(crate) async fn new(
        context: &Context<'_>,
        to: &Connection,
        loaded: &mut Loaded,
        question: Option<String>,
    ) -> Result<Self, CliError> {
        let kind = match to.style {
            UrlStyle::Localhost { .. } => Platform::Local,
            UrlStyle::Public => Platform::Cloudflare,
        };
        let store = store(context, kind).await?;
        let run = RunLease::new(to, clodo::state_name(&context.project, kind), &context.http);
        let client = context.client(to, program::budget(to, &store), &run)?;
        let wiring = Wiring {
            project: &context.project,
            connection: to,
            client: &client,
            http: &context.http,
            state: &store,
            environment: &|name| context.setting(name),
        };
        let mut cx = wiring.context(loaded);
        cx.leases = run.leases(cx.leases);
        cx.lease_ttl = context.lease_time()?;
        let ui = &context.session.ui;
        let confirmation = Arc::new(Confirmation::new(ui, question));
        cx.gates.push(Arc::clone(&confirmation) as _);
        cx.listener = Arc::new(Teller::new(ui));
        cx.cancel = context.session.cancel.clone();
        cx.by = context.person();
        let http = Arc::clone(&context.http);
        Ok(Self {
            cx,
            confirmation,
            state: store,
            client,
            to: to.clone(),
            http,
            timed_out: Arc::default(),
        })
    }

    /// Keeps the code that a deployment has proved in environments that others take theirs from, for
    /// `promote`. The deployment is done by then, whatever becomes of this.
    pub(crate) async fn keep_for_promotion(
        &self,
        context: &Context<'_>,
        desired: &Desired,
        outcome: Outcome,
    ) {
        let environments = context.project.portfolio().environments().values();
        let sources: BTreeSet<_> =
            environments.filter_map(|described| described.promote_from.as_ref()).collect();
        let proving =
            desired.targets.iter().filter(|target| sources.contains(&target.id.environment));
        let bundles: Vec<_> = proving.map(|target| &target.bundle).collect();
        if bundles.is_empty() || !matches!(outcome, Outcome::Done | Outcome::NothingToDo) {
            return;
        }
        let (ui, now) = (&context.session.ui, SystemClock.now());
        if let Err(error) = clodo::keep_bundles(&*self.state, bundles, now).await {
            ui.warn(&format!("`promote` will not find this code, which was not kept: {error}"));
        }
        let long_ago = Timestamp::from_millis(now.as_millis() - KEPT_MS);
        if let Err(error) = self.state.forget_blobs(long_ago).await {
            ui.warn(&format!("old code was not cleared away: {error}"));
        }
    }

    /// Looks this closely before anything is written, and before anybody is asked.
    pub(crate) fn with_preflight(mut self, level: PreflightLevel) -> Self {
        let gate = Preflight::new(
            level,
            self.client.clone(),
            self.to.accounts.clone(),
            self.to.style,
            Arc::clone(&self.http),
            Arc::new(SystemClock),
        );
        self.ask_before(Arc::new(gate));
        self
    }

    /// Lets environments refuse a deployment whose new versions nobody tests, if it is one.
    pub(crate) fn with_no_tests(mut self, context: &Context<'_>, no_tests: bool) -> Self {
        if no_tests {
            let portfolio = context.project.portfolio();
            self.ask_before(Arc::new(UntestedGate::new(portfolio, context.person())));
        }
        self
    }

    /// Adds a gate before the question to a person.
    fn ask_before(&mut self, gate: Arc<dyn Gate>) {
        let question: Arc<dyn Gate> = Arc::clone(&self.confirmation) as _;
        let last = self.cx.gates.iter().position(|gate| Arc::ptr_eq(gate, &question));
        self.cx.gates.insert(last.unwrap_or(self.cx.gates.len()), gate);
    }

    /// The platform's API, for what no port of the orchestrator does, and the ids of accounts.
    pub(crate) fn api(&self) -> (&Client, &BTreeMap<AccountName, AccountId>) {
        (&self.client, &self.to.accounts)
    }

    /// How many steps run side by side, and how long they may take.
    pub(crate) fn with_work(mut self, args: &WorkArgs) -> Self {
        self.cx.concurrency = NonZeroUsize::new(args.concurrency).unwrap_or(NonZeroUsize::MIN);
        if let Some(timeout) = args.timeout {
            self.cx.cancel = self.cx.cancel.child_token();
            let (cancel, passed) = (self.cx.cancel.clone(), Arc::clone(&self.timed_out));
            let inner = Arc::clone(&self.cx.listener);
            self.cx.listener = Arc::new(Deadline::new(inner, timeout, cancel, passed));
        }
        self
    }

    /// Whether the deployment was ended because it took longer than it may.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Acquire)
    }

    /// Leaves out the question, for a plan that nothing follows.
    pub(crate) fn without_question(mut self) -> Self {
        let question: Arc<dyn Gate> = Arc::clone(&self.confirmation) as _;
        self.cx.gates.retain(|gate| !Arc::ptr_eq(gate, &question));
        self
    }
}

/// Journals, leases and the rest of the portfolio's state.
pub(crate) async fn store(
    context: &Context<'_>,
    platform: Platform,
) -> Result<Arc<dyn StateStore>, CliError> {
    program::state(context.session, &context.project, platform).await
}

/// How to deploy; with `redeploy`, what did not change is uploaded as well.
pub(crate) fn options(loaded: &Loaded, redeploy: bool) -> DeployOptions {
    let mut options = DeployOptions::new(new_deployment());
    if redeploy {
        let targets = loaded.desired.targets.iter();
        options.redeploy = targets.map(|target| target.id.clone()).collect();
    }
    options
}

/// Whether a person must say yes, and to what.
pub(crate) fn question(
    context: &Context<'_>,
    desired: &Desired,
    platform: Platform,
    yes: bool,
) -> Option<String> {
    let described = context.project.portfolio().environments();
    let protections = desired.targets.iter().filter_map(|target| {
        let environment = described.get(&target.id.environment)?;
        Some(environment.protection)
    });
    let protection = protections.max().unwrap_or(Protection::None);
    // Where an approval is asked for, that is the question.
    let unasked = match protection {
        Protection::None => platform == Platform::Local,
        Protection::Confirm => false,
        Protection::Approve => true,
    };
    if yes || unasked {
        return None;
    }
    let environments: BTreeSet<&str> =
        desired.targets.iter().map(|target| target.id.environment.as_str()).collect();
    let environments = environments.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!("Deploy this to {environments} on {platform}?"))
}

/// The error of a deployment that could not begin.
pub(crate) fn not_begun(error: clodo_orchestrator::DeployError) -> CliError {
    failure::of_deploy(error)
}
