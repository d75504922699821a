use crate::{
    args::{EnvArgs, Shell},
    failure,
    place::Place,
};
use clodo_cli::{CliError, Exit, GlobalArgs, OutputMode, Session};
use clodo_local::find;
use clodo_types::Secret;
use serde_json::{Map, Value, json};

/// `clodo-local env`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &EnvArgs,
) -> Result<Exit, CliError> {
    let place = Place::find(session, global)?;
    let running = find(&place.state()).await.ok_or_else(failure::not_running)?;
    let variables = running.environment();
    if session.ui.mode() == OutputMode::Text {
        for (name, value) in &variables {
            session.ui.text(&line(args.shell, name, value))?;
        }
    } else {
        let pairs =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.expose().into()));
        let variables: Map<String, Value> = pairs.collect();
        session.ui.document(&json!({ "version": 1, "outcome": "done", "variables": variables }))?;
    }
    Ok(Exit::Done)
}

// URLs, hexadecimal digits: nothing in a value needs more than plain quotes.
fn line(shell: Shell, name: &str, value: &Secret) -> String {
    let value = value.expose();
    match shell {
        Shell::Posix => format!("export {name}='{value}'"),
        Shell::Fish => format!("set -gx {name} '{value}'"),
        Shell::Powershell => format!("$env:{name} = '{value}'"),
    }
}
