use crate::{
    args::RunnerArgs,
    context::Context,
    engine::{Engine, new_deployment, store},
    failure,
    report::{FORMAT, failure as report_failure, refusal},
};
use clodo::{Loaded, Order, QueueError, Secrets};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Platform;
use clodo_orchestrator::{DeployOptions, DeployReport, Outcome, deploy};
use clodo_saga::{
    Claim, ClaimedJob, Ending, Job, JobEnd, JobOutcome, JobQuery, JobRecord, JobState, LeaseGuard,
    LeaseStore, Liveness, StateStore, StoreError, StoreErrorKind,
};
use clodo_types::{Clock as _, DeploymentId, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the queue is looked at while there is nothing to do.
const POLL: Duration = Duration::from_millis(500);
/// How long jobs that ended, and bundles that nobody asks for, are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often a runner looks for them.
const TIDY: Duration = Duration::from_secs(3600);
/// A runner that never ends remembers so many jobs for its last word.
const REMEMBERED: usize = 1_000;

/// What `runner` says as JSON when it ends.
#[derive(Serialize)]
struct RunnerDocument<'a> {
    version: u32,
    outcome: &'static str,
    jobs: &'a VecDeque<JobDocument>,
}

/// What became of one job.
#[derive(Debug, Serialize)]
struct JobDocument {
    job: String,
    /// The deployment that ended it; another than the job when a runner before died in the middle.
    deployment_id: Option<String>,
    outcome: &'static str,
    /// How often it was claimed.
    attempt: u64,
    error: Option<String>,
}

/// `clodo-deploy runner`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RunnerArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let store = store(&context, platform).await?;
    let (portfolio, ttl) = (context.project.portfolio().name(), context.lease_time()?);
    let kind = clodo::job_kind(portfolio);
    session.ui.say(&format!("Waiting for deployments of `{portfolio}` on {platform}."));
    let done = VecDeque::new();
    let mut runner =
        Runner { context, args, platform, store, kind, ttl, told: None, done, failed: false };
    let lacking = runner.work().await?;
    runner.forget().await;
    let outcome = if runner.failed { "failed" } else { "done" };
    session.ui.document(&RunnerDocument { version: FORMAT, outcome, jobs: &runner.done })?;
    if let Some(why) = lacking {
        let hint = "start a runner that has them, or give them to this one";
        let error = CliError::usage(why).with_hint(hint);
        session.ui.error(&error);
        return Ok(error.exit());
    }
    Ok(if runner.failed { Exit::Failed } else { Exit::Done })
}

struct Runner<'a> {
    context: Context<'a>,
    args: &'a RunnerArgs,
    platform: Platform,
    store: Arc<dyn StateStore>,
    kind: String,
    /// How long a job stays a dead runner's on another machine.
    ttl: Duration,
    /// What was said last about why nothing is done.
    told: Option<String>,
    /// The newest jobs that ended here.
    done: VecDeque<JobDocument>,
    /// Any of all jobs failed.
    failed: bool,
}

/// What to do about the oldest job that has not ended.
enum Next {
    Nothing,
    /// Somebody is at it.
    Wait,
    /// It needs what we do not have.
    Lack(String),
    /// It is free, and these are the secrets that it needs and we have.
    Claim(Box<Job>, BTreeSet<String>),
}

/// How work on a job ended.
enum Worked {
    /// It has ended, so.
    Ended(JobDocument, JobOutcome),
    /// It cannot be done at the moment.
    Later(String),
}

