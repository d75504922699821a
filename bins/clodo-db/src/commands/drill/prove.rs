use super::report::{Compared, DifferenceRow, Drilled, Verdict};
use crate::{
    failure::{self, interrupted},
    keeping::{Claim, Dump, Found, Rules, Watched, of_backup},
    places::{Opened, Place},
};
use clodo_cli::{CliError, Exit, Session};
use clodo_db::{
    BackupError, Database, DatabaseError, Moments, RestoreError, RestoreOptions, SqliteDatabase,
    Statement, Value, compare, held, restore,
};
use clodo_sqlite::{Durability, OpenOptions};
use clodo_types::{Clock as _, SystemClock};
use std::{collections::BTreeSet, error::Error};

/// The database as it is now, and when it was looked at.
#[derive(Debug)]
pub(super) struct Live {
    database: Side,
    /// The moment before anything else was done.
    before: String,
    /// A backup is taken now.
    fresh: bool,
}

#[derive(Debug)]
enum Side {
    D1(clodo::FoundDatabase),
    File(SqliteDatabase),
}

impl Live {
    pub(super) async fn open(
        place: &Place,
        opened: &Opened,
        fresh: bool,
    ) -> Result<Self, CliError> {
        let failed = |error| of_backup(&place.shown(), BackupError::Database(error));
        let database = match (&opened.d1, place.file()) {
            (Some(d1), _) => Side::D1(d1.clone()),
            (None, Some(file)) => {
                let options = OpenOptions::default().with_create(false).with_keep_journal();
                Side::File(SqliteDatabase::open(file, options).await.map_err(failed)?)
            }
            (None, None) => return Err(place.missing()),
        };
        let mut live = Self { database, before: String::new(), fresh };
        live.before = live.moment().await.map_err(failed)?;
        Ok(live)
    }

    async fn moment(&self) -> Result<String, DatabaseError> {
        match &self.database {
            Side::D1(found) => found.database.moment().await,
            Side::File(file) => file.moment().await,
        }
    }

    fn database(&self) -> &dyn Database {
        match &self.database {
            Side::D1(found) => &found.database,
            Side::File(file) => file,
        }
    }

    /// The moment of the backup, if it is known: that of a file tells only who looked all the while.
    fn since(&self, backup: Option<&str>) -> Option<String> {
        match self.database {
            Side::D1(_) => backup.map(str::to_owned),
            Side::File(_) => self.fresh.then(|| self.before.clone()),
        }
    }
}

