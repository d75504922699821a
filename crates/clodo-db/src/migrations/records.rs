//! What a database says of its migrations, and the statements that write it.

use super::{
    file::{AppliedMigration, Checksum, MigrationFile},
    migrate_error::MigrateError,
    schema::{Schema, SchemaObject},
    up::Migrator,
};
use crate::{
    backup::MARKER,
    error::{DatabaseError, DatabaseErrorKind},
    identifier::{literal, quoted},
    statement::{Rows, Statement},
    value::Value,
};

/// Wrangler's table of applied migrations.
pub const RECORDS: &str = "d1_migrations";
/// The table beside it, with what was in each file.
pub(crate) const SUMS: &str = "clodo_migrations";

/// How the records of a database were found; files are applied as long as they are so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Both tables are there.
    ready: bool,
    /// The last migration that was applied.
    last: Option<String>,
}

impl Seen {
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// The same behind one more file.
    pub(super) fn behind(&mut self, file: &MigrationFile) {
        self.ready = true;
        self.last = Some(file.name.clone());
    }
}

/// The records of a database.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// In the order in which they were applied.
    pub(super) applied: Vec<AppliedMigration>,
    /// Both tables are there.
    pub(super) ready: bool,
    /// What else it holds, where that was asked for.
    pub(super) schema: Schema,
}

impl Records {
    pub(super) fn last(&self) -> Option<&str> {
        self.applied.last().map(|done| done.name.as_str())
    }

    /// Whether a file was applied as it is.
    pub(super) fn has(&self, file: &MigrationFile) -> bool {
        let sum = Some(file.checksum);
        self.applied.iter().any(|done| done.name == file.name && done.checksum == sum)
    }

    pub(super) fn seen(&self) -> Seen {
        Seen { ready: self.ready, last: self.last().map(str::to_owned) }
    }
}

impl Migrator<'_> {
    /// What was applied, and whether both tables are there. The usual way costs one query.
    pub(super) async fn recorded(&self) -> Result<Records, MigrateError> {
        self.read(|_| String::new()).await
    }

    /// The same and the schema, out of the same query; where `unless` was applied, without the schema.
    pub(super) async fn recorded_with_schema(
        &self,
        unless: Option<&str>,
    ) -> Result<Records, MigrateError> {
        let records = quoted(&self.records);
        self.read(|there| {
            let objects = Schema::listed(&self.records);
            let lacks = match unless.filter(|_| there).map(literal) {
                Some(name) => {
                    format!(" AND NOT EXISTS (SELECT 1 FROM {records} WHERE name = {name})")
                }
                None => String::new(),
            };
            format!(
                " UNION ALL SELECT 1, rowid, NULL, NULL, NULL, type, name, tbl_name, sql \
                 FROM {objects}{lacks}"
            )
        })
        .await
    }

    /// Reads the records, and what `also` adds to the query; it is told whether there is a table of
    /// them.
    async fn read(&self, also: impl Fn(bool) -> String) -> Result<Records, MigrateError> {
        let name = self.records.to_ascii_lowercase();
        let is_own = ["sqlite_", "_cf_", "_clodo_"].iter().any(|start| name.starts_with(start));
        if is_own || name == SUMS {
            return Err(MigrateError::Reserved(self.records.clone()));
        }
        let (records, sums) = (quoted(&self.records), quoted(SUMS));
        let half = format!("(SELECT {} AS half) h", is_half());
        let rest = format!("h.half, NULL, NULL, NULL, NULL FROM {half}");
        let joined = format!("LEFT JOIN {records} r ON 1");
        let both = format!(
            "SELECT 0, r.id, r.name, s.sha256, {rest} {joined} LEFT JOIN {sums} s ON s.name = {}",
            match checksum_prefix(&self.records).as_str() {
                "" => "r.name".to_owned(),
                prefix => format!("{} || r.name", literal(prefix)),
            }
        );
        let only = format!("SELECT 0, r.id, r.name, NULL, {rest} {joined}");
        // Whether somebody else made the table since the question before.
        let made =
            format!("SELECT name FROM sqlite_master WHERE name = {}", literal(&self.records));
        let none = format!("SELECT 0, NULL, NULL, ({made}), {rest}");
        let ways = [(both, true, true), (only, false, true), (none, false, false)];
        let mut way = 0;
        while let Some((sql, ready, there)) = ways.get(way) {
            let sql = format!("{sql}{} ORDER BY 1, 2", also(*there));
            match self.database().query(&Statement::new(sql)).await {
                Ok(rows) if !there && is_made(&rows) => way = 0,
                Ok(rows) => return self.found(rows, *ready),
                Err(error) if is_missing_table(&error) => way += 1,
                Err(source) => {
                    let doing = "read which migrations the database has";
                    return Err(MigrateError::Database { doing, source });
                }
            }
        }
        Ok(Records::default())
    }

    fn found(&self, rows: Rows, ready: bool) -> Result<Records, MigrateError> {
        let half = rows.rows.first().and_then(|row| row.get(4)?.as_integer());
        if half != Some(0) {
            return Err(MigrateError::HalfRestored);
        }
        let (mut applied, mut objects) = (Vec::new(), Vec::new());
        for row in rows.rows {
            let mut values = row.into_iter().skip(2);
            applied.extend(applied_migration(&mut values));
            objects.extend(SchemaObject::of(values));
        }
        Ok(Records { applied, ready, schema: Schema::of(objects, &self.records) })
    }

    pub(super) fn tables(&self) -> String {
        tables(&self.records)
    }

    /// What comes before a file's own statements. It fails unless the records are as they were seen.
    pub(super) fn head(&self, file: &MigrationFile, seen: &Seen) -> String {
        let tables = if seen.ready { String::new() } else { self.tables() };
        let last = seen.last().map_or_else(|| "NULL".to_owned(), literal);
        let moved = format!("({}) IS NOT {last}", self.newest());
        let guard = fail_when("not as it was seen", &format!("{} OR {moved}", is_half()));
        format!("{tables}{guard}{}", self.record(file))
    }

    /// Fails in a database that is half restored.
    pub(super) fn whole(&self) -> String {
        fail_when("half restored", &is_half())
    }

    pub(super) fn record(&self, file: &MigrationFile) -> String {
        let (records, name) = (quoted(&self.records), literal(&file.name));
        format!("INSERT INTO {records} (name) VALUES ({name});\n{}", self.sum(file))
    }

    /// By which name the checksum of a migration is found.
    fn key(&self, name: &str) -> String {
        literal(&format!("{}{name}", checksum_prefix(&self.records)))
    }

    pub(super) fn sum(&self, file: &MigrationFile) -> String {
        let (sums, key, checksum) = (quoted(SUMS), self.key(&file.name), file.checksum);
        format!("INSERT OR REPLACE INTO {sums} (name, sha256) VALUES ({key}, '{checksum}');\n")
    }

    /// What removes a migration from both tables.
    pub(super) fn removal(&self, name: &str) -> String {
        let (records, sums) = (quoted(&self.records), quoted(SUMS));
        let (key, name) = (self.key(name), literal(name));
        format!(
            "DELETE FROM {records} WHERE name = {name};\nDELETE FROM {sums} WHERE name = {key};\n"
        )
    }

    /// Forgets a migration, and fails when it is not the last one.
    pub(super) fn forget(&self, name: &str, ready: bool) -> String {
        let tables = if ready { String::new() } else { self.tables() };
        let other = format!("({}) IS NOT {}", self.newest(), literal(name));
        let guard = fail_when("not the last migration", &format!("{} OR {other}", is_half()));
        format!("{tables}{guard}{}", self.removal(name))
    }

    fn newest(&self) -> String {
        let records = quoted(&self.records);
        // What is no name is no migration.
        format!("SELECT name FROM {records} WHERE typeof(name) = 'text' ORDER BY id DESC LIMIT 1")
    }
}

