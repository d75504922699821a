use crate::{args::LimitsArgs, failure, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::find;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

const PATH: &str = "/clodo/limits";

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    limits: Value,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |name: &str| self.limits[name].as_str().unwrap_or("off").to_owned();
        write!(
            f,
            "calls per user: {}\nGraphQL queries per user: {}\ncalls per address: {}\nplan: {}\npropagation: {}",
            text("calls"),
            text("graphql"),
            text("per_address"),
            self.limits["plan"].as_str().unwrap_or("none"),
            text("propagation"),
        )
    }
}

/// `clodo-local limits`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &LimitsArgs,
) -> Result<Exit, CliError> {
    let state = Place::find(session, global)?.state();
    let running = find(&state).await.ok_or_else(failure::not_running)?;
    let mut wanted = json!({});
    for (field, value) in
        [("limits", &args.limits), ("plan", &args.plan), ("propagation", &args.propagation)]
    {
        if let Some(value) = value {
            wanted[field] = json!(value);
        }
    }
    let nothing = wanted.as_object().is_some_and(serde_json::Map::is_empty);
    let limits = match nothing {
        true => running.call(Method::GET, PATH, None).await,
        false => running.call(Method::PUT, PATH, Some(&wanted)).await,
    };
    let limits = limits.map_err(failure::cloud)?;
    session.ui.report(&Report { version: 1, outcome: "done", limits })?;
    Ok(Exit::Done)
}
