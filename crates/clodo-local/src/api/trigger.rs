//! Cron triggers on demand, which Cloudflare does not have.

use super::{
    ApiContext,
    call::json as read_json,
    control::{Trusted, moment},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::{
    events::Cron,
    state::model::{Account, Token},
};
use axum::{extract::State, http::StatusCode};
use bytes::Bytes;
use clodo_types::Timestamp;
use clodo_workerd::{DispatchError, ScheduledEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
struct Wire {
    /// Id or name; needed only where two accounts have a Worker of that name.
    account: Option<String>,
    script: String,
    /// Without one, the Worker's first.
    cron: Option<String>,
    /// RFC 3339 or milliseconds since the epoch; without one, now.
    scheduled_time: Option<Value>,
}

/// Whether Cloudflare would take the expression.
pub(super) fn check(cron: &str) -> Result<(), ApiError> {
    match cron.parse::<Cron>() {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::bad_request(10100, format!("{error}: \"{cron}\""))),
    }
}

/// `POST /clodo/cron`: runs `scheduled()` now, and tells how it ended.
pub(super) async fn cron(
    Trusted(token): Trusted,
    State(cx): State<Arc<ApiContext>>,
    body: Bytes,
) -> Answer {
    let snapshot = cx.state.snapshot();
    let wire: Wire = read_json(&body)?;
    let account = account_of(snapshot.cloud.accounts.values(), &token, &wire)?;
    let worker = account.workers.get(&wire.script).ok_or_else(ApiError::no_worker)?;
    if let Some(cron) = &wire.cron {
        check(cron)?;
    }
    let first = || worker.schedules.first().map(|schedule| schedule.cron.clone());
    let cron = wire.cron.or_else(first).unwrap_or_default();
    let scheduled_time = match wire.scheduled_time.as_ref().map(time_text) {
        None => Timestamp::from_millis(cx.state.now().micros() / 1_000),
        Some(text) => moment(&text).ok_or_else(|| {
            ApiError::bad_body("`scheduled_time` must be RFC 3339 or milliseconds since the epoch")
        })?,
    };
    let event = ScheduledEvent { cron, scheduled_time };
    let dispatch = cx.dispatch.as_ref().ok_or_else(|| unavailable("nothing runs Workers here"))?;
    let ran = dispatch.scheduled(account.id(), &wire.script, &event).await.map_err(refused)?;
    Reply::ok(&json!({
        "outcome": ran.outcome.as_str(),
        "no_retry": ran.no_retry,
        "version_id": ran.version_id,
        "script": wire.script,
        "cron": event.cron,
        "scheduled_time": event.scheduled_time,
    }))
}

fn time_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The account that was named, else the only one with such a Worker.
fn account_of<'a>(
    accounts: impl Iterator<Item = &'a Arc<Account>>,
    token: &Token,
    wire: &Wire,
) -> Result<&'a Arc<Account>, ApiError> {
    let named = |account: &&Arc<Account>| match &wire.account {
        Some(name) => account.id() == name || account.profile.name == *name,
        None => account.workers.contains_key(&wire.script),
    };
    let mut found = accounts.filter(|account| token.may_use(account.id())).filter(named);
    match (found.next(), found.next()) {
        (Some(account), None) => Ok(account),
        (Some(_), Some(_)) => {
            let message = format!(
                "Several accounts have a Worker `{}`: `account` says which is meant.",
                wire.script
            );
            Err(ApiError::bad_request(10026, message))
        }
        (None, _) if wire.account.is_some() => Err(ApiError::forbidden()),
        (None, _) => Err(ApiError::no_worker()),
    }
}

fn refused(error: DispatchError) -> ApiError {
    match error {
        DispatchError::NotDeployed => ApiError::no_worker(),
        DispatchError::NoHandler => {
            ApiError::bad_request(10068, "The Worker exports no scheduled() handler.")
        }
        error => unavailable(&error.to_string()),
    }
}

fn unavailable(why: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, 10002, why)
}
