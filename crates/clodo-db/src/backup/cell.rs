//! How a value leaves a database unchanged, whatever lies between, and how it is written as SQL.

use crate::identifier::{quoted, write_literal};
use std::fmt::Write as _;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Text that is not UTF-8.
    Odd(Vec<u8>),
    /// Bytes, in hexadecimal.
    Blob(String),
    /// It is fetched by itself: too large for a page, or perhaps no UTF-8.
    Later {
        bytes: u64,
        text: bool,
    },
}

/// An expression that gives any value of a column as text that JSON does not change, with a letter in
/// front that says what it is. One of more than `longest` bytes gives its length only.
///
/// `length` counts characters up to a NUL: where it is the number of bytes there is none, which is
/// found out sooner than by `instr`.
pub(super) fn carried(column: &str, longest: u64) -> String {
    let column = format!("t.{}", quoted(column));
    format!(
        "CASE typeof({column}) WHEN 'null' THEN 'n' WHEN 'integer' THEN 'i' || {column} \
         WHEN 'real' THEN 'r' || printf('%!.20e', {column}) WHEN 'text' THEN CASE \
         WHEN octet_length({column}) > {longest} THEN 'T' || octet_length({column}) \
         WHEN octet_length({column}) = length({column}) THEN 't' || {column} \
         WHEN instr(CAST({column} AS BLOB), x'00') THEN 'h' || hex({column}) ELSE 't' || {column} END \
         ELSE CASE WHEN octet_length({column}) > {longest} THEN 'B' || octet_length({column}) \
         ELSE 'b' || hex({column}) END END"
    )
}

/// As [`carried`], with all bytes of text in hexadecimal and nothing left out.
pub(super) fn carried_exactly(column: &str) -> String {
    carried_whole(&format!("t.{}", quoted(column)))
}

/// As [`carried_exactly`], of any expression.
pub(crate) fn carried_whole(column: &str) -> String {
    format!(
        "CASE typeof({column}) WHEN 'null' THEN 'n' WHEN 'integer' THEN 'i' || {column} \
         WHEN 'real' THEN 'r' || printf('%!.20e', {column}) WHEN 'text' THEN 'h' || hex({column}) \
         ELSE 'b' || hex({column}) END"
    )
}

impl Cell {
    /// Reads what [`carried`] gives; `None` for anything else.
    pub(crate) fn read(text: impl Into<String>) -> Option<Self> {
        let mut text = text.into();
        let kind = text.chars().next()?;
        let rest = &text[kind.len_utf8()..];
        Some(match kind {
            'n' => Self::Null,
            'i' => Self::Integer(rest.parse().ok()?),
            'r' => Self::Real(rest.parse().ok()?),
            // What was no UTF-8 on its way became this character; perhaps it always was one.
            't' if rest.contains('\u{fffd}') => {
                Self::Later { bytes: u64::try_from(rest.len()).ok()?, text: true }
            }
            'h' => match String::from_utf8(hex::decode(rest).ok()?) {
                Ok(text) => Self::Text(text),
                Err(odd) => Self::Odd(odd.into_bytes()),
            },
            'T' | 'B' => Self::Later { bytes: rest.parse().ok()?, text: kind == 'T' },
            't' | 'b' => {
                text.drain(..1);
                if kind == 't' { Self::Text(text) } else { Self::Blob(text) }
            }
            _ => return None,
        })
    }

    /// About how many bytes it has on its way.
    pub(super) fn bytes(&self) -> u64 {
        let length = match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 16,
            Self::Text(text) => text.len(),
            Self::Odd(bytes) => bytes.len() * 2,
            Self::Blob(hex) => hex.len(),
            Self::Later { bytes, .. } => return bytes.saturating_mul(2),
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    /// Appends it as SQL that means exactly this value to every version of SQLite.
    pub(super) fn write(&self, sql: &mut String) {
        let _ = match self {
            Self::Null => write!(sql, "NULL"),
            // As a number it would be the negative of one that does not fit.
            Self::Integer(i64::MIN) => write!(sql, "(-9223372036854775807-1)"),
            Self::Integer(number) => write!(sql, "{number}"),
            Self::Real(number) => write!(sql, "{}", real(*number)),
            // The shell of SQLite takes a carriage return at the end of a line for a part of the
            // line's end.
            Self::Text(text) if text.contains('\r') => {
                write!(sql, "CAST(x'{}' AS TEXT)", hex::encode(text))
            }
            Self::Text(text) => {
                write_literal(text, sql);
                Ok(())
            }
            Self::Odd(bytes) => write!(sql, "CAST(x'{}' AS TEXT)", hex::encode(bytes)),
            Self::Blob(hex) => {
                sql.push_str("x'");
                sql.push_str(hex);
                sql.push('\'');
                Ok(())
            }
            // Whoever writes rows puts it elsewhere first.
            Self::Later { .. } => Ok(()),
        };
    }

    pub(super) fn to_sql(&self) -> String {
        let mut sql = String::new();
        self.write(&mut sql);
        sql
    }
}

/// A number as SQL. SQLite's own conversion is exact up to 15 digits; what has more is written as
/// whole numbers and powers of two, with which nothing is ever rounded.
fn real(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "9e999".to_owned() } else { "-9e999".to_owned() };
    }
    let shortest = format!("{number:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if count <= 15 && (-5..15).contains(&exponent) {
        return format!("{number:?}");
    }
    if count <= 15 && (-20..=20).contains(&exponent) {
        return match digits.contains('.') {
            true => shortest,
            false => format!("{digits}.0e{exponent}"),
        };
    }
    binary(number)
}

