use super::{error::BuildError, fragment::Fragment, name::Column, select::Select};
use crate::{split::parameters, statement::Statement, value::Value};

/// Anything that has a value: a column, a parameter, a comparison, a call, a select of one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Column(Column),
    Value(Value),
    /// The usual condition, which needs no text before the statement is written.
    Compared(Column, &'static str, Value),
    Text(Fragment, Level),
}

/// How loosely an expression holds together, and so where it needs parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Atom,
    /// Comparisons, sums, `NOT`.
    Operator,
    And,
    Or,
}

impl Expr {
    /// SQL as it is, with the values of its `?`: for what there is no builder for.
    ///
    /// The text is a literal of the code; it can stand anywhere, so it comes in parentheses.
    #[must_use]
    pub fn raw(sql: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        let mut out = Fragment::roomy();
        out.params.extend(values);
        out.push("(");
        out.push(sql);
        // A comment at its end takes nothing of what follows.
        out.push("\n)");
        match parameters(sql) {
            None => out.fail(BuildError::RawNames),
            Some(wanted) if wanted != out.params.len() => {
                out.fail(BuildError::RawValues { wanted, given: out.params.len() });
            }
            Some(_) => {}
        }
        Self::text(out, Level::Atom)
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: impl Into<Self>) -> Self {
        self.chain(Level::And, " AND ", other.into())
    }

    /// At least one holds.
    #[must_use]
    pub fn or(self, other: impl Into<Self>) -> Self {
        self.chain(Level::Or, " OR ", other.into())
    }

    /// It does not hold; where it is null, that is null too.
    #[must_use]
    pub fn negated(self) -> Self {
        let mut out = Fragment::roomy();
        out.push("NOT ");
        self.write_within(&mut out, Level::Atom);
        Self::text(out, Level::Operator)
    }

    /// A statement that SQLite refuses unless the condition is true, with the text of its last parameter in
    /// the message; the caller adds that one.
    pub(crate) fn or_fail(self) -> Result<Statement, BuildError> {
        let mut out = Fragment::roomy();
        out.push("SELECT CASE WHEN ");
        self.write(&mut out);
        // A text that is no path of JSON cannot be evaluated; only the branch that is taken is.
        out.push(" THEN 1 ELSE json_extract('{}', ?) END");
        out.finish()
    }

    /// Both with an operator between them.
    pub(super) fn binary(left: Self, operator: &'static str, right: Self) -> Self {
        match (left.0, right.0) {
            (Kind::Column(column), Kind::Value(value)) => {
                Self(Kind::Compared(column, operator, value))
            }
            (left, right) => {
                let mut out = Fragment::roomy();
                Self(left).write_within(&mut out, Level::Atom);
                out.push(operator);
                Self(right).write_within(&mut out, Level::Atom);
                Self::text(out, Level::Operator)
            }
        }
    }

    pub(super) fn text(fragment: Fragment, level: Level) -> Self {
        Self(Kind::Text(fragment, level))
    }

    fn chain(self, level: Level, word: &'static str, other: Self) -> Self {
        let mut out = match self.0 {
            // Grows in place.
            Kind::Text(fragment, own) if own <= level => fragment,
            kind => {
                let mut out = Fragment::roomy();
                Self(kind).write_within(&mut out, level);
                out
            }
        };
        out.push(word);
        other.write_within(&mut out, level);
        Self::text(out, level)
    }

    pub(super) fn write(self, out: &mut Fragment) {
        match self.0 {
            Kind::Column(column) => column.write(out),
            Kind::Value(value) => out.value(value),
            Kind::Compared(column, operator, value) => {
                column.write(out);
                out.push(operator);
                out.value(value);
            }
            Kind::Text(fragment, _) => out.append(fragment),
        }
    }

    fn level(&self) -> Level {
        match &self.0 {
            Kind::Column(_) | Kind::Value(_) => Level::Atom,
            Kind::Compared(..) => Level::Operator,
            Kind::Text(_, level) => *level,
        }
    }

    /// In parentheses unless it holds together at least as tightly as `level`.
    pub(super) fn write_within(self, out: &mut Fragment, level: Level) {
        if self.level() > level {
            out.push("(");
            self.write(out);
            out.push(")");
        } else {
            self.write(out);
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.0, Kind::Value(Value::Null))
    }
}

impl From<Column> for Expr {
    fn from(column: Column) -> Self {
        Self(Kind::Column(column))
    }
}

impl<T: Into<Value>> From<T> for Expr {
    /// A parameter: the value never becomes text.
    fn from(value: T) -> Self {
        Self(Kind::Value(value.into()))
    }
}

impl From<Select> for Expr {
    /// Its first column in its first row.
    fn from(select: Select) -> Self {
        let mut out = Fragment::roomy();
        out.push("(");
        select.write(&mut out);
        out.push(")");
        Self::text(out, Level::Atom)
    }
}

/// All of these hold; none is true.
pub fn all(conditions: impl IntoIterator<Item = Expr>) -> Expr {
    conditions.into_iter().reduce(Expr::and).unwrap_or_else(|| always("1"))
}

/// At least one of these holds; none is false.
pub fn any(conditions: impl IntoIterator<Item = Expr>) -> Expr {
    conditions.into_iter().reduce(Expr::or).unwrap_or_else(|| always("0"))
}

/// The select gives at least one row.
#[must_use]
pub fn exists(select: Select) -> Expr {
    let mut out = Fragment::roomy();
    out.push("EXISTS ");
    Expr::from(select).write(&mut out);
    Expr::text(out, Level::Atom)
}

fn always(truth: &'static str) -> Expr {
    let mut out = Fragment::default();
    out.push(truth);
    Expr::text(out, Level::Atom)
}
