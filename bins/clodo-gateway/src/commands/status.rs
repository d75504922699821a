use crate::{args::PortArgs, report::StatusReport};
use clodo_cli::{CliError, Exit, Session};

/// `clodo-gateway status`
pub(crate) async fn run(session: &Session, args: &PortArgs) -> Result<Exit, CliError> {
    let status = super::ask(args.port).await?;
    session.ui.report(&StatusReport::new(args.port, status))?;
    Ok(Exit::Done)
}
