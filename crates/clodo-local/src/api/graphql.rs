//! `POST /graphql`: analytics of what happened in this cloud.

use super::{
    call::Call,
    reply::{Answer, Reply},
};
use crate::analytics::{Asked, Dataset, Viewing, answer, sample};
use async_trait::async_trait;
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::json;

/// What the token of a call may look at.
struct Viewer<'a>(&'a Call);

#[async_trait]
impl Viewing for Viewer<'_> {
    fn accounts(&self) -> Vec<String> {
        let known = self.0.snapshot.cloud.accounts.keys();
        known.filter(|id| self.0.token.may_use(id)).cloned().collect()
    }

    async fn sample(&self, account: &str, dataset: Dataset, only: Option<&str>) {
        let from = (&*self.0.snapshot, &self.0.cx.data);
        sample(&self.0.cx.figures, from, account, dataset, only).await;
    }
}

/// `POST /graphql`: also what cannot be answered is 200, with `errors`.
pub(super) async fn query(call: Call, body: Bytes) -> Answer {
    match serde_json::from_slice::<Asked>(&body) {
        Ok(asked) => {
            let answer = answer(&call.cx.figures, &asked, &Viewer(&call)).await;
            Ok(Reply::raw(answer.to_string(), "application/json").only_read())
        }
        Err(error) => {
            let message = format!("failed to parse the request: {error}");
            let body = json!({ "data": null, "errors": [
                { "message": message, "path": null, "extensions": {} },
            ] });
            let reply = Reply::raw(body.to_string(), "application/json");
            Ok(reply.with_status(StatusCode::BAD_REQUEST).only_read())
        }
    }
}
