use crate::{
    args::{FaultArgs, FaultsArgs, FaultsCommand},
    failure,
    place::Place,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::find;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;

const PATH: &str = "/clodo/faults";

/// The faults in force after the command.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    faults: Value,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.faults.as_array().map_or(&[][..], Vec::as_slice);
        if faults.is_empty() {
            return f.write_str("no faults");
        }
        for (at, fault) in faults.iter().enumerate() {
            let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
            let line = if at == 0 { "" } else { "\n" };
            write!(
                f,
                "{line}{}: {}{} at {}, rate {}, seed {}: {} of {} calls hit",
                text("id"),
                text("kind"),
                with(fault),
                text("route"),
                fault["rate"],
                fault["seed"],
                fault["hit"],
                fault["seen"]
            )?;
        }
        Ok(())
    }
}

/// What belongs to the kind, and which of the calls are hit.
fn with(fault: &Value) -> String {
    let mut more = String::new();
    if let Some(delay) = fault["delay"].as_str() {
        more.push_str(&format!(" by {delay}"));
    }
    for (field, words) in [
        ("status", " with status "),
        ("retry_after", " with Retry-After "),
        ("nth", ", only call number "),
        ("times", ", no oftener than "),
    ] {
        if let Some(number) = fault[field].as_u64() {
            more.push_str(&format!("{words}{number}"));
        }
    }
    more
}

/// `clodo-local faults`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &FaultsArgs,
) -> Result<Exit, CliError> {
    let state = Place::find(session, global)?.state();
    let running = find(&state).await.ok_or_else(failure::not_running)?;
    let done = match &args.command {
        FaultsCommand::List => Ok(Value::Null),
        FaultsCommand::Add(fault) => running.call(Method::POST, PATH, Some(&wire(fault))).await,
        FaultsCommand::Clear(clear) => {
            let path = clear.id.map_or(PATH.to_owned(), |id| format!("{PATH}/{id}"));
            running.call(Method::DELETE, &path, None).await
        }
    };
    done.map_err(failure::cloud)?;
    let faults = running.call(Method::GET, PATH, None).await.map_err(failure::cloud)?;
    session.ui.report(&Report { version: 1, outcome: "done", faults })?;
    Ok(Exit::Done)
}

fn wire(fault: &FaultArgs) -> Value {
    json!({
        "kind": fault.kind,
        "route": fault.route,
        "rate": fault.rate,
        "nth": fault.nth,
        "times": fault.times,
        "seed": fault.seed,
        "status": fault.status,
        "retry_after": fault.retry_after,
        "delay": fault.delay,
    })
}
