use crate::{
    args::RewindArgs,
    failure,
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_types::{Clock as _, SystemClock};
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
    let bookmark = match moment(&args.bookmark)? {
        Some(time) => d1.bookmark_at(&time.to_string()).await.map_err(failure::of_platform)?,
        None => args.bookmark.clone(),
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
        let back = places.all[0].name.command(&format!("rewind {previous}"));
        session.ui.say(&format!("It was at {previous}; `{back}` returns to that."));
    }
    Ok(Exit::Done)
}

/// A time, or one that is so long ago; none for a bookmark.
fn moment(given: &str) -> Result<Option<jiff::Timestamp>, CliError> {
    if let Ok(time) = given.parse() {
        return Ok(Some(time));
    }
    if let Ok(ago) = given.parse::<jiff::SignedDuration>() {
        let now = jiff::Timestamp::from_millisecond(SystemClock.now().as_millis());
        let time = now.and_then(|now| now.checked_sub(ago));
        return time
            .map(Some)
            .map_err(|error| CliError::usage("that is too long ago").with_source(error));
    }
    // Four parts of hexadecimal digits; what is in them is the platform's.
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match given.split('-').count() == 4 && given.split('-').all(is_hex) {
        true => Ok(None),
        false => Err(CliError::usage(format!("`{given}` is no bookmark and no time")).with_hint(
            "give a bookmark, a time as `2026-11-30T09:00:00Z`, or how long ago: `30m`",
        )),
    }
}
