mod prove;
mod report;

use crate::{
    args::DrillArgs,
    failure,
    keeping::{self, Kept},
    places::Places,
    report::{ApiCalls, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::StoredBackup;
use prove::Live;
use report::{Drilled, Verdict};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct DrillDocument<'a> {
    version: u32,
    outcome: &'static str,
    databases: &'a [Drilled],
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// `clodo-db drill`: each backup is restored into a file that is removed again. A platform is only
/// reached for `--fresh` and `--compare`.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DrillArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::describe(session, global, &args.databases)?;
    if args.fresh || args.compare {
        places.connect().await?;
    }
    let mut all = Vec::new();
    let mut failed: Option<CliError> = None;
    for at in 0..places.all.len() {
        if session.cancel.is_cancelled() {
            return Err(failure::interrupted("run it again"));
        }
        let kept = places.kept_in(session, global, at, args.from.as_ref()).await?;
        let mut drilled = Drilled::new(&places.all[at].name);
        match one(session, &mut places, (at, &kept), args, &mut drilled).await {
            Err(error) if error.exit() == Exit::Interrupted => return Err(error),
            Err(error) => {
                drilled.verdict = Verdict::NotTried;
                drilled.why = Some(error.to_string());
                failed.get_or_insert(error);
            }
            Ok(()) => {}
        }
        drilled.name = places.all[at].name.clone();
        all.push(drilled);
    }
    let found = all.iter().filter(|one| one.verdict.is_found()).count();
    let found = (found > 0).then(|| {
        let message = match found {
            1 => "a backup would not have brought its database back".to_owned(),
            count => format!("{count} backups would not have brought their databases back"),
        };
        let first = all.iter().find(|one| one.verdict.is_found());
        let command = |words: &str| {
            first.map_or_else(|| format!("clodo-db {words}"), |one| one.name.command(words))
        };
        let (new, proof) = (command("backup"), command("drill --fresh"));
        CliError::new(Exit::Found, "drill", message)
            .with_hint(format!("`{new}` takes a new one; `{proof}` proves it"))
    });
    let error = failed.or(found);
    session.ui.document(&DrillDocument {
        version: FORMAT,
        outcome: error.as_ref().map_or("done", |error| error.exit().outcome()),
        databases: &all,
        api_calls: places.calls(),
        error: error.as_ref().map(CliError::to_json),
    })?;
    session.ui.text(report::text(&all).trim_end())?;
    let Some(error) = error else { return Ok(Exit::Done) };
    session.ui.error(&error);
    Ok(error.exit())
}

async fn one(
    session: &Session,
    places: &mut Places<'_>,
    (at, kept): (usize, &Kept),
    args: &DrillArgs,
    drilled: &mut Drilled,
) -> Result<(), CliError> {
    let opened = match args.fresh || args.compare {
        true => Some(places.expect(at).await?),
        false => None,
    };
    let place = &places.all[at];
    // A missing backup is a finding, and needs no folder.
    if !args.fresh && kept.latest().await?.is_none() {
        drilled.verdict = Verdict::Missing;
        return Ok(());
    }
    let claim = if args.fresh { kept.claim(session)? } else { kept.claim_to_read(session)? };
    let live = match &opened {
        Some(opened) => Some(Live::open(place, opened, args.fresh).await?),
        None => None,
    };
    let newest = match opened.as_ref().filter(|_| args.fresh) {
        Some(opened) => {
            let taken = keeping::take(session, place, opened, (kept, &claim)).await?;
            Some(StoredBackup::new(taken.name, taken.bytes))
        }
        None => kept.latest().await?,
    };
    let Some(newest) = newest else { return Ok(()) };
    drilled.of(&newest, kept);
    if let (Some(most), Some(age)) = (args.max_age, drilled.age)
        && age > most
    {
        drilled.verdict = Verdict::Old;
        return Ok(());
    }
    let live = live.as_ref().filter(|_| args.compare);
    let file = kept.file(session, &newest.name).await?;
    prove::prove(session, place, (file, &claim), live, drilled).await
}
