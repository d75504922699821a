//! `filter:` of a node.

use super::{
    GraphError,
    schema::{Dimension, Node},
};
use crate::analytics::store::Figure;
use serde_json::Value;

/// Deeper nesting than any client writes.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    One(Dimension, Operator, Vec<Operand>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    In,
    NotIn,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Like,
    NotLike,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Text(String),
    Number(f64),
    /// Seconds since the epoch.
    Moment(f64),
}

const SUFFIXES: [(&str, Operator); 10] = [
    ("_notlike", Operator::NotLike),
    ("_like", Operator::Like),
    ("_notin", Operator::NotIn),
    ("_neq", Operator::NotIn),
    ("_in", Operator::In),
    ("_geq", Operator::GreaterOrEqual),
    ("_leq", Operator::LessOrEqual),
    ("_gt", Operator::Greater),
    ("_lt", Operator::Less),
    ("", Operator::In),
];

pub(super) fn read(node: &Node, wire: &Value) -> Result<Filter, GraphError> {
    nested(node, wire, 0)
}

fn nested(node: &Node, wire: &Value, depth: usize) -> Result<Filter, GraphError> {
    let fields = match wire {
        Value::Null => return Ok(Filter::All(Vec::new())),
        Value::Object(fields) if depth <= MAX_DEPTH => fields,
        _ => return Err(error(node, "filter must be an object")),
    };
    let several = |value: &Value| match value {
        Value::Array(list) => list.iter().map(|one| nested(node, one, depth + 1)).collect(),
        one => nested(node, one, depth + 1).map(|one| vec![one]),
    };
    let mut all = Vec::new();
    for (name, value) in fields {
        all.push(match name.as_str() {
            "AND" => Filter::All(several(value)?),
            "OR" => Filter::Any(several(value)?),
            _ => condition(node, name, value)?,
        });
    }
    Ok(Filter::All(all))
}

fn condition(node: &Node, name: &str, value: &Value) -> Result<Filter, GraphError> {
    let found = SUFFIXES.iter().find_map(|(suffix, operator)| {
        let dimension = node.dimension(name.strip_suffix(suffix)?)?;
        Some((dimension, *operator))
    });
    let Some((dimension, operator)) = found else {
        return Err(error(node, &format!("unknown arg \"{name}\"")));
    };
    let lists = name.ends_with("_in") || name.ends_with("_notin");
    let values = match value {
        Value::Array(list) if lists => list.clone(),
        Value::Array(_) => return Err(error(node, &format!("\"{name}\" takes one value"))),
        // An unset variable asks for nothing.
        Value::Null => return Ok(Filter::All(Vec::new())),
        one => vec![one.clone()],
    };
    let operands = values.iter().map(|value| operand(dimension, value));
    let operands: Option<Vec<_>> = operands.collect();
    let operands =
        operands.ok_or_else(|| error(node, &format!("cannot parse the value of \"{name}\"")))?;
    Ok(Filter::One(dimension, operator, operands))
}

fn operand(dimension: Dimension, value: &Value) -> Option<Operand> {
    match dimension {
        Dimension::Time(_) => {
            let text = value.as_str()?;
            let time = text.parse::<jiff::Timestamp>().ok();
            let time = time.map(|time| time.as_millisecond() as f64 / 1_000.0);
            time.or_else(|| day(text)).map(Operand::Moment)
        }
        Dimension::Date => {
            let text = value.as_str()?;
            let of_time = || text.parse::<jiff::Timestamp>().ok();
            let start =
                |time: jiff::Timestamp| (time.as_second().div_euclid(86_400) * 86_400) as f64;
            day(text).or_else(|| of_time().map(start)).map(Operand::Moment)
        }
        Dimension::Number(_) => {
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            number.map(Operand::Number)
        }
        Dimension::Kept(_) | Dimension::Fixed(_) => match value {
            Value::String(text) => Some(Operand::Text(text.clone())),
            Value::Number(number) => Some(Operand::Text(number.to_string())),
            _ => None,
        },
    }
}

fn day(text: &str) -> Option<f64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(start.timestamp().as_second() as f64)
}

fn error(node: &Node, why: &str) -> GraphError {
    GraphError::new(format!("error parsing args for \"{}\": {why}", node.name))
}

