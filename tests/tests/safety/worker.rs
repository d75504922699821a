//! A database as a Worker sees it: through its binding, on workerd.

use async_trait::async_trait;
use clodo_db::{
    Capabilities, Database, DatabaseError, DatabaseErrorKind, Rows, Statement, Value, placeholders,
    split,
};
use clodo_tests::Request;
use serde_json::{Value as Json, json};

/// A Worker that runs what it is sent.
pub(crate) const SOURCE: &str = include_str!("worker.js");

/// A D1 database of a Worker's bindings.
#[derive(Debug)]
pub(crate) struct WorkerDatabase {
    url: String,
    binding: String,
}

impl WorkerDatabase {
    pub(crate) fn new(url: String, binding: String) -> Self {
        Self { url, binding }
    }

    async fn ask(&self, reads: bool, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        let statements: Vec<Json> = statements.iter().map(written).collect();
        let body = json!({ "database": self.binding, "reads": reads, "statements": statements });
        let (url, body) = (self.url.clone(), body.to_string());
        let call = move || {
            let headers = ["content-type: application/json"];
            Request { method: "POST", url: &url, headers: &headers, body: &body }.send()
        };
        let answer = tokio::task::spawn_blocking(call).await.unwrap().map_err(|error| {
            let unreachable = DatabaseErrorKind::Unreachable;
            DatabaseError::new(unreachable, "the Worker does not answer")
                .with_source(error)
                .with_doubt()
        })?;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        match answer["error"].as_str() {
            Some(said) => Err(DatabaseError::new(kind(said), said)),
            None => Ok(answer["results"].as_array().unwrap().iter().map(rows).collect()),
        }
    }
}

/// `batch()` is one transaction; so a script is one, and `exec()` would be none.
#[async_trait]
impl Database for WorkerDatabase {
    fn capabilities(&self) -> Capabilities {
        Capabilities::d1()
    }

    async fn query(&self, statement: &Statement) -> Result<Rows, DatabaseError> {
        Ok(self.ask(true, std::slice::from_ref(statement)).await?.remove(0))
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(false, statements).await
    }

    async fn script(&self, sql: &str) -> Result<(), DatabaseError> {
        let statements: Vec<Statement> =
            split(sql).map(|piece| Statement::new(piece.text)).collect();
        self.batch(&statements).await?;
        Ok(())
    }
}

/// What JavaScript would change goes as text that SQLite turns back.
fn written(statement: &Statement) -> Json {
    let sql = placeholders(&statement.sql, |at| match statement.params.get(at) {
        Some(Value::Integer(number)) if number.unsigned_abs() > 1 << 53 => "CAST(? AS INTEGER)",
        Some(Value::Real(number)) if !number.is_finite() || number.fract() == 0.0 => {
            "CAST(? AS REAL)"
        }
        _ => "?",
    });
    let param = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Integer(number) if number.unsigned_abs() > 1 << 53 => json!(number.to_string()),
        Value::Integer(number) => json!(number),
        // A number that is too large for SQLite's text is infinite.
        Value::Real(number) if number.is_infinite() => {
            json!(if *number > 0.0 { "9e999" } else { "-9e999" })
        }
        Value::Real(number) if number.fract() == 0.0 => json!(format!("{number:e}")),
        Value::Real(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!({ "bytes": bytes }),
    };
    json!({ "sql": sql, "params": statement.params.iter().map(param).collect::<Vec<_>>() })
}

fn rows(told: &Json) -> Rows {
    let list = |json: &Json| json.as_array().unwrap().clone();
    let columns = list(&told["columns"]).into_iter();
    let row = |row: &Json| list(row).iter().map(value).collect();
    Rows {
        columns: columns.map(|name| name.as_str().unwrap().to_owned()).collect(),
        rows: list(&told["rows"]).iter().map(row).collect(),
        changes: told["changes"].as_u64().unwrap(),
    }
}

fn value(told: &Json) -> Value {
    match told {
        Json::Null => Value::Null,
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Real(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(bytes) => {
            let byte = |byte: &Json| u8::try_from(byte.as_u64().unwrap()).unwrap();
            Value::Blob(bytes.iter().map(byte).collect())
        }
        other => panic!("no value of SQLite's: {other}"),
    }
}

fn kind(said: &str) -> DatabaseErrorKind {
    match said {
        said if said.contains("SQLITE_CONSTRAINT") || said.contains("constraint failed") => {
            DatabaseErrorKind::Constraint
        }
        said if said.contains("SQLITE_TOOBIG") => DatabaseErrorKind::Limit,
        _ => DatabaseErrorKind::Sql,
    }
}