/// Restores a backup into a file of its own, looks whether that is sound, and compares it.
pub(super) async fn prove(
    session: &Session,
    place: &Place,
    (file, claim): (Found, &Claim),
    live: Option<&Live>,
    drilled: &mut Drilled,
) -> Result<(), CliError> {
    let dump = match Dump::check(session, file).await {
        Ok(dump) => dump,
        Err(error) if error.exit() == Exit::Refused => {
            drilled.verdict = Verdict::Damaged;
            drilled.why = Some(error.to_string());
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    drilled.holds(&dump.summary);
    let scratch = claim.scratch()?.join("drill.sqlite");
    let failed = |error| failure::of_database(&place.shown(), "the drill has no file", error);
    let options = OpenOptions::default().with_durability(Durability::Normal).with_keep_journal();
    let rules = if place.file().is_some() { Rules::AsItWas } else { Rules::Enforced };
    let options = rules.apply(options);
    let again = SqliteDatabase::open(&scratch, options).await.map_err(failed)?;
    let began = SystemClock.now();
    let total = Some(dump.text_bytes);
    let watched = Watched::new(&again, session, &place.name, "restored", total);
    let restored = restore(&watched, &dump.file.path, &RestoreOptions::default()).await;
    drop(watched);
    if session.cancel.is_cancelled() {
        return Err(interrupted("run it again"));
    }
    let took = SystemClock.now().since(began).as_millis();
    drilled.restored_in_ms = Some(took.try_into().unwrap_or(u64::MAX));
    if let Err(error) = restored {
        // A disk that is full says nothing about the backup.
        if let RestoreError::Stopped { source, .. } = &error
            && source.kind() == clodo_db::DatabaseErrorKind::Full
        {
            return Err(crate::keeping::of_restore(&place.shown(), error));
        }
        drilled.verdict = Verdict::NotRestored;
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        drilled.why = Some(format!("{error}{cause}"));
        return Ok(());
    }
    drilled.unsound = unsound(&again).await.map_err(failed)?;
    if let Some(said) = &dump.summary.damage {
        drilled.unsound.push(format!("it was taken of a file that was damaged: {said}"));
    }
    let miscounted = miscounted(&again, &dump).await;
    drilled.unsound.extend(miscounted.map_err(|error| of_backup(&place.shown(), error))?);
    drilled.verdict = if drilled.unsound.is_empty() { Verdict::Good } else { Verdict::NotSound };
    if let Some(live) = live
        && drilled.verdict.is_good()
    {
        let since = live.since(dump.summary.moment.as_deref());
        let compared = beside(live, &again, since).await;
        let compared = compared.map_err(|error| of_backup(&place.shown(), error))?;
        if compared.unchanged && !compared.differences.is_empty() {
            drilled.verdict = Verdict::Differs;
        }
        drilled.compared = Some(compared);
    }
    Ok(())
}

/// Tables that have another number of rows than were written.
async fn miscounted(database: &SqliteDatabase, dump: &Dump) -> Result<Vec<String>, BackupError> {
    let came = held(database).await?.rows;
    // What shows rows of another table, or none that it holds, counts otherwise than what was written.
    let sql = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE %' \
               AND (sql LIKE '%content%=%' OR sql LIKE '%vocab%' OR sql LIKE '%fts4aux%')";
    let rows = database.query(&Statement::new(sql)).await?.rows;
    let name = |row: Vec<Value>| row.first()?.as_text().map(str::to_owned);
    let others: BTreeSet<String> = rows.into_iter().filter_map(name).collect();
    let differs = |(table, said): (&String, &u64)| {
        let came = came.get(table).copied().unwrap_or_default();
        (came != *said && !others.contains(table))
            .then(|| format!("table {table} has {came} rows, and {said} were written"))
    };
    Ok(dump.summary.rows.iter().filter_map(differs).collect())
}

/// What SQLite itself finds wrong.
async fn unsound(database: &SqliteDatabase) -> Result<Vec<String>, DatabaseError> {
    const MOST: usize = 20;
    let checks = [
        "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
        "SELECT 'a row of ' || \"table\" || ' refers to one of ' || parent || ' that is not there' \
         FROM pragma_foreign_key_check LIMIT 20",
    ];
    let mut found = Vec::new();
    for sql in checks {
        let rows = match database.query(&Statement::new(sql)).await {
            Ok(rows) => rows,
            // As of a reference to columns that are no key.
            Err(error) if error.kind() == clodo_db::DatabaseErrorKind::Sql => {
                found.push(error.message().to_owned());
                continue;
            }
            Err(error) => return Err(error),
        };
        let texts = rows.rows.iter().filter_map(|row| row.first()?.as_text());
        found.extend(texts.map(str::to_owned));
    }
    found.truncate(MOST);
    Ok(found)
}

async fn beside(
    live: &Live,
    again: &SqliteDatabase,
    since: Option<String>,
) -> Result<Compared, BackupError> {
    let differences = compare(live.database(), again).await?;
    let now = live.moment().await?;
    let row = |one: clodo_db::Difference| DifferenceRow {
        name: one.name,
        how: one.how.replace("the second", "the backup"),
    };
    Ok(Compared {
        unchanged: since.is_some_and(|since| since == now),
        differences: differences.into_iter().map(row).collect(),
    })
}