impl Filter {
    pub(super) fn holds(&self, figure: &Figure) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.holds(figure)),
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(figure)),
            Self::One(dimension, operator, operands) => {
                let is = |operand: &Operand| compare(figure, *dimension, *operator, operand);
                match operator {
                    Operator::NotIn | Operator::NotLike => operands.iter().all(is),
                    _ => operands.iter().any(is),
                }
            }
        }
    }

    /// The minutes in which an event may lie; `None` at an end that is open.
    pub(super) fn minutes(&self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::All(filters) => {
                let ranges = filters.iter().map(Self::minutes);
                ranges.fold((None, None), |(from, to), (lower, upper)| {
                    let upper = [to, upper].into_iter().flatten().min();
                    ([from, lower].into_iter().flatten().max(), upper)
                })
            }
            Self::One(Dimension::Time(_) | Dimension::Date, operator, operands) => {
                let [Operand::Moment(at)] = operands.as_slice() else { return (None, None) };
                let minute = (at / 60.0).floor() as i64;
                match operator {
                    // A span begins before what lies in it: a day is the longest.
                    Operator::Greater | Operator::GreaterOrEqual => (Some(minute), None),
                    Operator::Less | Operator::LessOrEqual => {
                        (None, Some(minute.saturating_add(24 * 60)))
                    }
                    Operator::In => (Some(minute), Some(minute.saturating_add(24 * 60))),
                    _ => (None, None),
                }
            }
            _ => (None, None),
        }
    }

    /// The one value that a kept dimension must have, if there is one.
    pub(super) fn only(&self, place: usize) -> Option<&str> {
        match self {
            Self::All(filters) => filters.iter().find_map(|filter| filter.only(place)),
            Self::One(Dimension::Kept(at), Operator::In, operands) if *at == place => {
                match operands.as_slice() {
                    [Operand::Text(text)] => Some(text),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn compare(figure: &Figure, dimension: Dimension, operator: Operator, operand: &Operand) -> bool {
    let kept = |at: usize| figure.dimensions.get(at).map_or("", String::as_str);
    let order = match (dimension, operand) {
        (Dimension::Kept(at), Operand::Text(text)) => return texts(kept(at), operator, text),
        (Dimension::Fixed(value), Operand::Text(text)) => return texts(value, operator, text),
        (Dimension::Number(at), Operand::Number(number)) => {
            kept(at).parse::<f64>().unwrap_or(0.0).partial_cmp(number)
        }
        (Dimension::Time(minutes), Operand::Moment(at)) => {
            let start = figure.minute.div_euclid(minutes) * minutes * 60;
            // A minute holds events until its end: one that has begun before counts as well.
            let whole =
                minutes == 1 && matches!(operator, Operator::GreaterOrEqual | Operator::Greater);
            let at = if whole { (at / 60.0).floor() * 60.0 } else { *at };
            (start as f64).partial_cmp(&at)
        }
        (Dimension::Date, Operand::Moment(at)) => {
            let start = figure.minute.div_euclid(1_440) * 86_400;
            (start as f64).partial_cmp(at)
        }
        _ => None,
    };
    order.is_some_and(|order| match operator {
        Operator::In => order.is_eq(),
        Operator::NotIn => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Like | Operator::NotLike => false,
    })
}

fn texts(value: &str, operator: Operator, operand: &str) -> bool {
    match operator {
        Operator::In => value == operand,
        Operator::NotIn => value != operand,
        Operator::Greater => value > operand,
        Operator::GreaterOrEqual => value >= operand,
        Operator::Less => value < operand,
        Operator::LessOrEqual => value <= operand,
        Operator::Like => like(value, operand),
        Operator::NotLike => !like(value, operand),
    }
}

/// `%` stands for any text.
fn like(value: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_stands_for_any_text() {
        for (value, pattern, expected) in [
            ("shop-eu", "shop%", true),
            ("shop-eu", "%eu", true),
            ("shop-eu", "s%p%u", true),
            ("shop", "shop", true),
            ("shop", "%", true),
            ("shop", "", false),
            ("ab", "ab%b", false),
            ("shop", "%x%", false),
        ] {
            assert_eq!(like(value, pattern), expected, "{value} like {pattern}");
        }
    }
}
