use crate::{
    args::{QueryArgs, RowFormat},
    failure,
    keeping::{self, Saved},
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
    rows::{as_json, csv, table},
};
use clodo_cli::{CliError, Exit, GlobalArgs, OutputMode, Session, counted};
use clodo_db::{DatabaseError, Statement, only_reads, split, why_no_sql};
use serde::Serialize;
use serde_json::Value as Json;
use std::io::Read as _;

#[derive(Serialize)]
struct QueryDocument {
    version: u32,
    outcome: &'static str,
    database: DatabaseName,
    columns: Vec<String>,
    rows: Vec<Vec<Json>>,
    changes: u64,
    api_calls: ApiCalls,
}

/// `clodo-db query`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &QueryArgs,
) -> Result<Exit, CliError> {
    let sql = statement(&args.sql)?;
    if !args.write && !only_reads(&sql) {
        return Err(writes(&sql, "give --write when it is meant to change something"));
    }
    let mut places = Places::open(session, global, &args.databases).await?;
    places.only()?;
    let opened = places.expect_stoppable(0, &session.cancel).await?;
    let statement = Statement::new(sql);
    let mut saved = Saved::default();
    let rows = if args.write {
        places.all[0].takes_changes("write a migration, or leave --write out")?;
        places.confirm(session, &[0], "Run the statement", args.yes)?;
        saved = keeping::noted(&opened).await?;
        let ran = opened.database.batch(std::slice::from_ref(&statement)).await;
        ran.map(|all| all.into_iter().next().unwrap_or_default())
    } else {
        let run = opened.database.query(&statement);
        let done = session.cancel.run_until_cancelled(run).await;
        done.ok_or_else(|| failure::interrupted("nothing was changed"))?
    };
    let place = &places.all[0];
    let rows = rows.map_err(|error| {
        let back = saved.way_back(&place.name);
        failed(session, &place.shown(), args.write, error, back.as_deref())
    })?;
    let text = match (session.ui.mode(), args.format) {
        (OutputMode::Text, RowFormat::Table) => table(&rows),
        (OutputMode::Text, RowFormat::Csv) => csv(&rows),
        _ => String::new(),
    };
    let changes = rows.changes;
    session.ui.document(&QueryDocument {
        version: FORMAT,
        outcome: "done",
        database: place.name.clone(),
        columns: rows.columns,
        rows: rows.rows.into_iter().map(|row| row.into_iter().map(as_json).collect()).collect(),
        changes,
        api_calls: places.calls(),
    })?;
    if !text.is_empty() {
        session.ui.text(&text)?;
    }
    if args.write {
        let rows = counted(usize::try_from(changes).unwrap_or(usize::MAX), "row");
        session.ui.say(&format!("{rows} changed."));
        if let Some(back) = saved.way_back(&places.all[0].name) {
            session.ui.say(&back);
        }
    }
    Ok(Exit::Done)
}

/// Why a statement has no answer. One that writes may have run all the same.
pub(crate) fn failed(
    session: &Session,
    place: &str,
    writes: bool,
    error: DatabaseError,
    back: Option<&str>,
) -> CliError {
    if writes && error.may_have_happened() {
        let error = failure::of_database(place, "nobody knows whether the statement ran", error);
        let look = "look whether it did before it is run again";
        return error.with_hint(match back {
            Some(back) => format!("{look}; {back}"),
            None => look.to_owned(),
        });
    }
    match session.cancel.is_cancelled() {
        true => failure::interrupted("nothing was changed"),
        false => failure::of_database(place, "the statement did not run", error),
    }
}

/// Why a statement is not run that is none that only reads.
pub(crate) fn writes(sql: &str, hint: &str) -> CliError {
    match why_no_sql(sql) {
        Some(why) => {
            CliError::new(Exit::Refused, "no_sql", format!("the statement is no SQL: {why}"))
                .with_hint("correct it")
        }
        None => CliError::new(Exit::Refused, "writes", "the statement is none that only reads")
            .with_hint(hint),
    }
}

/// The statement: one, from the command line or the input.
fn statement(given: &str) -> Result<String, CliError> {
    let mut sql = given.to_owned();
    if given == "-" {
        sql.clear();
        let read = std::io::stdin().lock().read_to_string(&mut sql);
        read.map_err(|error| CliError::usage("the input is no text").with_source(error))?;
    }
    match split(&sql).count() {
        1 => Ok(sql),
        0 => Err(CliError::usage("there is no statement").with_hint("write one, as in `SELECT 1`")),
        _ => Err(CliError::usage("there are several statements")
            .with_hint("run them one by one, or write a migration")),
    }
}