/// What stands before a migration's name in the table of checksums, for a table of records: nothing for
/// wrangler's usual one. Services that share a database have files of the same name.
#[must_use]
pub fn checksum_prefix(records: &str) -> String {
    match records {
        RECORDS => String::new(),
        other => format!("{other}/"),
    }
}

/// What makes both tables where they are not there.
pub(super) fn tables(records: &str) -> String {
    let (records, sums) = (quoted(records), quoted(SUMS));
    format!(
        "CREATE TABLE IF NOT EXISTS {records} (id INTEGER PRIMARY KEY AUTOINCREMENT, \
         name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);\n\
         CREATE TABLE IF NOT EXISTS {sums} (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);\n"
    )
}

/// Whether a restore did not come to its end.
fn is_half() -> String {
    format!("EXISTS (SELECT 1 FROM sqlite_master WHERE name = {})", literal(MARKER))
}

/// A statement that fails when a condition holds: a checksum must not be nothing.
fn fail_when(why: &str, condition: &str) -> String {
    let (sums, why) = (quoted(SUMS), literal(why));
    format!("INSERT INTO {sums} (name, sha256) SELECT {why}, NULL WHERE {condition};\n")
}

/// Takes a name, a checksum and the mark of a half restored database; no migration when there is no
/// name.
fn applied_migration(values: &mut impl Iterator<Item = Value>) -> Option<AppliedMigration> {
    let (name, sum, _half) = (values.next()?, values.next()?, values.next()?);
    let Value::Text(name) = name else { return None };
    let checksum: Option<Checksum> = sum.as_text().and_then(|text| text.parse().ok());
    Some(AppliedMigration { name, checksum })
}

/// Whether the table of records is there after all.
fn is_made(rows: &Rows) -> bool {
    rows.rows.first().and_then(|row| row.get(3)?.as_text()).is_some()
}

/// A database that is new, or wrangler's own, lacks one table or both.
fn is_missing_table(error: &DatabaseError) -> bool {
    matches!(error.kind(), DatabaseErrorKind::Sql) && error.message().contains("no such table")
}
