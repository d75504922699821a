//! API tokens: of a user, and of an account. A value is shown once, when it is made or rolled;
//! only its hash is kept.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::{
    access::{GROUPS, Group, IpRange, Policy, ResourceValue, group_by_id},
    state::{
        ids::{Moment, random_hex, token_hash},
        model::{Cloud, Token},
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Cloudflare's own quotas.
const PER_USER: usize = 50;
const PER_ACCOUNT: usize = 500;

/// When tokens were last used; of this run only, since it would make each read a write.
#[derive(Debug, Default)]
pub(crate) struct TokensUsed(Mutex<HashMap<String, Moment>>);

impl TokensUsed {
    pub(super) fn note(&self, id: &str, now: Moment) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(id) {
            Some(last) => *last = now,
            None => _ = used.insert(id.to_owned(), now),
        }
    }

    fn of(&self, id: &str) -> Option<Moment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }
}

#[derive(Debug, Deserialize)]
struct TokenWire {
    name: String,
    policies: Vec<Policy>,
    #[serde(default)]
    condition: Option<Condition>,
    #[serde(default)]
    expires_on: Option<String>,
    #[serde(default)]
    not_before: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Condition {
    #[serde(default)]
    request_ip: Option<RequestIp>,
}

#[derive(Debug, Default, Deserialize)]
struct RequestIp {
    #[serde(default, rename = "in")]
    only: Vec<String>,
    #[serde(default)]
    not_in: Vec<String>,
}

/// Whose tokens a call is about.
#[derive(Clone, Debug)]
struct Owner {
    account: Option<String>,
    email: String,
}

impl Owner {
    fn of(call: &Call) -> Self {
        let account = call.params.maybe("account").map(str::to_owned);
        Self { account, email: call.token.email.clone() }
    }

    /// A token that may do everything was seeded, and is not to be locked out by its own API.
    fn has(&self, token: &Token) -> bool {
        let whose = match &self.account {
            Some(account) => token.owner.as_ref() == Some(account),
            None => token.owner.is_none() && token.email == self.email,
        };
        whose && token.policies.is_some()
    }
}

/// `GET …/tokens`
pub(super) async fn list(call: Call) -> Answer {
    let (owner, now) = (Owner::of(&call), call.cx.clock.now());
    let expired = call.query.is_true("include_expired") || owner.account.is_none();
    let tokens = call.snapshot.cloud.tokens.values().filter(|token| owner.has(token));
    let mut tokens: Vec<_> =
        tokens.filter(|token| expired || token.status(now) != "expired").collect();
    tokens.sort_by(|a, b| (a.created_on, &a.id).cmp(&(b.created_on, &b.id)));
    if call.query.get("direction") == Some("desc") {
        tokens.reverse();
    }
    let shown: Vec<Value> = tokens.into_iter().map(|token| shown(&call, token)).collect();
    Reply::page(&shown, &call.query, 20)
}

/// `POST …/tokens`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: TokenWire = read_json(&body)?;
    let owner = Owner::of(&call);
    // Whoever is held to some accounts makes tokens that are held to them as well.
    let accounts = match &owner.account {
        Some(account) => vec![account.clone()],
        None => call.token.accounts.clone(),
    };
    let value = fresh();
    let hash = token_hash(&value);
    let made = call
        .state()
        .write(move |cloud, now| {
            let own = cloud.tokens.values().filter(|token| owner.has(token)).count();
            let most = if owner.account.is_some() { PER_ACCOUNT } else { PER_USER };
            if own >= most {
                let message = format!("You have exceeded the limit of {most} API tokens.");
                return Err(ApiError::bad_request(1004, message));
            }
            let blank = Token {
                id: random_hex(),
                name: String::new(),
                email: owner.email,
                accounts,
                created_on: now,
                policies: None,
                owner: owner.account,
                disabled: false,
                not_before: None,
                expires_on: None,
                only_from: Vec::new(),
                never_from: Vec::new(),
                modified_on: Some(now),
            };
            let token = Arc::new(filled(blank, wire)?);
            cloud.tokens.insert(hash, Arc::clone(&token));
            Ok(token)
        })
        .await?;
    let mut shown = shown(&call, &made);
    shown["value"] = json!(value);
    Reply::ok(&shown)
}

