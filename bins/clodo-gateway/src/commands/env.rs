use crate::{
    args::{EnvArgs, Shell},
    report::base_url,
};
use clodo_cli::{CliError, Exit, OutputMode, Session};
use serde_json::{Map, Value, json};

/// wrangler and clodo read the first, the official SDKs and terraform the second.
const VARIABLES: [&str; 2] = ["CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_BASE_URL"];

/// `clodo-gateway env`
pub(crate) async fn run(session: &Session, args: &EnvArgs) -> Result<Exit, CliError> {
    let port = args.at.port;
    if super::ask(port).await?.is_none() {
        let message = format!("no gateway answers at port {port}");
        return Err(CliError::new(Exit::Failed, "not_running", message)
            .with_hint("`clodo-gateway run` starts one; `--port` names another port"));
    }
    let value = base_url(port);
    if session.ui.mode() == OutputMode::Text {
        for name in VARIABLES {
            session.ui.text(&line(args.shell, name, &value))?;
        }
    } else {
        let pairs = VARIABLES.map(|name| (name.to_owned(), Value::from(value.as_str())));
        let variables = Map::from_iter(pairs);
        session.ui.document(&json!({ "version": 1, "outcome": "done", "variables": variables }))?;
    }
    Ok(Exit::Done)
}

// A URL of ours: nothing in it needs more than plain quotes.
fn line(shell: Shell, name: &str, value: &str) -> String {
    match shell {
        Shell::Posix => format!("export {name}='{value}'"),
        Shell::Fish => format!("set -gx {name} '{value}'"),
        Shell::Powershell => format!("$env:{name} = '{value}'"),
    }
}
