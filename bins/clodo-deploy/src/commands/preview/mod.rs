pub(crate) mod args;
mod branch;
mod create;
mod delete;
mod list;

use crate::{
    context::Context,
    engine::{Engine, not_begun},
};
use args::{PreviewArgs, PreviewCommand};
use clodo::{Connection, Loaded};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{
    AccountScope, DeployError, FoundPreview, Observed, PlatformError, PreviewName, Scope,
    previews_in,
};
use std::collections::BTreeMap;

/// `clodo-deploy preview create | list | delete`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &PreviewArgs,
) -> Result<Exit, CliError> {
    match &args.command {
        PreviewCommand::Create(args) => create::run(session, global, args).await,
        PreviewCommand::List(args) => list::run(session, global, args).await,
        PreviewCommand::Delete(args) => delete::run(session, global, args).await,
    }
}

/// A name from the command line.
fn named(text: &str) -> Result<PreviewName, CliError> {
    PreviewName::of_text(text).map_err(|error| CliError::usage(error.to_string()))
}

/// What the accounts of a portfolio hold.
struct Found {
    /// Reads and writes what belongs to no files.
    engine: Engine,
    observed: Observed,
    /// The previews among it.
    previews: BTreeMap<PreviewName, FoundPreview>,
}

impl Found {
    /// Reads listings; those of data only if `data` asks for them.
    async fn read(
        context: &Context<'_>,
        to: &Connection,
        question: Option<String>,
        data: bool,
    ) -> Result<Self, CliError> {
        let portfolio = context.project.portfolio();
        let mut nothing = Loaded::nothing(portfolio.name().clone());
        let engine = Engine::new(context, to, &mut nothing, question).await?;
        let mut scope = AccountScope::default();
        (scope.databases, scope.namespaces) = (data, data);
        (scope.buckets, scope.queues) = (data, data);
        let used = portfolio.accounts().keys().filter(|name| to.accounts.contains_key(*name));
        let accounts = used.map(|name| (name.clone(), scope.clone())).collect();
        let observed = engine.cx.platform.observe(&Scope { accounts }).await.map_err(unread)?;
        let previews = previews_in(&observed, portfolio.name());
        Ok(Self { engine, observed, previews })
    }
}

fn unread(error: PlatformError) -> CliError {
    not_begun(DeployError::Observe(error))
}
