mod data;
mod schema;

use crate::args::{SyncArgs, SyncCommand};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};

/// `clodo-db sync`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &SyncArgs,
) -> Result<Exit, CliError> {
    match &args.command {
        SyncCommand::Data(args) => data::run(session, global, args).await,
        SyncCommand::Schema(args) => schema::run(session, global, args).await,
    }
}