/// `GET …/tokens/{token}`
pub(super) async fn get(call: Call) -> Answer {
    let (_, token) = found(&call.snapshot.cloud, &Owner::of(&call), call.params.get("token")?)?;
    Reply::ok(&shown(&call, &token))
}

/// `PUT …/tokens/{token}`: all of it is replaced.
pub(super) async fn update(call: Call, body: Bytes) -> Answer {
    let wire: TokenWire = read_json(&body)?;
    let (owner, id) = (Owner::of(&call), call.params.get("token")?.to_owned());
    let token = call
        .state()
        .write(move |cloud, now| {
            let (hash, known) = found(cloud, &owner, &id)?;
            let blank = Token { modified_on: Some(now), ..(*known).clone() };
            let token = Arc::new(filled(blank, wire)?);
            cloud.tokens.insert(hash, Arc::clone(&token));
            Ok::<_, ApiError>(token)
        })
        .await?;
    Reply::ok(&shown(&call, &token))
}

/// `DELETE …/tokens/{token}`
pub(super) async fn delete(call: Call) -> Answer {
    let (owner, id) = (Owner::of(&call), call.params.get("token")?.to_owned());
    let removed = id.clone();
    let done: Result<(), ApiError> = call
        .state()
        .write(move |cloud, _| {
            let (hash, _) = found(cloud, &owner, &removed)?;
            cloud.tokens.remove(&hash);
            Ok(())
        })
        .await;
    done?;
    Reply::ok(&json!({ "id": id }))
}

/// `PUT …/tokens/{token}/value`: a new value; the old one is worth nothing from now on.
pub(super) async fn roll(call: Call) -> Answer {
    let (owner, id) = (Owner::of(&call), call.params.get("token")?.to_owned());
    let value = fresh();
    let hash = token_hash(&value);
    let done: Result<(), ApiError> = call
        .state()
        .write(move |cloud, now| {
            let (old, known) = found(cloud, &owner, &id)?;
            cloud.tokens.remove(&old);
            let token = Token { modified_on: Some(now), ..(*known).clone() };
            cloud.tokens.insert(hash, Arc::new(token));
            Ok(())
        })
        .await;
    done?;
    Reply::ok(&value)
}

/// `GET …/tokens/permission_groups`
pub(super) async fn permission_groups(call: Call) -> Answer {
    let (name, scope) = (call.query.get("name"), call.query.get("scope"));
    let of_account = call.params.maybe("account").is_some();
    let fits = |group: &&Group| {
        name.is_none_or(|name| group.name.eq_ignore_ascii_case(name))
            && scope.is_none_or(|scope| group.scope.as_str() == scope)
            // An account has no user to speak of.
            && !(of_account && group.scope.as_str() == "com.cloudflare.api.user")
    };
    let found: Vec<Value> = GROUPS
        .iter()
        .filter(fits)
        .map(|group| {
            json!({
                "id": group.id,
                "name": group.name,
                "scopes": [group.scope.as_str()],
                "category": group.category,
                "is_selectable": true,
            })
        })
        .collect();
    Reply::ok(&found)
}

fn found(cloud: &Cloud, owner: &Owner, id: &str) -> Result<(String, Arc<Token>), ApiError> {
    let mut tokens = cloud.tokens.iter().filter(|(_, token)| token.id == id && owner.has(token));
    let (hash, token) =
        tokens.next().ok_or_else(|| ApiError::not_found(1003, "Invalid API Token ID"))?;
    Ok((hash.clone(), Arc::clone(token)))
}

/// 40 characters, as Cloudflare's have.
fn fresh() -> String {
    let bytes = hex::decode(random_hex() + &random_hex()).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(&bytes[..30.min(bytes.len())])
}

