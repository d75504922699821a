//! Rows as they come, without a detour through JSON values: a backup reads every one of a database.

use super::QueryMeta;
use crate::wire::or_default;
use clodo_db::{Rows, Value};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use std::fmt;

/// What one statement gave.
#[derive(Debug, Deserialize)]
pub(super) struct Answered {
    #[serde(default, deserialize_with = "or_default")]
    results: Table,
    #[serde(default, deserialize_with = "or_default")]
    meta: QueryMeta,
}

#[derive(Debug, Default, Deserialize)]
struct Table {
    #[serde(default, deserialize_with = "or_default")]
    columns: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    rows: Vec<Vec<Cell>>,
}

impl From<Answered> for Rows {
    fn from(answered: Answered) -> Self {
        let Answered { results: Table { columns, rows }, meta } = answered;
        let row = |row: Vec<Cell>| row.into_iter().map(|cell| cell.0).collect();
        let rows = rows.into_iter().map(row).collect();
        Self { columns, rows, changes: meta.changes.unwrap_or_default() }
    }
}

/// Refuses what is no value of SQLite's: one that is guessed would be a changed row.
#[derive(Debug)]
struct Cell(Value);

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a database")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| Value::Real(number as f64), Value::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Real(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Value, A::Error> {
        let mut blob = Vec::new();
        while let Some(byte) = bytes.next_element()? {
            blob.push(byte);
        }
        Ok(Value::Blob(blob))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(values: serde_json::Value) -> Result<Rows, serde_json::Error> {
        let answer = json!({ "results": { "columns": ["x"], "rows": [[values]] } });
        serde_json::from_value::<Answered>(answer).map(Rows::from)
    }

    #[test]
    fn each_kind_of_value_is_read() {
        let of = |json| rows(json).unwrap().rows[0][0].clone();
        assert_eq!(of(json!(null)), Value::Null);
        assert_eq!(of(json!(true)), Value::Integer(1));
        assert_eq!(of(json!(-5)), Value::Integer(-5));
        assert_eq!(of(json!(i64::MAX)), Value::Integer(i64::MAX));
        assert_eq!(of(json!(u64::MAX)), Value::Real(18_446_744_073_709_551_615.0));
        assert_eq!(of(json!(0.5)), Value::Real(0.5));
        assert_eq!(of(json!("a\nb")), Value::Text("a\nb".to_owned()));
        assert_eq!(of(json!([0, 255])), Value::Blob(vec![0, 255]));
    }

    #[test]
    fn what_is_no_value_is_no_row() {
        for none in [json!([0, 256]), json!(["a"]), json!({ "x": 1 })] {
            assert!(rows(none.clone()).is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_missing_or_null_is_nothing() {
        for answer in [json!({}), json!({ "results": null, "meta": null })] {
            let rows = Rows::from(serde_json::from_value::<Answered>(answer).unwrap());
            assert_eq!((rows.columns.len(), rows.rows.len(), rows.changes), (0, 0, 0));
        }
    }
}
