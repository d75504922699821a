use crate::{
    args::RepairArgs,
    commands::{status::ProblemDocument, verify},
    failure,
    places::{Opened, Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::{Problem, ProblemKind, Status};
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct RepairDocument {
    version: u32,
    outcome: &'static str,
    dry_run: bool,
    databases: Vec<Repaired>,
    api_calls: ApiCalls,
}

#[derive(Serialize)]
struct Repaired {
    #[serde(flatten)]
    name: DatabaseName,
    mended: Vec<ProblemDocument>,
    left: Vec<ProblemDocument>,
}

/// `clodo-db repair`: only the records change, never a table of the user's.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RepairArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut found: Vec<(usize, Opened, Vec<Problem>, Vec<Problem>)> = Vec::new();
    for at in 0..places.all.len() {
        let Some(opened) = places.find(at).await? else { continue };
        let place = &places.all[at];
        let status = place.migrator(&opened).status(&place.files).await;
        let status = status.map_err(|error| failure::of_migrate(&place.shown(), error))?;
        if status.problems.iter().any(|problem| problem.kind == ProblemKind::Edited) {
            warn_of_drift(session, place, &opened, &status).await?;
        }
        let mends = |problem: &Problem| problem.kind != ProblemKind::OutOfOrder;
        let (mend, left) = status.problems.into_iter().partition(mends);
        found.push((at, opened, mend, left));
    }
    let which: Vec<usize> =
        found.iter().filter(|(.., mend, _)| !mend.is_empty()).map(|(at, ..)| *at).collect();
    for (_, _, mend, _) in &found {
        for problem in mend {
            session.ui.say(&problem.to_string());
        }
    }
    if !args.dry_run && !which.is_empty() {
        places.confirm(session, &which, "Record the files as they are now", args.yes)?;
        for (at, opened, mend, _) in &mut found {
            let place = &places.all[*at];
            let mended = place.migrator(opened).repair(&place.files, mend).await;
            *mend = mended.map_err(|error| failure::of_migrate(&place.shown(), error))?;
        }
    }
    let documents = |problems: Vec<Problem>| problems.into_iter().map(Into::into).collect();
    let databases: Vec<Repaired> = found
        .into_iter()
        .map(|(at, _, mend, left)| Repaired {
            name: places.all[at].name.clone(),
            mended: documents(mend),
            left: documents(left),
        })
        .collect();
    let text = text(&databases, args.dry_run);
    session.ui.document(&RepairDocument {
        version: FORMAT,
        outcome: if which.is_empty() { "nothing_to_do" } else { "done" },
        dry_run: args.dry_run,
        databases,
        api_calls: places.calls(),
    })?;
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}

/// Records say that the database is as the files say: whoever writes them should know when it is not.
async fn warn_of_drift(
    session: &Session,
    place: &Place,
    opened: &Opened,
    status: &Status,
) -> Result<(), CliError> {
    let drift = verify::drift(place, opened, status, &mut Vec::new()).await;
    let (_, drifts) = drift.map_err(|error| failure::of_migrate(&place.shown(), error))?;
    if let Some(first) = drifts.first() {
        session.ui.warn(&format!(
            "{}: the database is not as the files say now: {} {} differs{}; `{}` shows it once they are \
             recorded",
            place.name,
            first.object,
            first.name,
            if drifts.len() > 1 { format!(", and {} more", drifts.len() - 1) } else { String::new() },
            place.name.command("verify")
        ));
    }
    Ok(())
}

fn text(databases: &[Repaired], dry_run: bool) -> String {
    let mut text = String::new();
    for Repaired { name, mended, left } in databases {
        let would = if dry_run { "would be " } else { "" };
        let gone = mended.iter().filter(|one| one.problem.kind == ProblemKind::Missing).count();
        let anew = mended.len() - gone;
        let forgotten = match gone {
            0 => String::new(),
            gone => format!(", {gone} {would}forgotten"),
        };
        // Writing to a `String` cannot fail.
        let _ =
            writeln!(text, "{name}: {anew} {would}recorded anew{forgotten}, {} left", left.len());
    }
    text
}
