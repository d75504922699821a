use crate::{statement::Rows, value::Value};
use std::fmt;

/// A row of a result, whose values are asked for by the names of their columns.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    columns: &'r [String],
    values: &'r [Value],
    at: usize,
}

/// What a row makes: a tuple by the order of its columns, or a type of one's own by their names.
///
/// # Example
/// ```
/// use clodo_db::{FromRow, Row, RowError, Rows};
///
/// #[derive(Debug, PartialEq)]
/// struct Note {
///     id: i64,
///     title: Option<String>,
/// }
///
/// impl FromRow for Note {
///     fn from_row(row: &Row<'_>) -> Result<Self, RowError> {
///         Ok(Self { id: row.get("id")?, title: row.get("title")? })
///     }
/// }
///
/// let columns = vec!["id".into(), "title".into()];
/// let rows = vec![vec![1.into(), "first".into()], vec!["2".into(), "second".into()]];
/// let rows = Rows { columns, rows, changes: 0 };
/// assert_eq!(rows.first::<Note>()?, Some(Note { id: 1, title: Some("first".into()) }));
/// let error = rows.typed::<Note>().unwrap_err();
/// assert_eq!(error.to_string(), "column `id` of row 2 holds text where a whole number was expected");
/// # Ok::<(), RowError>(())
/// ```
pub trait FromRow: Sized {
    /// Makes one.
    ///
    /// # Errors
    /// When the row is of another kind.
    fn from_row(row: &Row<'_>) -> Result<Self, RowError>;
}

/// What a value makes.
pub trait FromValue: Sized {
    /// What it is made of, for an error: `a whole number`.
    const EXPECTED: &'static str;

    /// Makes one; nothing when the value is another.
    fn from_value(value: &Value) -> Option<Self>;
}

/// A row is not what was expected. The message never holds its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// From 1.
    row: usize,
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Missing { column: String, known: Vec<String> },
    Twice { column: String },
    Other { column: String, expected: &'static str, found: &'static str },
    Width { expected: usize, found: usize },
}

/// What a caller can decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RowErrorKind {
    /// There is no such column, or more than one, or another number of columns.
    Columns,
    /// A column holds a value of another kind.
    Value,
}

impl RowError {
    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> RowErrorKind {
        match self.fault {
            Fault::Other { .. } => RowErrorKind::Value,
            Fault::Missing { .. } | Fault::Twice { .. } | Fault::Width { .. } => {
                RowErrorKind::Columns
            }
        }
    }

    /// The column that it is about, when it is about one.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match &self.fault {
            Fault::Missing { column, .. }
            | Fault::Twice { column }
            | Fault::Other { column, .. } => Some(column),
            Fault::Width { .. } => None,
        }
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row;
        match &self.fault {
            Fault::Missing { column, known } => {
                write!(f, "row {row} has no column `{column}`, only `{}`", known.join("`, `"))
            }
            Fault::Twice { column } => {
                write!(f, "row {row} has more than one column `{column}`: give them other names")
            }
            Fault::Other { column, expected, found } => {
                write!(
                    f,
                    "column `{column}` of row {row} holds {found} where {expected} was expected"
                )
            }
            Fault::Width { expected, found } => {
                write!(f, "row {row} has {found} columns where {expected} were expected")
            }
        }
    }
}

impl std::error::Error for RowError {}

impl Rows {
    /// The rows, to be asked for their values.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().enumerate().map(|(at, values)| Row { columns: &self.columns, values, at })
    }

    /// All rows as values of one's own type.
    ///
    /// # Errors
    /// When a row is of another kind.
    pub fn typed<T: FromRow>(&self) -> Result<Vec<T>, RowError> {
        self.iter().map(|row| T::from_row(&row)).collect()
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn first<T: FromRow>(&self) -> Result<Option<T>, RowError> {
        self.iter().next().map(|row| T::from_row(&row)).transpose()
    }
}

impl Row<'_> {
    /// The value of the column of this name.
    ///
    /// # Errors
    /// When there is no such column or more than one, or its value is another.
    pub fn get<T: FromValue>(&self, name: &str) -> Result<T, RowError> {
        let mut named = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        match (named.next(), named.next()) {
            (Some((at, _)), None) => self.at(at),
            (Some(_), Some(_)) => Err(self.fails(Fault::Twice { column: name.to_owned() })),
            (None, _) => {
                let known = self.columns.to_vec();
                Err(self.fails(Fault::Missing { column: name.to_owned(), known }))
            }
        }
    }

    /// The value of the column at this place, from 0.
    ///
    /// # Errors
    /// When there is none, or its value is another.
    pub fn at<T: FromValue>(&self, at: usize) -> Result<T, RowError> {
        let Some(value) = self.values.get(at) else {
            let found = self.values.len();
            return Err(self.fails(Fault::Width { expected: at + 1, found }));
        };
        T::from_value(value).ok_or_else(|| {
            let column = self.columns.get(at).cloned().unwrap_or_default();
            let found = kind_of(value);
            self.fails(Fault::Other { column, expected: T::EXPECTED, found })
        })
    }

    /// The names of its columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        self.columns
    }

    fn exactly(&self, expected: usize) -> Result<(), RowError> {
        match self.values.len() {
            found if found == expected => Ok(()),
            found => Err(self.fails(Fault::Width { expected, found })),
        }
    }

    fn fails(&self, fault: Fault) -> RowError {
        RowError { row: self.at + 1, fault }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Integer(_) => "a whole number",
        Value::Real(_) => "a fraction",
        Value::Text(_) => "text",
        Value::Blob(_) => "bytes",
    }
}

