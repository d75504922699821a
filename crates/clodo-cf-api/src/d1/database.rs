use super::{Sql, answered::Answered, bookmark, query, raw_batch, read_raw};
use crate::{
    api_error::{ApiError, ApiErrorKind},
    client::Client,
};
use async_trait::async_trait;
use clodo_db::{
    Capabilities, Database, DatabaseError, DatabaseErrorKind, Moments, Rows, Statement, Value,
    call_span, placeholders,
};
use clodo_types::{AccountId, DatabaseId};
use serde_json::{Number, Value as Json};
use tracing::Instrument as _;

/// The largest whole number that JSON carries exactly.
const EXACT: u64 = 1 << 53;

/// A D1 database through the API, as a [`Database`].
///
/// Values go there exactly: what JSON would change goes as text that SQLite turns back. Answers are
/// JSON: whole numbers beyond 2^53 come back rounded, fractions without one as whole numbers.
#[derive(Clone, Debug)]
pub struct D1Database {
    client: Client,
    account: AccountId,
    id: DatabaseId,
}

impl D1Database {
    /// The database of this id; nothing is asked yet.
    #[must_use]
    pub fn new(client: Client, account: AccountId, id: DatabaseId) -> Self {
        Self { client, account, id }
    }
}

#[async_trait]
impl Database for D1Database {
    fn capabilities(&self) -> Capabilities {
        Capabilities::d1()
    }

    async fn query(&self, statement: &Statement) -> Result<Rows, DatabaseError> {
        let call = read_raw(&self.account, &self.id, &sql(statement)).answered_as();
        let answer = self.client.send(call).instrument(call_span(&statement.sql, 1)).await;
        let answer: Vec<Answered> = answer.map_err(failed)?;
        answer.into_iter().next_back().map(Rows::from).ok_or_else(no_answer)
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        let Some(first) = statements.first() else { return Ok(Vec::new()) };
        let span = call_span(&first.sql, statements.len());
        let all: Vec<Sql> = statements.iter().map(sql).collect();
        let call = raw_batch(&self.account, &self.id, &all).answered_as();
        let answer = self.client.send(call).instrument(span).await;
        let answer: Vec<Answered> = answer.map_err(failed)?;
        if answer.len() < statements.len() {
            return Err(no_answer());
        }
        Ok(answer.into_iter().map(Rows::from).collect())
    }

    async fn script(&self, text: &str) -> Result<(), DatabaseError> {
        let call = query(&self.account, &self.id, &Sql::new(text));
        self.client.send(call).instrument(call_span(text, 1)).await.map_err(failed)?;
        Ok(())
    }
}

/// Moments are its bookmarks.
#[async_trait]
impl Moments for D1Database {
    async fn moment(&self) -> Result<String, DatabaseError> {
        let answer = self.client.send(bookmark(&self.account, &self.id)).await.map_err(failed)?;
        Ok(answer.bookmark)
    }
}

fn no_answer() -> DatabaseError {
    let message = "the answer lacks what a statement gave";
    DatabaseError::new(DatabaseErrorKind::Other, message).with_doubt()
}

fn sql(statement: &Statement) -> Sql {
    let words: Vec<&'static str> = statement.params.iter().map(placeholder).collect();
    Sql {
        sql: placeholders(&statement.sql, |at| words.get(at).copied().unwrap_or("?")),
        params: statement.params.iter().map(param).collect(),
    }
}

/// What stands for a value in the statement.
fn placeholder(value: &Value) -> &'static str {
    match value {
        Value::Blob(_) => "unhex(?)",
        Value::Integer(number) if number.unsigned_abs() > EXACT => "CAST(? AS INTEGER)",
        Value::Real(number) if number.is_finite() && number.fract() == 0.0 => "CAST(? AS REAL)",
        // A number that is too large for SQLite's text becomes what it is: infinite.
        Value::Real(number) if number.is_infinite() => "CAST(? AS REAL)",
        _ => "?",
    }
}

fn param(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) if number.unsigned_abs() > EXACT => Json::String(number.to_string()),
        Value::Integer(number) => Json::from(*number),
        Value::Real(number) if number.is_infinite() => {
            Json::String(if *number > 0.0 { "9e999" } else { "-9e999" }.to_owned())
        }
        Value::Real(number) if number.fract() == 0.0 => Json::String(format!("{number:e}")),
        Value::Real(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Text(text) => Json::String(text.clone()),
        Value::Blob(bytes) => Json::String(hex::encode(bytes)),
    }
}

/// A call that failed, as the seam has it.
pub(crate) fn failed(error: ApiError) -> DatabaseError {
    let said = error.messages().first().map(|message| message.text.clone());
    let text = said.clone().unwrap_or_default();
    let is_constraint = text.contains("SQLITE_CONSTRAINT") || text.contains("constraint failed");
    let kind = match error.kind() {
        ApiErrorKind::Invalid if is_constraint => DatabaseErrorKind::Constraint,
        ApiErrorKind::Invalid if text.contains("SQLITE_TOOBIG") => DatabaseErrorKind::Limit,
        ApiErrorKind::Invalid if text.contains("SQLITE_FULL") => DatabaseErrorKind::Full,
        ApiErrorKind::Invalid => DatabaseErrorKind::Sql,
        ApiErrorKind::NotFound | ApiErrorKind::NoRoute => DatabaseErrorKind::Missing,
        ApiErrorKind::Auth | ApiErrorKind::Permission => DatabaseErrorKind::Denied,
        ApiErrorKind::Limit => DatabaseErrorKind::Limit,
        ApiErrorKind::RateLimited
        | ApiErrorKind::Transport
        | ApiErrorKind::Unavailable
        | ApiErrorKind::CircuitOpen => DatabaseErrorKind::Unreachable,
        _ => DatabaseErrorKind::Other,
    };
    let doubt = error.may_have_happened();
    let error = match (kind, said) {
        // The call's own text says the same again, unless there is more to say.
        (DatabaseErrorKind::Sql | DatabaseErrorKind::Constraint, Some(said))
            if error.messages().len() == 1 =>
        {
            DatabaseError::new(kind, said)
        }
        _ => DatabaseError::new(kind, error.to_string()).with_source(error),
    };
    if doubt { error.with_doubt() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_would_change_goes_as_text() {
        let statement = Statement::new("INSERT INTO t VALUES (?, '?', ?, ?, ? /* ? */, ?)")
            .bind(1)
            .bind(i64::MAX)
            .bind(2.0)
            .bind(Value::Blob(vec![0, 255]))
            .bind(f64::INFINITY);
        let sql = sql(&statement);
        assert_eq!(
            sql.sql,
            "INSERT INTO t VALUES (?, '?', CAST(? AS INTEGER), CAST(? AS REAL), unhex(?) /* ? */, \
             CAST(? AS REAL))"
        );
        let params = serde_json::to_string(&sql.params).unwrap();
        assert_eq!(params, "[1,\"9223372036854775807\",\"2e0\",\"00ff\",\"9e999\"]");
    }
}
