//! Who is asking, and which accounts there are.

use super::{
    ApiContext,
    call::{Call, who},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::{ids::derived, model::Account};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /user/tokens/verify`
pub(super) async fn verify(State(cx): State<Arc<ApiContext>>, headers: HeaderMap) -> Answer {
    let token = who(&headers, &cx.state.snapshot()).map_err(|error| match error.code {
        // This one endpoint has its own words for a wrong token.
        9109 => ApiError::new(StatusCode::UNAUTHORIZED, 1000, "Invalid API Token"),
        _ => error,
    })?;
    let result = json!({ "id": token.id, "status": "active" });
    Reply::with_message(&result, 10000, "This API Token is valid and active")
}

/// `GET /accounts/{account}/tokens/verify`
pub(super) async fn verify_for_account(call: Call) -> Answer {
    let result = json!({ "id": call.token.id, "status": "active" });
    Reply::with_message(&result, 10000, "This API Token is valid and active")
}

/// `GET /user`
pub(super) async fn user(call: Call) -> Answer {
    Reply::ok(&json!({
        "id": derived(&["user", &call.token.email]),
        "email": call.token.email,
        "first_name": null,
        "last_name": null,
        "two_factor_authentication_enabled": false,
        "suspended": false,
        "created_on": call.token.created_on.to_string(),
        "modified_on": call.token.created_on.to_string(),
    }))
}

/// `GET /accounts`
pub(super) async fn accounts(call: Call) -> Answer {
    let wanted = call.query.get("name");
    let found: Vec<Value> = usable(&call)
        .filter(|account| wanted.is_none_or(|name| account.profile.name == name))
        .map(|account| shown(account))
        .collect();
    Reply::page(&found, &call.query, 20)
}

/// `GET /accounts/{account}`
pub(super) async fn account(call: Call) -> Answer {
    Reply::ok(&shown(call.account()?))
}

/// `GET /memberships`
pub(super) async fn memberships(call: Call) -> Answer {
    let found: Vec<Value> = usable(&call)
        .map(|account| {
            json!({
                "id": derived(&["membership", account.id()]),
                "status": "accepted",
                "account": { "id": account.id(), "name": account.profile.name },
                "roles": ["Super Administrator - All Privileges"],
                "api_access_enabled": null,
                "permissions": {},
            })
        })
        .collect();
    Reply::page(&found, &call.query, 20)
}

fn usable(call: &Call) -> impl Iterator<Item = &Arc<Account>> {
    call.snapshot.cloud.accounts.values().filter(|account| call.token.may_use(account.id()))
}

fn shown(account: &Account) -> Value {
    json!({
        "id": account.id(),
        "name": account.profile.name,
        "type": "standard",
        "settings": { "enforce_twofactor": false },
        "created_on": account.profile.created_on.to_string(),
    })
}
