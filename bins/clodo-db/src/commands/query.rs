use crate::{
    args::{QueryArgs, RowFormat},
    failure,
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, OutputMode, Session};
use clodo_db::{Rows, Statement, Value, only_reads, split};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::io::Read as _;

#[derive(Serialize)]
struct QueryDocument {
    version: u32,
    outcome: &'static str,
    database: DatabaseName,
    columns: Vec<String>,
    rows: Vec<Vec<Json>>,
    changes: u64,
    api_calls: ApiCalls,
}

/// `clodo-db query`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &QueryArgs,
) -> Result<Exit, CliError> {
    let sql = statement(&args.sql)?;
    if !args.write && !only_reads(&sql) {
        let error = CliError::new(Exit::Refused, "writes", "the statement is none that only reads");
        return Err(error.with_hint("give --write when it is meant to change something"));
    }
    let mut places = Places::open(session, global, &args.databases).await?;
    places.only()?;
    let opened = places.expect(0).await?;
    let statement = Statement::new(sql);
    let rows = if args.write {
        places.confirm(session, &[0], "Run the statement", args.yes)?;
        let ran = opened.database.batch(std::slice::from_ref(&statement)).await;
        ran.map(|all| all.into_iter().next().unwrap_or_default())
    } else {
        opened.database.query(&statement).await
    };
    let place = &places.all[0];
    let rows = rows.map_err(|error| {
        failure::of_database(&place.shown(), "the statement did not run", error)
    })?;
    let text = match (session.ui.mode(), args.format) {
        (OutputMode::Text, RowFormat::Table) => table(&rows),
        (OutputMode::Text, RowFormat::Csv) => csv(&rows),
        _ => String::new(),
    };
    let changes = rows.changes;
    session.ui.document(&QueryDocument {
        version: FORMAT,
        outcome: "done",
        database: place.name.clone(),
        columns: rows.columns,
        rows: rows.rows.into_iter().map(|row| row.into_iter().map(as_json).collect()).collect(),
        changes,
        api_calls: places.calls(),
    })?;
    if !text.is_empty() {
        session.ui.text(&text)?;
    }
    if args.write {
        session.ui.say(&format!("{changes} rows changed."));
    }
    Ok(Exit::Done)
}

/// The statement: one, from the command line or the input.
fn statement(given: &str) -> Result<String, CliError> {
    let mut sql = given.to_owned();
    if given == "-" {
        sql.clear();
        let read = std::io::stdin().lock().read_to_string(&mut sql);
        read.map_err(|error| CliError::usage("the input is no text").with_source(error))?;
    }
    match split(&sql).count() {
        1 => Ok(sql),
        0 => Err(CliError::usage("there is no statement").with_hint("write one, as in `SELECT 1`")),
        _ => Err(CliError::usage("there are several statements")
            .with_hint("run them one by one, or write a migration")),
    }
}

/// Bytes as an object with their hexadecimal form, so that they are no text; whole numbers that JSON
/// would round as text.
fn as_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) if number.unsigned_abs() > 1 << 53 => json!(number.to_string()),
        Value::Integer(number) => json!(number),
        Value::Real(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!({ "hex": hex::encode(bytes) }),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("x'{}'", hex::encode(bytes)),
    }
}

/// Columns as wide as their widest value; control characters cannot move the terminal's cursor.
fn table(rows: &Rows) -> String {
    let visible = |text: &str| text.replace(char::is_control, "\u{fffd}");
    let mut lines: Vec<Vec<String>> = vec![rows.columns.iter().map(|name| visible(name)).collect()];
    for row in &rows.rows {
        lines.push(row.iter().map(|value| visible(&plain(value))).collect());
    }
    let width = |column: usize| {
        let wide = |line: &Vec<String>| line.get(column).map_or(0, |text| text.chars().count());
        lines.iter().map(wide).max().unwrap_or_default().min(60)
    };
    let widths: Vec<usize> = (0..rows.columns.len()).map(width).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// As RFC 4180 has it; nothing is an empty field, an empty text a quoted one.
fn csv(rows: &Rows) -> String {
    let field = |text: &str| {
        let apart = text.is_empty() || text.contains(['"', ',', '\n', '\r']);
        if apart { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let value = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Blob(bytes) => hex::encode(bytes),
        other => field(&plain(other)),
    };
    let names: Vec<String> = rows.columns.iter().map(|name| field(name)).collect();
    let mut lines = vec![names.join(",")];
    lines.extend(rows.rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join(",")));
    lines.join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_as_a_table_and_as_csv() {
        let rows = Rows {
            columns: vec!["id".into(), "a name".into()],
            rows: vec![
                vec![1.into(), "x, \"y\"".into()],
                vec![Value::Null, Value::Blob(vec![0, 255])],
                vec![20.into(), "".into()],
            ],
            changes: 0,
        };
        insta::assert_snapshot!(table(&rows), @r#"
        id    a name
        1     x, "y"
        NULL  x'00ff'
        20
        "#);
        assert_eq!(csv(&rows), "id,a name\r\n1,\"x, \"\"y\"\"\"\r\n,00ff\r\n20,\"\"");
    }
}
