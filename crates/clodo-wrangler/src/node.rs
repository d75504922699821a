use serde_json::{Map, Number, Value};
use std::collections::HashMap;

/// Marks a value that stands in no file: a default.
pub(crate) const NOWHERE: usize = usize::MAX;

/// A value of a config file, with the byte offset at which it starts.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) kind: Kind,
}

/// What wrangler's two parsers make of a value: JavaScript's types, plus TOML's dates.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// Both parsers read every number into JavaScript's one kind.
    Number(f64),
    Text(String),
    Date(String),
    List(Vec<Node>),
    Record(Record),
}

/// The answers of JavaScript's `typeof`, which wrangler's checks and messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Number,
    Boolean,
    Object,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Object => "object",
        }
    }
}

impl Node {
    pub(crate) fn default_of(kind: Kind) -> Self {
        Self { at: NOWHERE, kind }
    }

    pub(crate) fn type_of(&self) -> Type {
        match &self.kind {
            Kind::Bool(_) => Type::Boolean,
            Kind::Number(_) => Type::Number,
            Kind::Text(_) => Type::String,
            Kind::Null | Kind::Date(_) | Kind::List(_) | Kind::Record(_) => Type::Object,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// True unless JavaScript takes the value for false in a condition.
    pub(crate) fn is_truthy(&self) -> bool {
        match &self.kind {
            Kind::Null => false,
            Kind::Bool(value) => *value,
            Kind::Number(value) => *value != 0.0 && !value.is_nan(),
            Kind::Text(text) => !text.is_empty(),
            Kind::Date(_) | Kind::List(_) | Kind::Record(_) => true,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self.kind {
            Kind::Number(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn record(&self) -> Option<&Record> {
        match &self.kind {
            Kind::Record(record) => Some(record),
            _ => None,
        }
    }

    /// A property, when this is a record that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.record()?.get(key)
    }

    /// What JavaScript's `Object.keys` answers, with the place of each key.
    pub(crate) fn keys(&self) -> Vec<(String, usize)> {
        match &self.kind {
            Kind::Text(text) => {
                (0..text.encode_utf16().count()).map(|index| (index.to_string(), self.at)).collect()
            }
            _ => self.entries().into_iter().map(|(key, at, _)| (key, at)).collect(),
        }
    }

    /// The properties of an object, or the items of a list under their indexes, each with the
    /// place of its key.
    pub(crate) fn entries(&self) -> Vec<(String, usize, &Self)> {
        match &self.kind {
            Kind::Record(record) => {
                record.iter().map(|entry| (entry.key.clone(), entry.key_at, &entry.value)).collect()
            }
            Kind::List(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| (index.to_string(), item.at, item)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The value as JSON: a date becomes text, a number that JSON cannot hold becomes null.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => json_number(*value),
            Kind::Text(text) | Kind::Date(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Record(record) => Value::Object(record.to_json()),
        }
    }
}

// Whole numbers stay whole: `1.0` in TOML is `1` to JavaScript.
fn json_number(value: f64) -> Value {
    // 2^63 is exact in binary floating point.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() == 0.0 && value.abs() < LIMIT {
        #[expect(clippy::cast_possible_truncation, reason = "the range was just checked")]
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// One property.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: usize,
    pub(crate) value: Node,
}

/// An object, its properties in JavaScript's order: whole numbers first, then as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

impl Record {
    /// Builds a record; of two properties with one name the later value wins, in the earlier's
    /// position. The second answer is where names came again.
    pub(crate) fn new(entries: Vec<Entry>) -> (Self, Vec<usize>) {
        let mut record = Self::default();
        let mut repeated = Vec::new();
        for entry in entries {
            if record.index.contains_key(&entry.key) {
                repeated.push(entry.key_at);
            }
            record.put(entry);
        }
        if record.entries.iter().any(|entry| array_index(&entry.key).is_some()) {
            record.entries.sort_by_key(|entry| array_index(&entry.key).unwrap_or(u64::MAX));
            record.index =
                record.entries.iter().enumerate().map(|(at, e)| (e.key.clone(), at)).collect();
        }
        (record, repeated)
    }

    fn put(&mut self, entry: Entry) {
        if let Some(&at) = self.index.get(&entry.key) {
            self.entries[at] = entry;
            return;
        }
        self.index.insert(entry.key.clone(), self.entries.len());
        self.entries.push(entry);
    }

    /// Sets a property, or leaves it undefined.
    pub(crate) fn set(&mut self, key: &str, value: Option<Node>) {
        if let Some(value) = value {
            self.put(Entry { key: key.to_owned(), key_at: value.at, value });
        }
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.index.remove(key)?;
        let gone = self.entries.remove(at);
        self.index.values_mut().filter(|place| **place > at).for_each(|place| *place -= 1);
        Some(gone)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).map(|&at| &self.entries[at])
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.index.contains_key(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(crate) fn keys(&self) -> Vec<(String, usize)> {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.key_at)).collect()
    }

    pub(crate) fn to_json(&self) -> Map<String, Value> {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
    }
}

// JavaScript puts properties named like array indexes before all others.
fn array_index(key: &str) -> Option<u64> {
    let canonical = key == "0" || !key.starts_with(['0', '+']);
    let number: u64 = key.parse().ok().filter(|_| canonical)?;
    (number < u64::from(u32::MAX)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: f64) -> Entry {
        Entry { key: key.to_owned(), key_at: 7, value: Node::default_of(Kind::Number(value)) }
    }

    #[test]
    fn properties_come_in_the_order_of_javascript() {
        let (record, repeated) =
            Record::new(vec![entry("b", 1.0), entry("10", 2.0), entry("b", 3.0), entry("9", 4.0)]);
        let keys: Vec<_> = record.keys().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["9", "10", "b"]);
        assert_eq!(record.get("b").and_then(Node::number), Some(3.0));
        assert_eq!(repeated, [7]);
    }

    #[test]
    fn a_removed_property_leaves_the_others_reachable() {
        let (mut record, _) = Record::new(vec![entry("a", 1.0), entry("b", 2.0), entry("c", 3.0)]);
        assert!(record.remove("a").is_some());
        assert_eq!(record.get("c").and_then(Node::number), Some(3.0));
        assert!(!record.contains("a"));
    }
}
