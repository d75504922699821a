//! Runs a cron trigger of a cloud in another process, now.

use super::Running;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const PATH: &str = "/clodo/cron";

/// A cron trigger to run now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CronTrigger {
    /// The Worker.
    pub script: String,
    /// Id or name; needed only where two accounts have a Worker of that name.
    pub account: Option<String>,
    /// The expression that the Worker sees; without one, its first.
    pub cron: Option<String>,
    /// RFC 3339 or milliseconds since the epoch; without one, now.
    pub scheduled_time: Option<String>,
}

impl CronTrigger {
    /// The Worker's first trigger, for this moment.
    #[must_use]
    pub fn of(script: impl Into<String>) -> Self {
        Self { script: script.into(), ..Self::default() }
    }
}

/// How a run of a cron trigger ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CronRun {
    /// The Worker.
    pub script: String,
    /// The version that ran.
    pub version_id: String,
    /// The expression that it saw; empty if there was none.
    pub cron: String,
    /// The time that it saw, in milliseconds since the epoch.
    pub scheduled_time: i64,
    /// `ok`, `exception` …, as a tail event says it.
    pub outcome: String,
    /// Whether it called `controller.noRetry()`.
    pub no_retry: bool,
}

/// Why a cron trigger did not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// Nobody answers any more, or not as a cloud does.
    #[error("the local Cloudflare does not answer")]
    NoAnswer,
    /// The cloud refused.
    #[error("{message}")]
    Refused {
        /// Cloudflare's code.
        code: u64,
        /// What it says.
        message: String,
    },
}

impl Running {
    /// Runs `scheduled()` of a Worker's live version and waits until it has ended.
    ///
    /// # Errors
    /// When there is no such Worker, it has no handler, or the expression or time is no such.
    pub async fn trigger(&self, trigger: &CronTrigger) -> Result<CronRun, TriggerError> {
        let CronTrigger { script, account, cron, scheduled_time } = trigger;
        let body = json!({
            "script": script, "account": account, "cron": cron, "scheduled_time": scheduled_time,
        });
        let answer = self.post_json(PATH, &body).await.ok_or(TriggerError::NoAnswer)?;
        let body = answer.into_body().collect().await.map_err(|_| TriggerError::NoAnswer)?;
        let mut answer: Value =
            serde_json::from_slice(&body.to_bytes()).map_err(|_| TriggerError::NoAnswer)?;
        if answer["success"] == true {
            return serde_json::from_value(answer["result"].take())
                .map_err(|_| TriggerError::NoAnswer);
        }
        let error = &answer["errors"][0];
        let message = error["message"].as_str().unwrap_or("it was refused").to_owned();
        Err(TriggerError::Refused { code: error["code"].as_u64().unwrap_or(0), message })
    }
}