impl Runner<'_> {
    /// Does one job after the other, in their order, until it is told to end. A job that was begun
    /// is done: only then does the runner end, unless it is told twice.
    ///
    /// Returns what it lacks for the next job, if it was to end when nothing is left to do.
    async fn work(&mut self) -> Result<Option<String>, CliError> {
        let cancel = self.context.session.cancel.clone();
        let mut tidied = Instant::now();
        while !cancel.is_cancelled() {
            if tidied.elapsed() >= TIDY {
                tidied = Instant::now();
                self.forget().await;
            }
            let next = self.next().await;
            match next {
                Ok(Next::Nothing) if self.args.until_empty => break,
                Ok(Next::Nothing | Next::Wait) => {}
                Ok(Next::Lack(why)) if self.args.until_empty => return Ok(Some(why)),
                Ok(Next::Lack(why)) => self.tell(Some(why)),
                Ok(Next::Claim(head, able)) => {
                    if self.claim(&head, able).await? {
                        continue;
                    }
                }
                Err(error) if error.kind() == StoreErrorKind::Unreachable => {
                    self.tell(Some("The state cannot be reached.".to_owned()));
                }
                Err(error) => return Err(failure::of_queue(error.into())),
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Ok(None)
    }

    fn tell(&mut self, why: Option<String>) {
        if let Some(why) = why.filter(|why| self.told.as_ref() != Some(why)) {
            self.context.session.ui.say(&why);
            self.told = Some(why);
        }
    }

    /// Looks at the oldest job. The ones after it wait for it, whoever does it: what was ordered
    /// last is to be there last.
    async fn next(&self) -> Result<Next, StoreError> {
        let records = self.store.jobs(&JobQuery::unfinished()).await?;
        let Some(head) = records.into_iter().find(|record| record.job.kind == self.kind) else {
            return Ok(Next::Nothing);
        };
        if !self.is_free(&head).await? {
            return Ok(Next::Wait);
        }
        let job = head.job;
        let able = match Order::of(&job).and_then(|order| self.secrets(&order)) {
            Ok((_, able)) => able,
            // Whoever claims it finds that out again, and says so where it is recorded.
            Err(_) => job.requires.clone(),
        };
        let lacking: Vec<&str> = job.requires.difference(&able).map(String::as_str).collect();
        if lacking.is_empty() {
            return Ok(Next::Claim(Box::new(job), able));
        }
        let lacking = lacking.join(", ");
        let why = format!("deployment {} needs secrets that this runner lacks: {lacking}", job.id);
        Ok(Next::Lack(why))
    }

    /// Whether nobody works on a job. Of a runner that died on this machine it is taken at once.
    async fn is_free(&self, record: &JobRecord) -> Result<bool, StoreError> {
        let JobState::Claimed(lease) = &record.state else { return Ok(true) };
        if lease.expires_at <= SystemClock.now() {
            return Ok(true);
        }
        let dead = clodo::liveness(&lease.holder) == Liveness::Dead;
        if dead {
            self.store.release(lease).await?;
        }
        Ok(dead)
    }

    /// The values of the secrets that an order needs, as far as we have them, and their names.
    fn secrets(&self, order: &Order) -> Result<(Secrets, BTreeSet<String>), QueueError> {
        let setting = |name: &str| self.context.setting(name);
        let file = self.context.secrets(self.args.work.secrets_file.as_deref());
        let damaged = |error: Box<dyn std::error::Error + Send + Sync>| QueueError::Damaged(error);
        let file = file.map_err(|error| damaged(error.to_string().into()))?;
        let (project, desired) = (&self.context.project, &order.desired);
        let secrets = clodo::declare_secrets(project, desired, self.platform, file, &setting);
        let secrets = secrets.map_err(|error| damaged(error.into()))?;
        let mut able = BTreeSet::new();
        for target in &desired.targets {
            let names = target.secrets.iter();
            let known = names.filter(|name| secrets.can_provide(&target.id, name));
            able.extend(known.map(|name| clodo::required_secret(&target.id, name)));
        }
        Ok((secrets, able))
    }

    /// Claims and does the oldest job; false when it is not done after all.
    async fn claim(&mut self, head: &Job, able: BTreeSet<String>) -> Result<bool, CliError> {
        let claim = Claim::new(clodo::this_process(), SystemClock.now(), self.ttl)
            .with_kinds([self.kind.clone()])
            .with_secrets(move |name| able.contains(name));
        let claimed = match self.store.claim(&claim).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == StoreErrorKind::Unreachable => return Ok(false),
            Err(error) => return Err(failure::of_queue(error.into())),
        };
        let leases: Arc<dyn LeaseStore> = Arc::<dyn StateStore>::clone(&self.store);
        let lease = claimed.lease.clone();
        let guard = LeaseGuard::adopt(leases, Arc::new(SystemClock), lease, self.ttl);
        // Somebody else may have been quicker, and this is the one behind it.
        let worked = match claimed.job.id == head.id {
            true => Box::pin(self.perform(&claimed)).await,
            false => Worked::Later(String::new()),
        };
        // Each deployment has a pacer, which would hold on to its calls and its connection.
        clodo::program::give_back().await;
        match worked {
            Worked::Later(why) => {
                // If it fails, it expires.
                let _ = guard.release().await;
                self.tell(Some(why).filter(|why| !why.is_empty()));
                Ok(false)
            }
            Worked::Ended(document, outcome) => {
                let data = json!(document);
                let end = JobEnd { at: SystemClock.now(), outcome, data };
                if let Err(error) = self.store.finish(&claimed.lease, &end).await {
                    let ui = &self.context.session.ui;
                    ui.warn(&format!("the end of job {} was not recorded: {error}", head.id));
                }
                drop(guard);
                self.failed |= outcome == JobOutcome::Failed;
                if self.done.len() >= REMEMBERED {
                    self.done.pop_front();
                }
                self.done.push_back(document);
                Ok(true)
            }
        }
    }

    /// Carries a deployment out, unless an earlier runner did and only could not say so any more.
    async fn perform(&self, claimed: &ClaimedJob) -> Worked {
        let ended = |deployment: Option<String>, outcome: JobOutcome, error: Option<String>| {
            let word = if outcome == JobOutcome::Done { "done" } else { "failed" };
            let (job, attempt) = (claimed.job.id.to_string(), claimed.attempt);
            let deployment_id = deployment;
            let document = JobDocument { job, deployment_id, outcome: word, attempt, error };
            Worked::Ended(document, outcome)
        };
        let (id, fresh) = match self.id_for(&claimed.job).await {
            Ok(found) => found,
            Err(error) => return Worked::Later(format!("The state cannot be read: {error}.")),
        };
        if !fresh {
            return ended(Some(id.to_string()), JobOutcome::Done, None);
        }
        let ui = &self.context.session.ui;
        ui.say(&format!("Deployment {} begins (attempt {}).", claimed.job.id, claimed.attempt));
        match self.deploy(&claimed.job, id).await {
            Ok(report) => {
                let id = report.deployment.as_ref().map(ToString::to_string);
                match report.outcome {
                    Outcome::Done | Outcome::NothingToDo => ended(id, JobOutcome::Done, None),
                    _ => ended(id, JobOutcome::Failed, Some(why(&report))),
                }
            }
            Err(Hindrance::Now(why)) => Worked::Later(why),
            Err(Hindrance::Always(error)) => {
                ui.error(&error);
                ended(None, JobOutcome::Failed, Some(error.to_string()))
            }
        }
    }

    /// The id under which to deploy, and whether that is still to be done.
    async fn id_for(&self, job: &Job) -> Result<(DeploymentId, bool), StoreError> {
        let Ok(id) = job.id.as_str().parse::<DeploymentId>() else {
            return Ok((new_deployment(), true));
        };
        let Some(run) = self.store.find(&id).await? else { return Ok((id, true)) };
        match run.closing {
            Some(closing) if closing.ending == Ending::Completed => Ok((id, false)),
            // Whoever began it died, or failed: what it left is found and taken over.
            _ => Ok((new_deployment(), true)),
        }
    }

    async fn deploy(&self, job: &Job, id: DeploymentId) -> Result<DeployReport, Hindrance> {
        let assets = tempfile::tempdir().map_err(|error| {
            let error = CliError::new(Exit::Failed, "temporary", "there is no room for assets")
                .with_source(error);
            Hindrance::Always(error)
        })?;
        let mut order = Order::of(job)?;
        order.fetch(&*self.store, assets.path()).await?;
        let (secrets, _) = self.secrets(&order)?;
        let mut loaded = Loaded::nothing(order.desired.portfolio.clone());
        loaded.secrets = secrets;
        let to = self.context.connect(self.platform).await?;
        let mut engine = Engine::new(&self.context, &to, &mut loaded, None).await?;
        // A runner that is told to end does what it has begun: only then it ends.
        engine.cx.cancel = CancellationToken::new();
        let mut engine = engine.with_work(&self.args.work);
        engine.cx.by.clone_from(&order.by);
        let mut options = DeployOptions::new(id);
        options.redeploy.clone_from(&order.redeploy);
        options.why.clone_from(&order.why);
        let deployed = deploy(&engine.cx, &order.desired, &options).await;
        let report = deployed.map_err(failure::of_deploy)?;
        engine.keep_for_promotion(&self.context, &order.desired, report.outcome).await;
        Ok(report)
    }

    /// Forgets jobs that ended long ago, and bundles that nobody needs any more.
    async fn forget(&self) {
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(SystemClock.now().as_millis() - kept);
        let jobs = self.store.forget_jobs(before).await;
        let outcome = match jobs {
            Ok(_) => self.store.forget_blobs(before).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            self.context.session.ui.warn(&format!("old jobs were not cleared away: {error}"));
        }
    }
}

/// Why a job was not done.
enum Hindrance {
    /// Later it may work.
    Now(String),
    /// It will not, as it is.
    Always(CliError),
}

impl From<CliError> for Hindrance {
    fn from(error: CliError) -> Self {
        let passes = matches!(error.kind(), "locked" | "state" | "state_unreachable" | "suspended");
        if passes || error.exit() == Exit::Unreachable {
            Self::Now(format!("Not now: {error}."))
        } else {
            Self::Always(error)
        }
    }
}

impl From<QueueError> for Hindrance {
    fn from(error: QueueError) -> Self {
        failure::of_queue(error).into()
    }
}

/// Why a deployment was refused, or failed.
fn why(report: &DeployReport) -> String {
    match report.outcome {
        Outcome::Refused => refusal(&report.findings).to_string(),
        _ => report_failure(report.outcome, report.failure.as_ref(), report.cancelled).to_string(),
    }
}
