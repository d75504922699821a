use crate::{
    migration_gate,
    platform::{CloudflarePlatform, failed},
};
use async_trait::async_trait;
use clodo_cf_api::d1::{self, D1Database, Sql};
use clodo_db::{DatabaseErrorKind, MigrateError, quoted};
use clodo_orchestrator::{
    AppliedMigration, Checksum, MigrationFile, MigrationTarget, Migrator, PlatformError,
    PlatformErrorKind,
};
use clodo_types::DatabaseId;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

/// Applies migration files to D1 through the API as `clodo-db` carries them out, in wrangler's own
/// table of records, with each file's checksum in the table `clodo_migrations` beside it.
///
/// A file, its record and its checksum travel in one request, which D1 carries out as one
/// transaction, together with the two tables when they are missing. The record comes before the file:
/// its UNIQUE name stops a second runner before the file runs.
#[derive(Debug)]
pub struct D1Migrator {
    platform: Arc<CloudflarePlatform>,
    /// Databases in which both tables are known to exist.
    ready: Mutex<BTreeSet<DatabaseId>>,
}

impl D1Migrator {
    /// Works through a platform's client.
    #[must_use]
    pub fn new(platform: Arc<CloudflarePlatform>) -> Self {
        Self { platform, ready: Mutex::default() }
    }

    async fn rows(
        &self,
        database: &MigrationTarget,
        sql: &str,
        doing: &str,
    ) -> Result<Vec<Vec<Map<String, Value>>>, PlatformError> {
        let account = self.platform.account(&database.account)?;
        let read = d1::read(account, &database.id, &Sql::new(sql));
        let results = self.platform.client().send(read).await;
        let results =
            results.map_err(failed(format!("{doing} of database `{}`", shown(database))))?;
        Ok(results.into_iter().map(|result| result.results).collect())
    }

