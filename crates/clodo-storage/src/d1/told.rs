//! What D1 tells its observer.

use super::{D1Meta, D1Request, DatabaseRef, StatementResult};
use crate::observer::{D1Operation, Operation, StorageObserver};

/// One operation per SQL text of the request, however many statements it holds.
pub(super) fn query(
    observer: &dyn StorageObserver,
    at: &DatabaseRef,
    request: &D1Request,
    results: &[StatementResult],
) {
    for of_one_text in results.chunk_by(|a, b| a.query == b.query) {
        let Some((first, rest)) = of_one_text.split_first() else { continue };
        let mut meta = first.meta.clone();
        rest.iter().for_each(|result| meta.add(&result.meta));
        let sql = request.statements.get(first.query).map_or("", |statement| &statement.sql);
        ran(observer, at, sql, &meta);
    }
}

pub(super) fn ran(observer: &dyn StorageObserver, at: &DatabaseRef, sql: &str, meta: &D1Meta) {
    observer.operated(&Operation::D1(D1Operation {
        at,
        sql,
        writes: meta.writes || meta.changed_db,
        rows_read: meta.rows_read,
        rows_written: meta.rows_written,
        rows_returned: meta.rows_returned,
        duration: meta.duration,
        size_after: meta.size_after,
    }));
}