/// The token with what the request says of it.
fn filled(blank: Token, wire: TokenWire) -> Result<Token, ApiError> {
    let bad = |message: String| ApiError::bad_request(1001, message);
    if wire.name.trim().is_empty() || wire.name.len() > 120 {
        return Err(bad("name: must have 1 to 120 characters".into()));
    }
    if wire.policies.is_empty() {
        return Err(bad("policies: at least one is needed".into()));
    }
    let account = blank.owner.clone();
    let policies = wire
        .policies
        .into_iter()
        .map(|policy| checked(policy, account.as_deref()))
        .collect::<Result<Vec<_>, _>>()?;
    for (field, time) in [("expires_on", &wire.expires_on), ("not_before", &wire.not_before)] {
        if time.as_ref().is_some_and(|time| time.parse::<jiff::Timestamp>().is_err()) {
            return Err(bad(format!("{field}: must be a time such as 2030-01-31T00:00:00Z")));
        }
    }
    let ips = wire.condition.and_then(|condition| condition.request_ip).unwrap_or_default();
    for range in ips.only.iter().chain(&ips.not_in) {
        range
            .parse::<IpRange>()
            .map_err(|()| bad(format!("condition.request_ip: `{range}` is no CIDR")))?;
    }
    let disabled = match wire.status.as_deref() {
        None => blank.disabled,
        Some("active" | "expired") => false,
        Some("disabled") => true,
        Some(other) => return Err(bad(format!("status: `{other}` is none"))),
    };
    Ok(Token {
        name: wire.name,
        policies: Some(policies),
        expires_on: wire.expires_on,
        not_before: wire.not_before,
        only_from: ips.only,
        never_from: ips.not_in,
        disabled,
        ..blank
    })
}

fn checked(mut policy: Policy, account: Option<&str>) -> Result<Policy, ApiError> {
    let bad = |message: String| Err(ApiError::bad_request(1001, message));
    if policy.permission_groups.is_empty() || policy.resources.is_empty() {
        return bad("a policy needs permission groups and resources".into());
    }
    for own in &mut policy.permission_groups {
        let Some(group) = group_by_id(&own.id) else {
            return bad(format!("permission group `{}` does not exist", own.id));
        };
        own.name = Some(group.name.to_owned());
    }
    for (resource, value) in &policy.resources {
        let known = [
            "com.cloudflare.api.account.",
            "com.cloudflare.api.user.",
            "com.cloudflare.edge.r2.bucket.",
        ];
        let inner = match value {
            ResourceValue::All(all) if all != "*" => return bad(format!("{resource}: `{all}`")),
            ResourceValue::All(_) => Vec::new(),
            ResourceValue::Within(inner) => inner.keys().map(String::as_str).collect(),
        };
        if !std::iter::once(resource.as_str()).chain(inner).all(|name| {
            known.iter().any(|prefix| name.len() > prefix.len() && name.starts_with(prefix))
        }) {
            return bad(format!("resource `{resource}` is not one that a policy can name"));
        }
        let users = resource.starts_with("com.cloudflare.api.user.");
        if account.is_some() && users {
            return bad("an account token has no access to users".into());
        }
    }
    if policy.id.is_empty() {
        policy.id = random_hex();
    }
    Ok(policy)
}

fn shown(call: &Call, token: &Token) -> Value {
    let mut shown = json!({
        "id": token.id,
        "name": token.name,
        "status": token.status(call.cx.clock.now()),
        "issued_on": token.created_on.to_string(),
        "modified_on": token.modified_on.unwrap_or(token.created_on).to_string(),
        "last_used_on": call.cx.tokens_used.of(&token.id).map(|at| at.to_string()),
        "policies": token.policies,
    });
    let mut ips = serde_json::Map::new();
    if !token.only_from.is_empty() {
        ips.insert("in".into(), json!(token.only_from));
    }
    if !token.never_from.is_empty() {
        ips.insert("not_in".into(), json!(token.never_from));
    }
    if !ips.is_empty() {
        shown["condition"] = json!({ "request_ip": ips });
    }
    for (field, time) in [("expires_on", &token.expires_on), ("not_before", &token.not_before)] {
        if let Some(time) = time {
            shown[field] = json!(time);
        }
    }
    if token.owner.is_some() {
        shown["creator_email_at_creation"] = json!(token.email);
    }
    shown
}