    fn ready(&self) -> MutexGuard<'_, BTreeSet<DatabaseId>> {
        self.ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Migrator for D1Migrator {
    /// One request: which of the two tables exist, and their rows when they do. SQLite has no
    /// "select from a table if it exists", so the tables are created first when they are missing,
    /// by `apply`; here a missing table means no rows.
    async fn applied(
        &self,
        database: &MigrationTarget,
    ) -> Result<Vec<AppliedMigration>, PlatformError> {
        let doing = "could not read the migrations";
        let (records, sums) = (quoted(&database.table), quoted(SUMS));
        let both = format!("SELECT * FROM {records} ORDER BY id; SELECT name, sha256 FROM {sums}");
        let answer = match self.rows(database, &both, doing).await {
            Ok(answer) => {
                self.ready().insert(database.id.clone());
                answer
            }
            Err(error) if !is_missing_table(&error) => return Err(error),
            // The usual way costs one request; a database that is new or wrangler's own costs two.
            Err(_) => {
                let only = format!("SELECT * FROM {records} ORDER BY id");
                match self.rows(database, &only, doing).await {
                    Ok(answer) => answer,
                    Err(error) if is_missing_table(&error) => return Ok(Vec::new()),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(merged(answer, &clodo_db::checksum_prefix(&database.table)))
    }

    async fn apply(
        &self,
        database: &MigrationTarget,
        file: &MigrationFile,
    ) -> Result<(), PlatformError> {
        let account = self.platform.account(&database.account)?;
        let doing =
            format!("could not apply {} to database `{}`", file.path.display(), shown(database));
        let tables = !self.ready().contains(&database.id);
        let seam =
            D1Database::new(self.platform.client().clone(), account.clone(), database.id.clone());
        let migrator = clodo_db::Migrator::new(&seam).with_records(database.table.clone());
        let own = migration_gate::file(file);
        let request = migrator.request(&own, !tables).await;
        let (script, _) = request.map_err(|error| unapplied(&doing, error))?;
        let request = d1::query(account, &database.id, &Sql::new(script));
        let Err(error) = self.platform.client().send(request).await else {
            // Only now: a request that fails takes the tables back with it.
            self.ready().insert(database.id.clone());
            return Ok(());
        };
        // Whoever deleted the tables since, or put another database in its place, gets new ones.
        self.ready().remove(&database.id);
        // After a crash, or a lost answer, nobody knows whether the file had been applied. When the
        // database cannot be read either, the first error says more.
        let applied = match migrator.applied().await {
            // Somebody began to restore it after the gate had looked at it.
            Err(half @ MigrateError::HalfRestored) => return Err(unapplied(&doing, half)),
            applied => applied.unwrap_or_default(),
        };
        let is_it = |done: &clodo_db::AppliedMigration| {
            done.name == own.name && done.checksum.is_none_or(|known| known == own.checksum)
        };
        if applied.iter().any(is_it) { Ok(()) } else { Err(failed(doing)(error)) }
    }

    async fn bookmark(&self, database: &MigrationTarget) -> Result<Option<String>, PlatformError> {
        let account = self.platform.account(&database.account)?;
        let doing = format!("could not read a bookmark of database `{}`", shown(database));
        let now = self.platform.client().send(d1::bookmark(account, &database.id)).await;
        Ok(Some(now.map_err(failed(doing))?.bookmark))
    }
}

/// The side table with checksums.
const SUMS: &str = "clodo_migrations";

/// A file that was not sent.
fn unapplied(doing: &str, error: MigrateError) -> PlatformError {
    let kind = match &error {
        MigrateError::Database { source, .. } => match source.kind() {
            DatabaseErrorKind::Denied => PlatformErrorKind::NotAllowed,
            DatabaseErrorKind::Unreachable | DatabaseErrorKind::Limit => {
                PlatformErrorKind::Unavailable
            }
            _ => PlatformErrorKind::Refused,
        },
        _ => PlatformErrorKind::Refused,
    };
    PlatformError::new(kind, doing).with_source(error)
}

/// Names in the order of application, each with the checksum that was recorded with it.
fn merged(answer: Vec<Vec<Map<String, Value>>>, prefix: &str) -> Vec<AppliedMigration> {
    let mut answer = answer.into_iter();
    let text = |row: &Map<String, Value>, key: &str| row.get(key)?.as_str().map(str::to_owned);
    let names = answer.next().unwrap_or_default();
    let sums: BTreeMap<String, Checksum> = answer
        .next()
        .unwrap_or_default()
        .iter()
        .filter_map(|row| Some((text(row, "name")?, text(row, "sha256")?.parse().ok()?)))
        .collect();
    let applied = names.iter().filter_map(|row| {
        let (name, applied_at) = (text(row, "name")?, text(row, "applied_at"));
        let checksum = sums.get(&format!("{prefix}{name}")).copied();
        Some(AppliedMigration { checksum, name, applied_at })
    });
    applied.collect()
}

fn is_missing_table(error: &PlatformError) -> bool {
    let text = crate::load_error::chain(error);
    text.contains("no such table")
}

fn shown(database: &MigrationTarget) -> String {
    match &database.name {
        Some(name) => name.to_string(),
        None => database.id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_keep_their_order_and_get_their_checksums() {
        let rows = |value: Value| -> Vec<Map<String, Value>> {
            let rows = value.as_array().cloned().unwrap_or_default();
            rows.into_iter().filter_map(|row| row.as_object().cloned()).collect()
        };
        let sum = Checksum::of(b"x");
        let answer = vec![
            rows(json!([
                { "id": 1, "name": "0002.sql", "applied_at": "2026-11-29 08:00:00" },
                { "name": "0001.sql" },
            ])),
            rows(json!([{ "name": "0001.sql", "sha256": sum.to_string() }])),
        ];
        let applied = merged(answer, "");
        let done = |name: &str, checksum, at: Option<&str>| AppliedMigration {
            name: name.into(),
            checksum,
            applied_at: at.map(str::to_owned),
        };
        assert_eq!(applied[0], done("0002.sql", None, Some("2026-11-29 08:00:00")));
        assert_eq!(applied[1], done("0001.sql", Some(sum), None));
    }
}
