//! Answers, in the formats that a question can ask for.

use serde_json::{Map, Value, json};

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnalyticsFormat {
    /// One object with columns and rows.
    #[default]
    Json,
    /// A line of JSON for each row.
    JsonEachRow,
    /// A line of tab-separated values for each row.
    TabSeparated,
}

/// The rows that a question found.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalyticsAnswer {
    names: Vec<String>,
    rows: Vec<Vec<Cell>>,
    format: AnalyticsFormat,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Seconds since the epoch.
    Moment(i64),
}

impl AnalyticsAnswer {
    pub(super) fn new(names: Vec<String>, rows: Vec<Vec<Cell>>, format: AnalyticsFormat) -> Self {
        Self { names, rows, format }
    }

    /// The content type of [`AnalyticsAnswer::body`].
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self.format {
            AnalyticsFormat::Json => "application/json",
            AnalyticsFormat::JsonEachRow => "application/x-ndjson",
            AnalyticsFormat::TabSeparated => "text/tab-separated-values",
        }
    }

    /// The answer as it goes out.
    #[must_use]
    pub fn body(&self) -> String {
        let line = |row: &Vec<Cell>| match self.format {
            AnalyticsFormat::TabSeparated => {
                row.iter().map(Cell::plain).collect::<Vec<_>>().join("\t") + "\n"
            }
            _ => format!("{}\n", self.object(row)),
        };
        match self.format {
            AnalyticsFormat::Json => self.document().to_string(),
            _ => self.rows.iter().map(line).collect(),
        }
    }

    fn document(&self) -> Value {
        let kind = |n: usize| {
            let seen = self.rows.iter().filter_map(|row| row.get(n)?.kind()).next();
            seen.unwrap_or("String")
        };
        let meta = self.names.iter().enumerate();
        let meta: Vec<Value> =
            meta.map(|(n, name)| json!({ "name": name, "type": kind(n) })).collect();
        let data: Vec<Value> = self.rows.iter().map(|row| self.object(row)).collect();
        let rows = data.len();
        json!({ "meta": meta, "data": data, "rows": rows, "rows_before_limit_at_least": rows })
    }

    fn object(&self, row: &[Cell]) -> Value {
        let fields = self.names.iter().cloned().zip(row.iter().map(Cell::json));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

impl Cell {
    fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Null => return None,
            Self::Integer(_) => "UInt64",
            Self::Real(_) => "Float64",
            Self::Text(_) => "String",
            Self::Moment(_) => "DateTime",
        })
    }

    /// 64-bit integers are texts, as ClickHouse writes them for the sake of JavaScript.
    fn json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Real(number) => json!(number),
            other => Value::String(other.plain()),
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Null => "\\N".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Moment(seconds) => jiff::Timestamp::from_second(*seconds)
                .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
                .unwrap_or_default(),
        }
    }
}
