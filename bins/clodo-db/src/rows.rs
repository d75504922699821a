//! Rows for people and for programs.

use clodo_db::{Rows, Value};
use serde_json::{Value as Json, json};

/// Bytes as an object with their hexadecimal form, so that they are no text; as text the whole numbers
/// that JSON would round, and the infinite ones that it has not.
pub(crate) fn as_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) if number.unsigned_abs() > 1 << 53 => json!(number.to_string()),
        Value::Integer(number) => json!(number),
        Value::Real(number) if number.is_infinite() => {
            json!(if number > 0.0 { "Infinity" } else { "-Infinity" })
        }
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
pub(crate) fn table(rows: &Rows) -> String {
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
pub(crate) fn csv(rows: &Rows) -> String {
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
