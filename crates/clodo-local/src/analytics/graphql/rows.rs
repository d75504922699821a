//! From figures to the rows of an answer.

use super::{
    plan::{Order, RowField, Rows},
    schema::{Dimension, Group, Source},
};
use crate::analytics::{cell::Cell, store::Figure};
use serde_json::{Map, Number, Value};
use std::{cmp::Ordering, collections::BTreeMap};

/// Sums up the figures that the filter lets pass, one row per set of the dimensions that are shown.
pub(super) fn rows(asked: &Rows, figures: &[Figure]) -> Value {
    let shown: Vec<Dimension> = asked.dimensions();
    let mut groups: BTreeMap<Vec<String>, (Cell, &Figure)> = BTreeMap::new();
    for figure in figures.iter().filter(|figure| asked.filter.holds(figure)) {
        let key = shown.iter().map(|dimension| text(*dimension, figure)).collect();
        let (cell, _) = groups.entry(key).or_insert_with(|| (Cell::default(), figure));
        cell.merge(&figure.cell);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|a, b| {
        let orders = asked.order.iter().map(|(order, descending)| {
            let found = compare(*order, a, b);
            if *descending { found.reverse() } else { found }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    });
    groups.truncate(asked.limit);
    groups.iter().map(|(cell, figure)| row(asked, cell, figure)).collect()
}

impl Rows {
    /// What rows are told apart by: what is shown, and what they are ordered by.
    fn dimensions(&self) -> Vec<Dimension> {
        let shown = self.fields.iter().flat_map(|(_, field)| match field {
            RowField::Dimensions(fields) => fields.as_slice(),
            _ => &[],
        });
        let ordered = self.order.iter().filter_map(|(order, _)| match order {
            Order::Dimension(dimension) => Some(*dimension),
            _ => None,
        });
        let mut all = Vec::new();
        for dimension in shown.map(|(_, dimension)| *dimension).chain(ordered) {
            if !all.contains(&dimension) {
                all.push(dimension);
            }
        }
        all
    }
}

fn row(asked: &Rows, cell: &Cell, figure: &Figure) -> Value {
    let mut row = Map::new();
    for (key, field) in &asked.fields {
        let value = match field {
            RowField::Count => cell.count.into(),
            RowField::TypeName => type_name(asked.node.name).into(),
            RowField::Dimensions(fields) => {
                let one = |(key, dimension): &(String, Dimension)| {
                    (key.clone(), dimension_value(*dimension, figure))
                };
                Value::Object(fields.iter().map(one).collect())
            }
            RowField::Group(group, fields) => {
                let one = |(key, (source, quantile)): &(String, (Source, f64))| {
                    (key.clone(), number(value(cell, *group, *source, *quantile)))
                };
                Value::Object(fields.iter().map(one).collect())
            }
        };
        put(&mut row, key, value);
    }
    Value::Object(row)
}

/// Two selections at one key are one.
fn put(row: &mut Map<String, Value>, key: &str, value: Value) {
    match (row.get_mut(key), value) {
        (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
        (_, value) => {
            row.insert(key.to_owned(), value);
        }
    }
}

fn type_name(node: &str) -> String {
    format!("Account{}{}", node[..1].to_uppercase(), &node[1..])
}

fn dimension_value(dimension: Dimension, figure: &Figure) -> Value {
    match dimension {
        Dimension::Number(_) => text(dimension, figure).parse::<i64>().unwrap_or(0).into(),
        _ => text(dimension, figure).into(),
    }
}

fn text(dimension: Dimension, figure: &Figure) -> String {
    let time = |minute: i64, format: &str| {
        let at = jiff::Timestamp::from_second(minute.saturating_mul(60)).unwrap_or_default();
        at.strftime(format).to_string()
    };
    match dimension {
        Dimension::Kept(at) | Dimension::Number(at) => {
            figure.dimensions.get(at).cloned().unwrap_or_default()
        }
        Dimension::Fixed(value) => value.to_owned(),
        Dimension::Time(span) => time(figure.minute.div_euclid(span) * span, "%Y-%m-%dT%H:%M:%SZ"),
        Dimension::Date => time(figure.minute, "%Y-%m-%d"),
    }
}

fn compare(order: Order, a: &(Cell, &Figure), b: &(Cell, &Figure)) -> Ordering {
    match order {
        Order::Count => a.0.count.cmp(&b.0.count),
        Order::Dimension(dimension) => text(dimension, a.1).cmp(&text(dimension, b.1)),
        Order::Value(group, source, quantile) => {
            let of = |cell: &Cell| value(cell, group, source, quantile);
            of(&a.0).total_cmp(&of(&b.0))
        }
    }
}

fn value(cell: &Cell, group: Group, source: Source, quantile: f64) -> f64 {
    let (place, factor) = match source {
        Source::Count => return cell.count as f64,
        Source::Always(value) => return value,
        Source::Measure(place) => (place, 1.0),
        Source::Scaled(place, factor) => (place, factor),
    };
    let Some(measure) = cell.measures.get(place) else { return 0.0 };
    let found = match group {
        Group::Sum => measure.sum,
        Group::Avg if cell.count == 0 => 0.0,
        Group::Avg => measure.sum / cell.count as f64,
        Group::Min => measure.min,
        Group::Max => measure.max,
        Group::Quantiles => measure.sketch.quantile(quantile),
    };
    found * factor
}

/// A whole number is shown as one.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return (value as i64).into();
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
