//! SQLite's math functions, which D1 and the `sqlite3` program have and the bundled build leaves out.

use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};

const FLAGS: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// Gives a connection that was opened otherwise what those of this crate have: `ceil`, `sqrt`, `log` and
/// the others of <https://www.sqlite.org/lang_mathfunc.html>. Without them a schema that asks for one in
/// a `CHECK`, an index or a generated column can be neither made nor read.
///
/// # Errors
/// When SQLite takes no function, as while a statement of the connection runs.
pub fn add_math_functions(db: &Connection) -> Result<()> {
    for (name, apply) in ONE {
        db.create_scalar_function(*name, 1, FLAGS, move |args| Ok(real(args, 0).map(apply)))?;
    }
    for (name, apply) in ROUNDING {
        db.create_scalar_function(*name, 1, FLAGS, move |args| Ok(rounded(args, *apply)))?;
    }
    for (name, apply) in TWO {
        db.create_scalar_function(*name, 2, FLAGS, move |args| {
            Ok(real(args, 0).zip(real(args, 1)).map(|(left, right)| apply(left, right)))
        })?;
    }
    db.create_scalar_function("pi", 0, FLAGS, |_| Ok(std::f64::consts::PI))?;
    for name in ["ln", "log", "log10", "log2"] {
        db.create_scalar_function(name, 1, FLAGS, move |args| {
            Ok(real(args, 0).and_then(|value| logarithm(name, value)))
        })?;
    }
    db.create_scalar_function("log", 2, FLAGS, |args| {
        Ok(real(args, 0).zip(real(args, 1)).and_then(|(base, value)| log_of_base(base, value)))
    })
}

type OneArgument = fn(f64) -> f64;
type TwoArguments = fn(f64, f64) -> f64;

const ONE: &[(&str, OneArgument)] = &[
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("degrees", f64::to_degrees),
    ("exp", f64::exp),
    ("radians", f64::to_radians),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

const ROUNDING: &[(&str, OneArgument)] =
    &[("ceil", f64::ceil), ("ceiling", f64::ceil), ("floor", f64::floor), ("trunc", f64::trunc)];

const TWO: &[(&str, TwoArguments)] = &[
    ("atan2", f64::atan2),
    ("mod", |left, right| left % right),
    ("pow", f64::powf),
    ("power", f64::powf),
];

/// A number, or text that is wholly one; anything else makes the result NULL.
fn real(args: &Context<'_>, at: usize) -> Option<f64> {
    match args.get_raw(at) {
        ValueRef::Integer(whole) => Some(whole as f64),
        ValueRef::Real(real) => Some(real),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).ok()?.trim();
            // What Rust reads as infinite or as no number is a word to SQLite.
            let is_word =
                text.contains(|one: char| one.is_ascii_alphabetic() && !matches!(one, 'e' | 'E'));
            (!is_word).then(|| text.parse().ok())?
        }
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

/// An integer stays one.
fn rounded(args: &Context<'_>, apply: OneArgument) -> Value {
    match args.get_raw(0) {
        ValueRef::Integer(whole) => Value::Integer(whole),
        _ => real(args, 0).map_or(Value::Null, |value| Value::Real(apply(value))),
    }
}

fn logarithm(name: &str, value: f64) -> Option<f64> {
    (value > 0.0).then(|| match name {
        "ln" => value.ln(),
        "log2" => value.log2(),
        _ => value.log10(),
    })
}

fn log_of_base(base: f64, value: f64) -> Option<f64> {
    (base > 0.0 && base.ln() != 0.0 && value > 0.0).then(|| value.ln() / base.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn math_functions_answer_as_the_manual_says() {
        let db = Connection::open_in_memory().unwrap();
        add_math_functions(&db).unwrap();
        let check = |sql: &str, expected: &str| {
            let found: Option<String> =
                db.query_row(&format!("SELECT {sql}"), [], |row| row.get(0)).unwrap();
            assert_eq!(found.as_deref().unwrap_or("NULL"), expected, "{sql}");
        };
        check("sqrt(16) || ''", "4.0");
        check("sqrt(-1)", "NULL");
        check("floor(-1.5) || '' || ceil(7)", "-2.07");
        check("log(100) || ''", "2.0");
        check("log(2, 8) || ''", "3.0");
        check("ln(0)", "NULL");
        check("mod(7, 3) || ''", "1.0");
        check("pow('2', 10) || ''", "1024.0");
        check("sin('x')", "NULL");
        check("ceil('inf')", "NULL");
        check("exp('-infinity')", "NULL");
        check("sqrt('1E2') || ''", "10.0");
    }
}
