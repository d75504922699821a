//! Who is asking, and which accounts there are.

use super::{
    ApiContext,
    call::Call,
    error::ApiError,
    reply::{Answer, Message, Reply},
};
use crate::{
    access::Caller,
    state::{
        ids::derived,
        model::{Account, Token},
    },
};
use axum::{
    extract::{Path, State},
    http::{StatusCode, request::Parts},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /user/tokens/verify`
pub(super) async fn verify(State(cx): State<Arc<ApiContext>>, parts: Parts) -> Answer {
    // This one endpoint has its own words for a wrong token, and for a key.
    if !parts.headers.contains_key("authorization") && parts.headers.contains_key("x-auth-key") {
        return Err(ApiError::bad_request(1001, "Missing \"Authorization\" header"));
    }
    verified(&cx, &parts, |token| token.owner.is_none())
}

/// `GET /accounts/{account}/tokens/verify`
pub(super) async fn verify_for_account(
    State(cx): State<Arc<ApiContext>>,
    Path(account): Path<String>,
    parts: Parts,
) -> Answer {
    // What may do everything is a user's, and passes here as well: it is the cloud's own.
    verified(&cx, &parts, |token| {
        token.owner.as_ref() == Some(&account)
            || (token.policies.is_none() && token.owner.is_none() && token.may_use(&account))
    })
}

fn verified(cx: &ApiContext, parts: &Parts, fits: impl Fn(&Token) -> bool) -> Answer {
    let invalid = || ApiError::new(StatusCode::UNAUTHORIZED, 1000, "Invalid API Token");
    let caller = parts.extensions.get::<Result<Caller, ApiError>>().cloned();
    let token = match caller.unwrap_or_else(|| Err(invalid())) {
        Ok(caller) if fits(&caller.0) => caller.0,
        Ok(_) => return Err(invalid()),
        Err(error) if error.code == 9109 => return Err(invalid()),
        Err(error) => return Err(error),
    };
    let now = cx.clock.now();
    let mut result = json!({ "id": token.id, "status": token.status(now) });
    for (field, time) in [("expires_on", &token.expires_on), ("not_before", &token.not_before)] {
        if let Some(time) = time {
            result[field] = json!(time);
        }
    }
    match token.status(now) {
        "active" => {
            let said = Message::new(10000, "This API Token is valid and active");
            Reply::with_messages(&result, &[said])
        }
        _ => Reply::ok(&result),
    }
}

/// `GET /user`
pub(super) async fn user(call: Call) -> Answer {
    Reply::ok(&json!({
        "id": call.token.user_id(),
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
