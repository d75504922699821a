use crate::{
    args::DownArgs,
    failure,
    findings::blocks,
    keeping::{Kept, moment, of_io},
    places::{Opened, Place, Places},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::{
    Back, DumpSource as _, Keeper, MigrateError, MigrationFile, PlannedMigration, Reversal,
    StoredBackup, lint_on, literal,
};
use clodo_types::{Finding, Timestamp};
use std::io::BufRead as _;

/// What would become of one database.
pub(super) struct Checked {
    pub(super) reversals: Vec<Reversal>,
    pub(super) plan: Vec<PlannedMigration>,
    pub(super) findings: Vec<Finding>,
    /// Why nothing of it may run, where that is no finding about a file.
    pub(super) refused: Option<CliError>,
}

impl Checked {
    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some() || blocks(&self.findings)
    }
}

/// Looks at one database; nothing is written.
pub(super) async fn check(
    session: &Session,
    global: &GlobalArgs,
    places: &mut Places<'_>,
    at: usize,
    args: &DownArgs,
) -> Result<Checked, CliError> {
    let opened = places.expect(at).await?;
    let place = &places.all[at];
    let downs = place.migrations().read_down().map_err(failure::of_folder)?;
    let back = match &args.to {
        Some(name) => Back::To(name.clone()),
        None => Back::Steps(args.steps),
    };
    let of_migrate = |error| failure::of_migrate(&place.shown(), error);
    let migrator = place.migrator(&opened);
    let (reversals, plan, findings) = (Vec::new(), Vec::new(), Vec::new());
    let mut checked = Checked { reversals, plan, findings, refused: None };
    match migrator.reversals(&place.files, &downs, &back).await {
        Ok(reversals) => checked.reversals = reversals,
        Err(MigrateError::NoDown(name)) => {
            let kept = places.kept(session, global, at);
            checked.refused = Some(no_way(place, &opened, &kept, &name).await?);
            return Ok(checked);
        }
        Err(error @ MigrateError::Problems(_)) => {
            checked.refused = Some(of_migrate(error));
            return Ok(checked);
        }
        Err(error) => return Err(of_migrate(error)),
    }
    let schema = migrator.schema().await.map_err(of_migrate)?;
    let files: Vec<&MigrationFile> = checked.reversals.iter().map(|one| &one.file).collect();
    checked.findings = lint_on(schema, &files, &place.capabilities());
    if !blocks(&checked.findings) {
        checked.plan = migrator.plan_down(&checked.reversals).await.map_err(of_migrate)?;
    }
    Ok(checked)
}

/// There is no file; the hint names the way that is left: what there was before it was applied.
async fn no_way(
    place: &Place,
    opened: &Opened,
    kept: &Kept,
    name: &str,
) -> Result<CliError, CliError> {
    let error = MigrateError::NoDown(name.to_owned());
    let write = error.hint().unwrap_or_default();
    let refused = CliError::new(Exit::Refused, "no_down", format!("{}: {error}", place.name));
    let when = place.migrator(opened).applied_at(name).await;
    let when = when.map_err(|error| {
        failure::of_database(&place.shown(), "its records could not be read", error)
    })?;
    let when = when.and_then(|text| read(&text));
    let way = match (when, &opened.d1) {
        (Some(when), Some(_)) => {
            // Records have seconds.
            let before = moment(Timestamp::from_millis(when.as_millis() - 1_000));
            let command = place.name.command(&format!("rewind {before}"));
            Some(format!("`{command}` goes back to before it was applied"))
        }
        (Some(when), None) => without(kept, name, when).await?.map(|one| {
            let command = place.name.command(&format!("restore {} --over", one.name));
            format!("`{command}` goes back to before it was applied")
        }),
        _ => None,
    };
    let hint = match way {
        Some(way) => format!("{write}; or {way}, and loses what was written since"),
        None => format!("{write}; no backup from before it was applied is kept"),
    };
    Ok(refused.with_hint(hint))
}

/// The last backup from before a migration was recorded that does not hold its name: one that was
/// taken back and applied again may be in those between.
async fn without(
    kept: &Kept,
    name: &str,
    when: Timestamp,
) -> Result<Option<StoredBackup>, CliError> {
    let before = kept.before();
    for one in earlier(kept.list().await?, before.list().await?, when) {
        let from = if kept.has_file(&one.name) { kept } else { &before };
        let unreadable = |error| of_io(&format!("could not read {}", one.name), error);
        let store = from.store()?;
        let dump = Keeper::new(&*store).dump(&one.name);
        let mut input = dump.open().await.map_err(unreadable)?;
        let (mut line, mut holds) = (Vec::new(), false);
        while !holds && input.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            holds = String::from_utf8_lossy(&line).contains(&literal(name));
            line.clear();
        }
        if !holds {
            return Ok(Some(one));
        }
    }
    Ok(None)
}

/// Backups from before a migration was recorded, the last one first. Its time has seconds: within that
/// second `up --backup` took its own first.
fn earlier(
    all: Vec<StoredBackup>,
    before: Vec<StoredBackup>,
    when: Timestamp,
) -> Vec<StoredBackup> {
    let taken = |one: &StoredBackup| one.taken().map_or(i64::MAX, Timestamp::as_millis);
    let second = when.as_millis()..when.as_millis().saturating_add(1_000);
    let own = before.iter().filter(|one| second.contains(&taken(one))).min_by_key(|one| taken(one));
    let own = own.cloned();
    let earlier = all.into_iter().chain(before).filter(|one| taken(one) < second.start);
    let mut earlier: Vec<StoredBackup> = earlier.collect();
    earlier.sort_by_key(|one| std::cmp::Reverse(taken(one)));
    own.into_iter().chain(earlier).collect()
}

/// The moment that SQLite writes as `2026-11-29 12:00:00`, in UTC; its whole second.
fn read(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = format!("{}Z", text.replacen(' ', "T", 1)).parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backup_before_a_migration_is_named() {
        let at = |millis| {
            let name = clodo_db::backup_name("app", Timestamp::from_millis(millis));
            StoredBackup::new(name, 1)
        };
        let when = Timestamp::from_millis(5_000);
        let named = |all: &[i64], before: &[i64]| {
            let list = |some: &[i64]| some.iter().map(|millis| at(*millis)).collect();
            let found = earlier(list(all), list(before), when).into_iter().next()?;
            found.taken().map(Timestamp::as_millis)
        };
        assert_eq!(named(&[1_000, 4_999, 5_001, 9_000], &[2_000]), Some(4_999));
        assert_eq!(named(&[4_999], &[5_400, 5_900, 6_000]), Some(5_400));
        assert_eq!(named(&[5_001], &[6_000]), None);
    }

    #[test]
    fn what_a_record_says_of_its_time_is_read() {
        let at = read("2026-11-02 00:00:01").unwrap();
        assert_eq!(at.as_millis(), 1_793_577_601_000);
        assert_eq!(read("last Monday"), None);
    }
}
