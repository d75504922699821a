use super::{
    error::BackupError,
    layout::{Layout, Table, ask},
    restore::marker,
};
use crate::{database::Database, error::DatabaseErrorKind, identifier::quoted};
use std::collections::BTreeMap;

/// What a restore finds in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// How many rows each table has, views and what tables keep beside themselves left out. None of a virtual
    /// table that cannot be read here, as one of an unknown module.
    pub rows: BTreeMap<String, u64>,
    /// How many views there are.
    pub views: usize,
    /// A restore into it has not come to its end.
    pub half: Option<HalfRestored>,
}

/// A restore that has not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HalfRestored {
    /// The checksum of the dump.
    pub sha256: String,
    /// So many of its statements are done.
    pub done: u64,
}

impl Held {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.views == 0 && self.half.is_none()
    }
}

/// So many tables are counted with one statement; D1 gives 100 columns.
const COUNTS: usize = 50;

/// Says what is in a database, so that a person can decide whether it may go. It counts the rows of
/// each table, which reads their keys.
///
/// # Errors
/// When the database cannot be read.
pub async fn held(database: &dyn Database) -> Result<Held, BackupError> {
    let half = marker(database).await?.map(|(sha256, done)| HalfRestored { sha256, done });
    let layout = Layout::read(database).await?;
    let mut rows = BTreeMap::new();
    // What one of them shows may be gone: it is there all the same, and nobody knows how much is in it.
    for table in &layout.virtuals {
        let sql = format!("SELECT count(*) FROM {}", quoted(&table.name));
        let count = match ask(database, &sql).await {
            Ok(answer) => answer.rows.first().and_then(|row| row.first()?.as_integer()),
            Err(error) if error.kind() == DatabaseErrorKind::Sql => None,
            Err(error) => return Err(error.into()),
        };
        let count = count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
        rows.insert(table.name.clone(), count);
    }
    let tables: Vec<&Table> = layout.tables.iter().collect();
    for some in tables.chunks(COUNTS) {
        let count = |table: &&Table| format!("(SELECT count(*) FROM {})", quoted(&table.name));
        let counts: Vec<String> = some.iter().map(count).collect();
        let answer = ask(database, &format!("SELECT {}", counts.join(", "))).await?;
        let counts = answer.rows.first().map(Vec::as_slice).unwrap_or_default();
        let strange = || BackupError::Answer("numbers of rows".to_owned());
        if counts.len() != some.len() {
            return Err(strange());
        }
        for (table, count) in some.iter().zip(counts) {
            let count = count.as_integer().and_then(|count| count.try_into().ok());
            rows.insert(table.name.clone(), count.ok_or_else(strange)?);
        }
    }
    Ok(Held { rows, views: layout.views.len(), half })
}

/// The names of D1's databases and of files, so that each names one folder on every file system: small
/// letters, digits, `-` and a `.` within as they are, `_` twice, other bytes as `_` and two hexadecimal
/// digits.
#[must_use]
pub fn folder_name(of: &str) -> String {
    let mut name = String::with_capacity(of.len());
    for (at, byte) in of.bytes().enumerate() {
        match byte {
            b'.' if at > 0 && at + 1 < of.len() => name.push('.'),
            b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            b'_' => name.push_str("__"),
            other => name.push_str(&format!("_{other:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteDatabase;

    #[tokio::test]
    async fn a_database_tells_what_would_go() {
        let database = SqliteDatabase::in_memory().await.unwrap();
        assert!(held(&database).await.unwrap().is_empty());
        let sql = "CREATE TABLE \"a \"\"b\" (x); INSERT INTO \"a \"\"b\" VALUES (1), (2); CREATE VIEW v AS \
                   SELECT 1; CREATE VIRTUAL TABLE f USING fts5(t); INSERT INTO f VALUES ('one');";
        database.script(sql).await.unwrap();
        for n in 0..COUNTS {
            database.script(&format!("CREATE TABLE t{n} (x)")).await.unwrap();
        }
        let found = held(&database).await.unwrap();
        assert_eq!((found.rows["a \"b"], found.rows["f"], found.rows["t7"]), (2, 1, 0));
        assert_eq!((found.rows.len(), found.views), (COUNTS + 2, 1));
        assert_eq!(found.half, None);
        database
            .script("CREATE TABLE _clodo_restore (sha256, done); INSERT INTO _clodo_restore VALUES ('ab', 7)")
            .await
            .unwrap();
        let half = HalfRestored { sha256: "ab".to_owned(), done: 7 };
        assert_eq!(held(&database).await.unwrap().half, Some(half));
    }

    #[test]
    fn names_of_folders_are_told_apart_on_every_file_system() {
        assert_eq!(folder_name("shop-2.db"), "shop-2.db");
        let names =
            ["shop_db", "shop__db", "shop.db", "shop.", "Shop_db", "shop_5fdb", "shöp", "../x", ""];
        let folders = names.map(folder_name);
        let lower: std::collections::BTreeSet<String> =
            folders.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(lower.len(), names.len(), "{folders:?}");
        let plain = |name: &String| !name.contains('/') && !name.starts_with('.');
        assert!(folders.iter().all(plain), "{folders:?}");
    }
}
