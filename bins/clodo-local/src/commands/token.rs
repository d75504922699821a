use crate::{args::TokenArgs, failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{CloudAccount, Running, find};
use http::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;

const PATH: &str = "/client/v4/user/tokens";

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    id: String,
    name: String,
    /// Shown once.
    token: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token)
    }
}

/// `clodo-local token`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &TokenArgs,
) -> Result<Exit, CliError> {
    let state = Place::find(session, global)?.state();
    let running = find(&state).await.ok_or_else(failure::not_running)?;
    let policies = policies(&running, args).await?;
    let body = json!({ "name": args.name, "policies": policies });
    let made = running.call(Method::POST, PATH, Some(&body)).await.map_err(failure::cloud)?;
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    let (id, name, token) = (text("id"), text("name"), text("value"));
    session.ui.report(&Report { version: 1, outcome: "done", id, name, token })?;
    Ok(Exit::Done)
}

/// One policy per kind of thing that the groups are about.
async fn policies(running: &Running, args: &TokenArgs) -> Result<Vec<Value>, CliError> {
    let path = format!("{PATH}/permission_groups");
    let groups = running.call(Method::GET, &path, None).await.map_err(failure::cloud)?;
    let user = running.call(Method::GET, "/client/v4/user", None).await.map_err(failure::cloud)?;
    let account = args.account.as_deref().map(|name| account(running, name)).transpose()?;
    let mut policies: Vec<(String, Vec<Value>)> = Vec::new();
    for name in &args.permissions {
        let mut all = groups.as_array().into_iter().flatten();
        let group = all
            .find(|group| group["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)))
            .ok_or_else(|| unknown(name, &groups))?;
        let scope = group["scopes"][0].as_str().unwrap_or_default().to_owned();
        let id = json!({ "id": group["id"] });
        match policies.iter_mut().find(|(known, _)| *known == scope) {
            Some((_, ids)) => ids.push(id),
            None => policies.push((scope, vec![id])),
        }
    }
    let user = user["id"].as_str().unwrap_or_default();
    let policy = |(scope, groups): (String, Vec<Value>)| {
        let resources = resources(&scope, account.as_ref(), user);
        json!({ "effect": "allow", "permission_groups": groups, "resources": resources })
    };
    Ok(policies.into_iter().map(policy).collect())
}

fn account(running: &Running, name: &str) -> Result<CloudAccount, CliError> {
    let mut accounts = running.accounts.iter();
    let found =
        accounts.find(|account| account.name.as_str() == name || account.id.as_str() == name);
    found.cloned().ok_or_else(|| {
        let names: Vec<_> = running.accounts.iter().map(|account| account.name.as_str()).collect();
        CliError::usage(format!("there is no account `{name}`"))
            .with_hint(format!("`--account` takes one of: {}", names.join(", ")))
    })
}

fn unknown(name: &str, groups: &Value) -> CliError {
    let names = groups.as_array().into_iter().flatten().filter_map(|group| group["name"].as_str());
    let first = name.split_whitespace().next().unwrap_or_default().to_lowercase();
    let alike: Vec<_> = names.filter(|own| own.to_lowercase().starts_with(&first)).collect();
    let error = CliError::usage(format!("there is no permission group `{name}`"));
    match alike.is_empty() {
        true => error.with_hint("`--permission 'Workers Scripts Write'` is one"),
        false => error.with_hint(format!("`--permission` takes one of: {}", alike.join(", "))),
    }
}

fn resources(scope: &str, account: Option<&CloudAccount>, user: &str) -> Value {
    let all_zones = "com.cloudflare.api.account.zone.*";
    let of_account = |account: &CloudAccount| format!("com.cloudflare.api.account.{}", account.id);
    let (key, value) = match (scope, account) {
        ("com.cloudflare.api.user", _) => (format!("{scope}.{user}"), json!("*")),
        ("com.cloudflare.api.account", Some(account)) => (of_account(account), json!("*")),
        ("com.cloudflare.api.account.zone", Some(account)) => {
            (of_account(account), json!({ all_zones: "*" }))
        }
        ("com.cloudflare.edge.r2.bucket", Some(account)) => {
            (format!("{scope}.{}_default_*", account.id), json!("*"))
        }
        (scope, _) => (format!("{scope}.*"), json!("*")),
    };
    Value::Object(Map::from_iter([(key, value)]))
}
