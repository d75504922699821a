use crate::{
    args::RewindArgs,
    failure,
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use serde::Serialize;

#[derive(Serialize)]
struct RewindDocument {
    version: u32,
    outcome: &'static str,
    database: DatabaseName,
    bookmark: String,
    previous_bookmark: Option<String>,
    api_calls: ApiCalls,
}

/// `clodo-db rewind`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RewindArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    places.only()?;
    let opened = places.expect(0).await?;
    let Some(d1) = &opened.d1 else {
        let error = CliError::usage("a SQLite file has no history to go back to");
        return Err(error.with_hint("bring the file back from a backup"));
    };
    places.all[0].takes_changes(
        "`clodo-deploy rollback --with-data` takes a deployment and its data back",
    )?;
    let name = places.all[0].shown();
    // Before anybody is asked: the platform may have forgotten that moment.
    let bookmark = match args.bookmark.parse::<jiff::Timestamp>() {
        Ok(time) => d1.bookmark_at(&time.to_string()).await.map_err(failure::of_platform)?,
        Err(_) => args.bookmark.clone(),
    };
    // Always: what was written since is lost, wherever it is.
    let question = format!("Put {name} back, and lose what was written since?");
    if !args.yes && !session.ui.confirm(&question, "--yes")? {
        return Err(failure::not_confirmed());
    }
    let previous = d1.rewind(&bookmark).await.map_err(failure::of_platform)?;
    session.ui.document(&RewindDocument {
        version: FORMAT,
        outcome: "done",
        database: places.all[0].name.clone(),
        bookmark: bookmark.clone(),
        previous_bookmark: previous.clone(),
        api_calls: places.calls(),
    })?;
    session.ui.text(&format!("{name} is back at {bookmark}"))?;
    if let Some(previous) = previous {
        session
            .ui
            .say(&format!("It was at {previous}; `clodo-db rewind {previous}` returns to that."));
    }
    Ok(Exit::Done)
}
