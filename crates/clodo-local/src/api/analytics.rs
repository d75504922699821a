//! Questions about data points of Analytics Engine, in SQL. Answers and errors are bare, without the
//! envelope.

use super::{
    call::Call,
    error::ApiError,
    reply::{Answer, Reply},
};
use axum::http::StatusCode;
use bytes::Bytes;
use clodo_storage::{AnalyticsError, AnalyticsErrorKind};
use clodo_types::AccountId;

/// `GET /accounts/{account}/analytics_engine/sql?query=`
pub(super) async fn get(call: Call) -> Answer {
    let question = call.query.get("query").unwrap_or_default().to_owned();
    answer(&call, &question).await
}

/// `POST /accounts/{account}/analytics_engine/sql`: the question is the body.
pub(super) async fn post(call: Call, body: Bytes) -> Answer {
    answer(&call, &String::from_utf8_lossy(&body)).await
}

async fn answer(call: &Call, question: &str) -> Answer {
    let account = call.account_id()?;
    let account: AccountId = account.parse().map_err(|_| ApiError::bad_identifier(&account))?;
    match call.cx.data.analytics.query(&account, question).await {
        Ok(answer) => Ok(Reply::raw(answer.body(), answer.content_type()).only_read()),
        Err(error) => Ok(refused(&error).only_read()),
    }
}

fn refused(error: &AnalyticsError) -> Reply {
    let status = match error.kind() {
        AnalyticsErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Reply::raw(error.to_string(), "text/plain").with_status(status)
}