/// `mantissa * 2^exponent`, in steps that all are exact.
fn binary(number: f64) -> String {
    const STEP: i32 = 62;
    let bits = number.to_bits();
    let (raw, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let (mut mantissa, mut exponent) = match raw {
        0 => (fraction, -1074),
        raw => (fraction | (1 << 52), i32::try_from(raw).unwrap_or_default() - 1075),
    };
    let zeros = mantissa.trailing_zeros();
    mantissa >>= zeros;
    exponent += i32::try_from(zeros).unwrap_or_default();
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let mut sql = format!("({sign}{mantissa}.0");
    let operator = if exponent < 0 { '/' } else { '*' };
    let mut left = exponent.abs();
    while left > 0 {
        let step = left.min(STEP);
        let _ = write!(sql, "{operator}{}", 1_u64 << step);
        left -= step;
    }
    sql.push(')');
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_sqlite::rusqlite::{Connection, types::Value};
    use proptest::prelude::{ProptestConfig, any, proptest};

    fn there_and_back(value: Value) {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE s (\"a\"\"b\")").unwrap();
        db.execute("INSERT INTO s VALUES (?)", [&value]).unwrap();
        let ask = |sql: String| db.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap();
        for sql in [carried("a\"b", 1 << 30), carried_exactly("a\"b")] {
            let cell = Cell::read(ask(format!("SELECT {sql} FROM s t"))).unwrap();
            if matches!(cell, Cell::Later { .. }) {
                continue;
            }
            let same = "SELECT typeof(a) = typeof(b) AND a IS b FROM (SELECT \"a\"\"b\" a, ";
            let same = format!("{same} {} b FROM s)", cell.to_sql());
            assert!(db.query_row(&same, [], |row| row.get::<_, bool>(0)).unwrap(), "{same}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(800))]
        #[test]
        fn every_fraction_survives(bits in any::<u64>()) {
            there_and_back(Value::Real(f64::from_bits(bits)));
        }

        #[test]
        fn fractions_with_few_digits_survive(digits in any::<i64>(), scale in -30..30_i32) {
            there_and_back(Value::Real(format!("{digits}e{scale}").parse().unwrap()));
            there_and_back(Value::Real(format!("{}e{scale}", digits % 100_000).parse().unwrap()));
        }

        #[test]
        fn every_text_and_number_survives(text in any::<String>(), number in any::<i64>()) {
            there_and_back(Value::Text(text));
            there_and_back(Value::Integer(number));
        }
    }

    #[test]
    fn what_json_cannot_carry_survives() {
        for value in [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Real(f64::INFINITY),
            Value::Real(f64::NEG_INFINITY),
            Value::Real(f64::MIN_POSITIVE / 4.0),
            Value::Real(f64::MAX),
            Value::Real(1.0),
            Value::Real(1e15),
            Value::Text("a\0b\r\n'\u{fffd}".into()),
            Value::Blob(vec![0, 255]),
            Value::Blob(vec![]),
        ] {
            there_and_back(value);
        }
        assert_eq!(Cell::read("hff"), Some(Cell::Odd(vec![255])));
        assert_eq!(Cell::read("h61"), Some(Cell::Text("a".into())));
        assert_eq!(Cell::read("t\u{fffd}"), Some(Cell::Later { bytes: 3, text: true }));
        assert_eq!((Cell::read(""), Cell::read("x"), Cell::read("hzz")), (None, None, None));
    }
}
