use super::problem::{Dangling, MisfitError};
use crate::{
    backup::{
        error::BackupError,
        layout::ask,
        restore::{DumpSource, RestoreOptions, RestoreReport, restore},
        restore_error::RestoreError,
    },
    error::{DatabaseError, DatabaseErrorKind},
    sqlite::SqliteDatabase,
    value::Value,
};

/// Restores a copy into an empty database of its own, so that nothing is written to the one that it is for
/// when its rows do not fit: unique columns, checks, types, references. The database may be used in the
/// place of one afterwards.
///
/// # Errors
/// When they do not fit, or the trial itself fails.
pub async fn try_copy(
    dump: &dyn DumpSource,
    scratch: &SqliteDatabase,
    options: &RestoreOptions,
) -> Result<RestoreReport, MisfitError> {
    let look = |error: DatabaseError| RestoreError::Look(BackupError::Database(error));
    // A reference that does not hold would only be said to be one: looked at as a whole, each is named.
    let loose = scratch.sqlite().call(|db| db.pragma_update(None, "foreign_keys", false)).await;
    loose.map_err(|error| MisfitError::Trial(look(crate::sqlite::failed(error))))?;
    let report = restore(scratch, dump, options).await.map_err(|error| match error {
        RestoreError::Stopped { source, .. } if is_of_rows(source.kind()) => {
            MisfitError::Constraint(source)
        }
        other => MisfitError::Trial(other),
    })?;
    let dangling = dangling(scratch).await.map_err(|error| MisfitError::Trial(look(error)))?;
    match dangling.is_empty() {
        true => Ok(report),
        false => Err(MisfitError::References(dangling)),
    }
}

fn is_of_rows(kind: DatabaseErrorKind) -> bool {
    matches!(kind, DatabaseErrorKind::Constraint | DatabaseErrorKind::Limit)
}

async fn dangling(scratch: &SqliteDatabase) -> Result<Vec<Dangling>, DatabaseError> {
    // A row may have several references to the same table.
    let sql = "SELECT \"table\", parent, max(n) FROM (SELECT \"table\", parent, fkid, count(*) AS n \
               FROM pragma_foreign_key_check() GROUP BY 1, 2, 3) GROUP BY 1, 2 ORDER BY 1, 2";
    let rows = ask(scratch, sql).await?.rows;
    let row = |row: Vec<Value>| match &row[..] {
        [Value::Text(table), Value::Text(parent), Value::Integer(rows)] => Some(Dangling {
            table: table.clone(),
            parent: parent.clone(),
            rows: u64::try_from(*rows).unwrap_or_default(),
        }),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(row).collect())
}
