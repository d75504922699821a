//! What `up` was asked for, and a cloud that runs already does not have.

use crate::{
    args::{DurabilityArg, OutboundArg, UpArgs},
    failure,
    place::words,
};
use clodo_cli::{CliError, Exit};
use clodo_local::{Limits, Running};
use http::Method;
use serde_json::Value;

/// The options as they were given, for a sentence.
#[derive(Default)]
struct Missing {
    /// What `clodo-local limits` can put in force.
    limits: Vec<String>,
    /// What only a start can.
    rest: Vec<String>,
}

/// The error to end with, where the running cloud is not what was asked for.
pub(crate) async fn unlike(running: &Running, args: &UpArgs) -> Result<(), CliError> {
    if args.port.is_some_and(|port| port != running.port) {
        let message = format!("this project's cloud runs at port {} already", running.port);
        return Err(CliError::new(Exit::Unreachable, "in_use", message)
            .with_hint("`clodo-local down` stops it"));
    }
    let missing = Missing { limits: limits(running, args).await?, rest: rest(running, args).await };
    missing.into_error().map_or(Ok(()), Err)
}

impl Missing {
    fn into_error(self) -> Option<CliError> {
        let named: Vec<String> =
            self.rest.iter().chain(&self.limits).map(|one| format!("`{one}`")).collect();
        if named.is_empty() {
            return None;
        }
        let again = "`clodo-local down`, then `clodo-local up` with it";
        let hint = match (self.limits.is_empty(), self.rest.is_empty()) {
            (true, _) => again.to_owned(),
            (false, all) => {
                let changed = self.limits.join(" ").replace("--limits ", "");
                let while_it_runs = format!("`clodo-local limits {changed}` changes it at once");
                if all { while_it_runs } else { format!("{while_it_runs}; for the rest, {again}") }
            }
        };
        let message = format!("this project's cloud runs already, without {}", named.join(", "));
        Some(CliError::new(Exit::Unreachable, "in_use", message).with_hint(hint))
    }
}

async fn limits(running: &Running, args: &UpArgs) -> Result<Vec<String>, CliError> {
    let wanted = Limits::off().changed(words(args)).map_err(failure::words)?.shown();
    let given = [
        ("--limits", args.limits.as_ref(), &["calls", "graphql", "per_address"][..]),
        ("--plan", args.plan.as_ref(), &["plan"]),
        ("--propagation", args.propagation.as_ref(), &["propagation"]),
    ];
    if given.iter().all(|(_, value, _)| value.is_none()) {
        return Ok(Vec::new());
    }
    let now = running.call(Method::GET, "/clodo/limits", None).await.map_err(failure::cloud)?;
    let differs = |fields: &[&str]| fields.iter().any(|field| wanted[*field] != now[*field]);
    let found = given.into_iter().filter_map(|(flag, value, fields)| {
        let value = value?;
        // `--limits real` alone brings the quotas of a plan along.
        let plan = flag == "--limits" && args.plan.is_none() && differs(&["plan"]);
        (differs(fields) || plan).then(|| format!("{flag} {value}"))
    });
    Ok(found.collect())
}

async fn rest(running: &Running, args: &UpArgs) -> Vec<String> {
    let have = running.settings.as_ref();
    // What an older program started does not say what it has, so it is not taken on trust.
    let lacks = |has: &dyn Fn(&clodo_local::CloudSettings) -> bool| !have.is_some_and(has);
    let mut missing = Vec::new();
    let zones = match args.zones.is_empty() {
        true => Vec::new(),
        false => zones(running).await,
    };
    let absent = args.zones.iter().filter(|zone| !zones.iter().any(|have| have == zone.as_str()));
    missing.extend(absent.map(|zone| format!("--zone {zone}")));
    if let Some(outbound) = args.outbound
        && lacks(&|have| have.internet == (outbound == OutboundArg::Internet))
    {
        let word = if outbound == OutboundArg::Internet { "internet" } else { "denied" };
        missing.push(format!("--outbound {word}"));
    }
    if let Some(listen) = args.listen.filter(|listen| lacks(&|have| have.listen == *listen)) {
        missing.push(format!("--listen {listen}"));
    }
    let absent = args.hosts.iter().filter(|host| lacks(&|have| have.hosts.contains(host)));
    missing.extend(absent.map(|host| format!("--host {host}")));
    let private = args.allow_private.iter().map(ToString::to_string);
    let absent = private.filter(|one| lacks(&|have| have.allow_private.contains(one)));
    missing.extend(absent.map(|address| format!("--allow-private {address}")));
    if args.port_per_worker && lacks(&|have| have.port_per_worker) {
        missing.push("--port-per-worker".to_owned());
    }
    if let Some(durability) = args.durability
        && lacks(&|have| have.durable == (durability == DurabilityArg::Full))
    {
        let word = if durability == DurabilityArg::Full { "full" } else { "fast" };
        missing.push(format!("--durability {word}"));
    }
    missing
}

/// Names of the zones of the first account, which `--zone` adds to.
async fn zones(running: &Running) -> Vec<String> {
    let summary = running.summary().await.unwrap_or_default();
    let first = running.accounts.first().map(|account| account.id.as_str().to_owned());
    let accounts = summary["accounts"].as_array().cloned().unwrap_or_default();
    let own = accounts.into_iter().find(|account| account["id"].as_str() == first.as_deref());
    let listed = own.unwrap_or_default()["zones"].as_array().cloned().unwrap_or_default();
    listed.iter().filter_map(|zone: &Value| zone["name"].as_str().map(str::to_owned)).collect()
}
