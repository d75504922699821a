//! A statement's rows as JSON, in each of D1's formats.

use clodo_sqlite::rusqlite::{Error, Rows, Statement};
use serde_json::value::RawValue;

use super::{
    RowFormat,
    json::{push_text, push_value},
};

/// The rows as JSON, and how many there were.
pub(super) fn collect(
    statement: &mut Statement<'_>,
    format: RowFormat,
) -> Result<(Box<RawValue>, u64), Error> {
    let columns: Vec<String> = statement.column_names().map(String::from).collect();
    let rows = statement.raw_query();
    let (json, count) = match format {
        RowFormat::Objects => objects(rows, &columns)?,
        RowFormat::ColumnsAndRows => columns_and_rows(rows, &columns)?,
        RowFormat::Nothing => nothing(rows)?,
    };
    Ok((RawValue::from_string(json).expect("the writer above writes JSON"), count))
}

fn objects(mut rows: Rows<'_>, columns: &[String]) -> Result<(String, u64), Error> {
    // As in JavaScript, of columns of one name the last one's value stands at the first one's place.
    let first = |at: usize| columns.iter().position(|name| *name == columns[at]) == Some(at);
    let last = |at: usize| columns.iter().rposition(|name| *name == columns[at]).unwrap_or(at);
    let keys: Vec<(String, usize)> = (0..columns.len())
        .filter(|at| first(*at))
        .map(|at| {
            let mut key = String::new();
            push_text(&mut key, &columns[at]);
            key.push(':');
            (key, last(at))
        })
        .collect();
    let (mut json, mut count) = (String::from("["), 0);
    while let Some(row) = rows.next()? {
        json.push_str(if count == 0 { "{" } else { ",{" });
        count += 1;
        for (at, (key, column)) in keys.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            json.push_str(key);
            push_value(&mut json, row.get_ref(*column)?);
        }
        json.push('}');
    }
    json.push(']');
    Ok((json, count))
}

fn columns_and_rows(mut rows: Rows<'_>, columns: &[String]) -> Result<(String, u64), Error> {
    let mut json = String::from("{\"columns\":[");
    for (at, name) in columns.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        push_text(&mut json, name);
    }
    json.push_str("],\"rows\":[");
    let mut count = 0;
    while let Some(row) = rows.next()? {
        json.push_str(if count == 0 { "[" } else { ",[" });
        count += 1;
        for at in 0..columns.len() {
            if at > 0 {
                json.push(',');
            }
            push_value(&mut json, row.get_ref(at)?);
        }
        json.push(']');
    }
    json.push_str("]}");
    Ok((json, count))
}

fn nothing(mut rows: Rows<'_>) -> Result<(String, u64), Error> {
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(("[]".to_owned(), count))
}