impl FromValue for Value {
    const EXPECTED: &'static str = "any value";

    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl FromValue for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_value(value: &Value) -> Option<Self> {
        value.as_integer()
    }
}

macro_rules! whole_numbers {
    ($($type:ty: $expected:literal),+ $(,)?) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value) -> Option<Self> {
                value.as_integer()?.try_into().ok()
            }
        }
    )+};
}

whole_numbers!(
    i32: "a whole number of 32 bits",
    u8: "a whole number from 0 to 255",
    u16: "a whole number from 0 to 65535",
    u32: "a whole number from 0 to 4294967295",
    u64: "a whole number from 0 on",
);

impl FromValue for f64 {
    const EXPECTED: &'static str = "a number";

    /// D1 gives a fraction without one as a whole number.
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Real(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
            Value::Integer(number) if number.unsigned_abs() <= 1 << 53 => Some(*number as Self),
            _ => None,
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "0 or 1";

    fn from_value(value: &Value) -> Option<Self> {
        match value.as_integer()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "text";

    fn from_value(value: &Value) -> Option<Self> {
        value.as_text().map(str::to_owned)
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "bytes";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! single {
    ($($type:ty),+) => {$(
        /// The only column.
        impl FromRow for $type {
            fn from_row(row: &Row<'_>) -> Result<Self, RowError> {
                row.exactly(1)?;
                row.at(0)
            }
        }
    )+};
}

single!(Value, i64, f64, bool, String);

macro_rules! tuples {
    ($width:literal: $($name:ident $at:literal),+) => {
        impl<$($name: FromValue),+> FromRow for ($($name,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self, RowError> {
                row.exactly($width)?;
                Ok(($(row.at::<$name>($at)?,)+))
            }
        }
    };
}

tuples!(1: A 0);
tuples!(2: A 0, B 1);
tuples!(3: A 0, B 1, C 2);
tuples!(4: A 0, B 1, C 2, D 3);
tuples!(5: A 0, B 1, C 2, D 3, E 4);
tuples!(6: A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuples!(9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuples!(10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuples!(11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuples!(12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], values: Vec<Value>) -> Rows {
        let columns = columns.iter().map(ToString::to_string).collect();
        Rows { columns, rows: vec![values], changes: 0 }
    }

    #[track_caller]
    fn check<T: FromValue + fmt::Debug + PartialEq>(
        value: impl Into<Value>,
        made: Result<T, &str>,
    ) {
        let rows = rows(&["secret"], vec![value.into()]);
        let found = rows.iter().next().unwrap().get::<T>("secret");
        assert_eq!(found.map_err(|error| error.to_string()), made.map_err(str::to_owned));
    }

    #[test]
    fn values_become_types_that_hold_them_and_no_others() {
        check(7, Ok(7_i64));
        check(7, Ok(Some(7_u8)));
        check(Value::Null, Ok(None::<String>));
        check(2, Ok(2.0));
        check(1, Ok(true));
        check(Value::Blob(vec![0]), Ok(vec![0_u8]));
        check("x", Ok(Value::from("x")));
        let told = |found: &str, expected: &str| {
            format!("column `secret` of row 1 holds {found} where {expected} was expected")
        };
        check::<i64>("hunter2", Err(&told("text", "a whole number")));
        check::<u8>(256, Err(&told("a whole number", "a whole number from 0 to 255")));
        check::<u64>(-1, Err(&told("a whole number", "a whole number from 0 on")));
        check::<i64>(0.5, Err(&told("a fraction", "a whole number")));
        check::<f64>(i64::MAX, Err(&told("a whole number", "a number")));
        check::<bool>(2, Err(&told("a whole number", "0 or 1")));
        check::<String>(Value::Null, Err(&told("nothing", "text")));
        check::<String>(Value::Blob(vec![]), Err(&told("bytes", "text")));
    }

    #[test]
    fn columns_that_are_missing_or_there_twice_are_named() {
        let rows = rows(&["id", "name", "name"], vec![1.into(), "a".into(), "b".into()]);
        let row = rows.iter().next().unwrap();
        let missing = row.get::<i64>("ID").unwrap_err();
        assert_eq!(missing.to_string(), "row 1 has no column `ID`, only `id`, `name`, `name`");
        assert_eq!((missing.kind(), missing.column()), (RowErrorKind::Columns, Some("ID")));
        let twice = row.get::<String>("name").unwrap_err();
        assert_eq!(
            twice.to_string(),
            "row 1 has more than one column `name`: give them other names"
        );
        assert_eq!(rows.typed(), Ok(vec![(1, "a".to_owned(), "b".to_owned())]));
        let narrow = rows.typed::<(i64, String)>().unwrap_err();
        assert_eq!(narrow.to_string(), "row 1 has 3 columns where 2 were expected");
        assert!(row.at::<i64>(3).is_err());
    }
}
