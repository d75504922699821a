//! Runs instances of Workflows by way of the Worker in `js/workflows.js`, which runs beside theirs.

use crate::{
    events::{DispatchError, EventOutcome, WorkflowOutcome, WorkflowRun},
    observer::Invocation,
    runtime::{Account, Pool, RequestBody, Runtime, SendError, Ticket, Unavailable, workflows_key},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How long a run waits for a generation that is starting.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How often a Worker is asked for whose instance runs: one that nobody asks for is ended.
const ASK: Duration = Duration::from_secs(60);

/// What `js/workflows.js` answers.
#[derive(Debug, Deserialize)]
#[serde(tag = "end", rename_all = "camelCase")]
enum Answer {
    Complete { output: Value },
    Errored { error: Thrown },
    Rest,
    RolledBack { well: bool },
    Over,
}

#[derive(Debug, Deserialize)]
struct Thrown {
    name: String,
    message: String,
}

/// One run on its way.
pub(crate) struct Sending<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) account: &'a Arc<Account>,
    pub(crate) script: &'a str,
    pub(crate) run: &'a WorkflowRun,
}

impl Sending<'_> {
    /// Runs it, and tells the observer how it ended.
    pub(crate) async fn send(&self) -> Result<WorkflowOutcome, DispatchError> {
        let (started, began) = (self.runtime.now(), Instant::now());
        let mut again = interval(ASK);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sent = self.deliver();
        tokio::pin!(sent);
        let outcome = loop {
            tokio::select! {
                outcome = &mut sent => break outcome?,
                _ = again.tick() => self.ask(),
            }
        };
        if let (Some(observer), Some(ended)) = (self.runtime.observer(), observed(&outcome)) {
            let (account, version) = (&self.account.id, &self.run.version_id);
            let invocation = Invocation::event(account, self.script, version)
                .took(started, began.elapsed())
                .ended(ended.in_analytics());
            observer.invoked(&invocation);
        }
        Ok(outcome)
    }

    /// Says that the version is needed, also when it has no traffic any more.
    fn ask(&self) {
        let version = &self.run.version_id;
        let worker = self
            .runtime
            .directory()
            .and_then(|directory| directory.worker(&self.account.id, self.script));
        let live = worker.is_some_and(|worker| worker.live.iter().any(|(id, _)| id == version));
        self.account.ask(self.script, (!live).then_some(version));
    }

    async fn deliver(&self) -> Result<WorkflowOutcome, DispatchError> {
        let body = Bytes::from(self.task().to_string());
        let key = workflows_key(&self.run.version_id);
        let mut dead: Option<Arc<Pool>> = None;
        self.ask();
        loop {
            let ticket = match self.account.pool(&key, dead.as_ref(), START_PATIENCE).await {
                Ok(ticket) => ticket,
                // The version runs, and has no way for Workflows: it exports none.
                Err(Unavailable::NotServed) if self.runs_without().await => {
                    return Ok(WorkflowOutcome::NoClass);
                }
                Err(Unavailable::NotServed) => return Err(DispatchError::NotDeployed),
                Err(why) => return Err(DispatchError::Unavailable { why: why.to_string() }),
            };
            let pool = Arc::clone(ticket.pool());
            match self.post(ticket, body.clone()).await {
                Ok(outcome) => return Ok(outcome),
                Err(SendError::Connect(..)) => dead = Some(pool),
                Err(SendError::Broken(_)) => {
                    // A process that was replaced ends when it likes.
                    let replaced = self.account.is_current(&key, &pool).is_some_and(|is| !is);
                    return Ok(if replaced {
                        WorkflowOutcome::Replaced
                    } else {
                        WorkflowOutcome::Lost
                    });
                }
            }
        }
    }

    async fn runs_without(&self) -> bool {
        self.account.pool(&self.run.version_id, None, START_PATIENCE).await.is_ok()
    }

    fn task(&self) -> Value {
        let WorkflowRun { class, workflow, instance, token, created, params, schedule, .. } =
            self.run;
        json!({
            "class": class,
            "workflow": workflow.0,
            "name": workflow.1,
            "instance": instance,
            "run": token,
            "created": created,
            "params": params,
            "schedule": schedule,
            "undoing": self.run.undoing.as_ref().map(|(name, message)| {
                json!({ "name": name, "message": message })
            }),
        })
    }

    async fn post(&self, ticket: Ticket, body: Bytes) -> Result<WorkflowOutcome, SendError> {
        let request = Request::post("/")
            .header("host", "workflows")
            .header("content-length", body.len())
            .header(super::dispatcher::VERSION_HEADER, &self.run.version_id)
            .body(RequestBody::Full(Some(body)))
            .expect("a version's id can be a header");
        let answer = ticket.send(request).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(WorkflowOutcome::NoClass),
            StatusCode::OK => {}
            status => {
                tracing::warn!(script = self.script, %status, "a Workflow's run ended badly");
                return Ok(WorkflowOutcome::Lost);
            }
        }
        let body = answer.into_body().collect().await.map_err(SendError::Broken)?.to_bytes();
        Ok(serde_json::from_slice(&body).map_or(WorkflowOutcome::Lost, told))
    }
}

fn told(answer: Answer) -> WorkflowOutcome {
    match answer {
        Answer::Complete { output } => WorkflowOutcome::Complete(output),
        Answer::Errored { error } => WorkflowOutcome::Errored(error.name, error.message),
        Answer::Rest => WorkflowOutcome::Rest,
        Answer::RolledBack { well } => WorkflowOutcome::RolledBack(well),
        Answer::Over => WorkflowOutcome::Over,
    }
}

/// What of it is an invocation that ended.
fn observed(outcome: &WorkflowOutcome) -> Option<EventOutcome> {
    match outcome {
        WorkflowOutcome::Complete(_)
        | WorkflowOutcome::Rest
        | WorkflowOutcome::RolledBack(true) => Some(EventOutcome::Ok),
        WorkflowOutcome::Errored(..)
        | WorkflowOutcome::RolledBack(false)
        | WorkflowOutcome::Lost => Some(EventOutcome::Exception),
        WorkflowOutcome::Over | WorkflowOutcome::Replaced | WorkflowOutcome::NoClass => None,
    }
}
