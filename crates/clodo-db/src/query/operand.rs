use super::{
    error::BuildError,
    expr::{Expr, Level},
    fragment::Fragment,
    name::Column,
    order::Order,
    select::{Output, Select},
};
use crate::value::Value;

/// What columns and expressions can be asked and made into. Others are values, columns, expressions
/// or selects of one value.
///
/// Comparisons are SQL's own: with null they are null, which is not true. Only where the *value* that
/// is given is nothing, `equals` and `not_equals` ask whether there is a value.
#[expect(
    clippy::wrong_self_convention,
    reason = "an expression is used up; `IS NULL` and `IN` are SQL's"
)]
pub trait Operand: Into<Expr> + Sized {
    /// `=`, or `IS NULL` for nothing.
    #[must_use]
    fn equals(self, other: impl Into<Expr>) -> Expr {
        match other.into() {
            other if other.is_nothing() => self.is_null(),
            other => binary(self, " = ", other),
        }
    }

    /// `<>`, or `IS NOT NULL` for nothing. Rows without a value are not among those that differ.
    #[must_use]
    fn not_equals(self, other: impl Into<Expr>) -> Expr {
        match other.into() {
            other if other.is_nothing() => self.is_not_null(),
            other => binary(self, " <> ", other),
        }
    }

    /// `<`
    #[must_use]
    fn less_than(self, other: impl Into<Expr>) -> Expr {
        binary(self, " < ", other)
    }

    /// `<=`
    #[must_use]
    fn at_most(self, other: impl Into<Expr>) -> Expr {
        binary(self, " <= ", other)
    }

    /// `>`
    #[must_use]
    fn greater_than(self, other: impl Into<Expr>) -> Expr {
        binary(self, " > ", other)
    }

    /// `>=`
    #[must_use]
    fn at_least(self, other: impl Into<Expr>) -> Expr {
        binary(self, " >= ", other)
    }

    /// There is no value.
    #[must_use]
    fn is_null(self) -> Expr {
        suffixed(self, " IS NULL")
    }

    /// There is a value.
    #[must_use]
    fn is_not_null(self) -> Expr {
        suffixed(self, " IS NOT NULL")
    }

    /// `BETWEEN`: both ends belong to it.
    #[must_use]
    fn between(self, from: impl Into<Expr>, to: impl Into<Expr>) -> Expr {
        let mut out = operand(self);
        out.push(" BETWEEN ");
        from.into().write_within(&mut out, Level::Atom);
        out.push(" AND ");
        to.into().write_within(&mut out, Level::Atom);
        Expr::text(out, Level::Operator)
    }

    /// One of these values, each of which is a parameter; no value is in an empty list.
    ///
    /// D1 takes 100 parameters: see [`Operand::is_in_integers`] and [`Operand::is_in_texts`].
    #[must_use]
    fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expr {
        let mut out = operand(self);
        out.push(" IN (");
        for (at, value) in values.into_iter().enumerate() {
            out.push(if at == 0 { "" } else { ", " });
            out.value(value.into());
        }
        out.push(")");
        Expr::text(out, Level::Operator)
    }

    /// One of these whole numbers, however many: together they are one parameter, as JSON.
    #[must_use]
    fn is_in_integers(self, numbers: impl IntoIterator<Item = i64>) -> Expr {
        let numbers: Vec<i64> = numbers.into_iter().collect();
        in_json(self, serde_json::to_string(&numbers), None)
    }

    /// One of these texts, however many: together they are one parameter, as JSON.
    #[must_use]
    fn is_in_texts<T: AsRef<str>>(self, texts: impl IntoIterator<Item = T>) -> Expr {
        let texts: Vec<T> = texts.into_iter().collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let nul = texts.iter().any(|text| text.contains('\0'));
        in_json(self, serde_json::to_string(&texts), nul.then_some(BuildError::Nul))
    }

    /// One of the values in the only column of a select.
    #[must_use]
    fn is_in_select(self, select: Select) -> Expr {
        binary(self, " IN ", select)
    }

    /// `LIKE`: `%` stands for any text, `_` for one character, `\` takes either for itself (see
    /// [`like_text`]). ASCII letters match whatever their case. D1 takes patterns of up to 50 bytes.
    #[must_use]
    fn like(self, pattern: impl Into<String>) -> Expr {
        let mut out = operand(self);
        out.push(" LIKE ");
        out.value(pattern.into().into());
        out.push(" ESCAPE '\\'");
        Expr::text(out, Level::Operator)
    }

