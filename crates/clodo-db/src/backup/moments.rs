use crate::statement::Statement;
use crate::{
    database::Database as _,
    error::{DatabaseError, DatabaseErrorKind},
    sqlite::SqliteDatabase,
};
use async_trait::async_trait;
use std::fmt;

/// Tells the moment that a database is at, so that a backup knows whether somebody wrote meanwhile.
///
/// # Contract
/// - Two equal answers: nothing was written between them. Two that differ may mean nothing.
/// - It changes nothing and may be asked at any time; dropping the future leaves nothing running.
#[async_trait]
pub trait Moments: fmt::Debug + Send + Sync {
    /// The moment now.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn moment(&self) -> Result<String, DatabaseError>;
}

/// For a copy that nobody else has: nothing is ever written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Still;

#[async_trait]
impl Moments for Still {
    async fn moment(&self) -> Result<String, DatabaseError> {
        Ok(String::new())
    }
}

#[async_trait]
impl Moments for SqliteDatabase {
    async fn moment(&self) -> Result<String, DatabaseError> {
        // Writes of other connections, definitions, and writes of this one.
        let sql = "SELECT (SELECT data_version FROM pragma_data_version) || ' ' || \
                   (SELECT schema_version FROM pragma_schema_version) || ' ' || total_changes()";
        let rows = self.query(&Statement::new(sql)).await?;
        let text = rows.rows.first().and_then(|row| row.first()?.as_text());
        // No moment must never look like the same moment.
        text.map(str::to_owned).ok_or_else(|| {
            DatabaseError::new(DatabaseErrorKind::Other, "the database does not tell its moment")
        })
    }
}
