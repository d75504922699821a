use super::{
    file::MigrationFile,
    protect::{Refusal, protect},
    replay::Replay,
};
use crate::{
    database::Database,
    error::DatabaseError,
    identifier::{literal, platforms},
    statement::Statement,
    value::Value,
};

/// Something that a schema holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaObject {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to; a table's own name.
    pub table: String,
    /// The statement that makes it.
    pub sql: String,
}

impl SchemaObject {
    /// Out of a kind, a name, a table and a statement; none when one of them is none.
    pub(super) fn of(values: impl IntoIterator<Item = Value>) -> Option<Self> {
        let mut texts = values.into_iter().map(|value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        });
        let mut next = || texts.next().flatten();
        Some(Self { kind: next()?, name: next()?, table: next()?, sql: next()? })
    }
}

/// What a database holds, without its rows; SQLite's, D1's and Clodo's own tables are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Tables first, then views, indexes and triggers, each in the order in which they were made.
    pub objects: Vec<SchemaObject>,
    /// The table of applied migrations, which is no part of it.
    pub records: String,
}

/// What is no part of a schema: SQLite's own, D1's own, and Clodo's side table.
fn foreign() -> String {
    let platforms = platforms("name");
    format!(
        "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND NOT {platforms} AND tbl_name <> 'clodo_migrations'"
    )
}

impl Schema {
    /// Reads it, in one query. `records` is the table of applied migrations, which is left out too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read(database: &dyn Database, records: &str) -> Result<Self, DatabaseError> {
        let listed = Self::listed(records);
        let sql = format!("SELECT type, name, tbl_name, sql FROM {listed} ORDER BY rowid");
        let rows = database.query(&Statement::new(sql)).await?;
        Ok(Self::of(rows.rows.into_iter().filter_map(SchemaObject::of), records))
    }

    /// Where all that is part of one is listed: what comes behind `FROM`.
    pub(super) fn listed(records: &str) -> String {
        let records = literal(records);
        let foreign = foreign();
        format!("sqlite_master WHERE sql IS NOT NULL AND {foreign} AND tbl_name <> {records}")
    }

    /// The schema that a file of `CREATE` statements describes.
    ///
    /// # Errors
    /// When it is no SQL, or its statements do not fit one another; the finding says where.
    pub fn described(file: &MigrationFile) -> Result<Self, Refusal> {
        Ok(protect(&Self::default(), file)?.schema)
    }

    /// The same without the tables that hold the data of virtual ones: those come and go with them.
    #[must_use]
    pub fn without_shadows(mut self) -> Self {
        let made = Replay::as_far_as_possible(&self);
        let Ok((shadows, _)) = made.and_then(|(replay, _)| replay.virtuals()) else { return self };
        let is_shadow = |one: &SchemaObject| {
            one.kind == "table" && shadows.contains(&one.name.to_ascii_lowercase())
        };
        self.objects.retain(|one| !is_shadow(one));
        self
    }

    pub(super) fn of(objects: impl IntoIterator<Item = SchemaObject>, records: &str) -> Self {
        let mut objects: Vec<SchemaObject> = objects.into_iter().collect();
        let place = |object: &SchemaObject| {
            ["table", "view", "index", "trigger"].iter().position(|kind| *kind == object.kind)
        };
        objects.sort_by_key(place);
        Self { objects, records: records.to_owned() }
    }
}