    /// It contains this text, to the letter; of any length.
    #[must_use]
    fn contains(self, text: impl Into<String>) -> Expr {
        let mut out = Fragment::roomy();
        out.push("instr(");
        self.into().write(&mut out);
        out.push(", ");
        out.value(text.into().into());
        out.push(") > 0");
        Expr::text(out, Level::Operator)
    }

    /// It begins with this text, to the letter; of any length.
    #[must_use]
    fn starts_with(self, text: impl Into<String>) -> Expr {
        let text = text.into();
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let mut out = Fragment::roomy();
        out.push("substr(");
        self.into().write(&mut out);
        out.push(", 1, ");
        out.value(length.into());
        out.push(") = ");
        out.value(text.into());
        Expr::text(out, Level::Operator)
    }

    /// The sum of both.
    #[must_use]
    fn plus(self, other: impl Into<Expr>) -> Expr {
        binary(self, " + ", other)
    }

    /// The difference.
    #[must_use]
    fn minus(self, other: impl Into<Expr>) -> Expr {
        binary(self, " - ", other)
    }

    /// The product.
    #[must_use]
    fn times(self, other: impl Into<Expr>) -> Expr {
        binary(self, " * ", other)
    }

    /// Compared and ordered without regard to the case of ASCII letters.
    #[must_use]
    fn ignoring_case(self) -> Expr {
        suffixed(self, " COLLATE NOCASE")
    }

    /// The other where this one is null.
    #[must_use]
    fn or_else(self, other: impl Into<Expr>) -> Expr {
        let mut out = Fragment::roomy();
        out.push("coalesce(");
        self.into().write(&mut out);
        out.push(", ");
        other.into().write(&mut out);
        out.push(")");
        Expr::text(out, Level::Atom)
    }

    /// How many rows of a group have a value.
    #[must_use]
    fn count(self) -> Expr {
        call("count(", self)
    }

    /// How many different values a group has.
    #[must_use]
    fn count_distinct(self) -> Expr {
        call("count(DISTINCT ", self)
    }

    /// The sum over a group; null for none.
    #[must_use]
    fn sum(self) -> Expr {
        call("sum(", self)
    }

    /// The average over a group; null for none.
    #[must_use]
    fn average(self) -> Expr {
        call("avg(", self)
    }

    /// The least of a group; null for none.
    #[must_use]
    fn minimum(self) -> Expr {
        call("min(", self)
    }

    /// The greatest of a group; null for none.
    #[must_use]
    fn maximum(self) -> Expr {
        call("max(", self)
    }

    /// As a column of the result, under this name.
    #[must_use]
    fn named(self, name: Column) -> Output {
        Output::named(self.into(), name)
    }

    /// Least first; null before all else.
    #[must_use]
    fn ascending(self) -> Order {
        Order::new(self.into(), false)
    }

    /// Greatest first; null behind all else.
    #[must_use]
    fn descending(self) -> Order {
        Order::new(self.into(), true)
    }
}

impl Operand for Column {}
impl Operand for Expr {}

/// How many rows a group has.
#[must_use]
pub fn count_all() -> Expr {
    let mut out = Fragment::default();
    out.push("count(*)");
    Expr::text(out, Level::Atom)
}

/// The value that an insert would have put into the column, for what an upsert sets.
#[must_use]
pub fn excluded(column: Column) -> Expr {
    let mut out = Fragment::default();
    out.push("excluded.");
    column.write_bare(&mut out);
    Expr::text(out, Level::Atom)
}

/// A text as a part of a [`Operand::like`] pattern that matches only itself.
#[must_use]
pub fn like_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn operand(of: impl Into<Expr>) -> Fragment {
    let mut out = Fragment::roomy();
    of.into().write_within(&mut out, Level::Atom);
    out
}

fn binary(left: impl Into<Expr>, operator: &'static str, right: impl Into<Expr>) -> Expr {
    Expr::binary(left.into(), operator, right.into())
}

fn suffixed(left: impl Into<Expr>, suffix: &'static str) -> Expr {
    let mut out = operand(left);
    out.push(suffix);
    Expr::text(out, Level::Operator)
}

fn call(begin: &'static str, argument: impl Into<Expr>) -> Expr {
    let mut out = Fragment::roomy();
    out.push(begin);
    argument.into().write(&mut out);
    out.push(")");
    Expr::text(out, Level::Atom)
}

fn in_json(
    left: impl Into<Expr>,
    list: Result<String, serde_json::Error>,
    fault: Option<BuildError>,
) -> Expr {
    let mut out = operand(left);
    out.push(" IN (SELECT value FROM json_each(");
    out.value(list.expect("numbers and texts are JSON").into());
    out.push("))");
    if let Some(fault) = fault {
        out.fail(fault);
    }
    Expr::text(out, Level::Operator)
}
