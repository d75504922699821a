use std::ops::Range;
use toml_edit::{Array, Document, Item, TableLike, Value};

/// A value in the file, of whatever type, with its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) offset: usize,
}

#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    Date(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value, in the order of the file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_offset: usize,
    pub(crate) node: Node,
}

/// What the TOML parser has to say, and where.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

impl Node {
    /// Parses a whole document.
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let document = Document::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            SyntaxError { offset, message: explained(error.message(), text, offset) }
        })?;
        Ok(Self { content: Content::Table(entries(document.as_table(), 0)), offset: 0 })
    }

    /// What it is, for "expected …, found …".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Text(_) => "text",
            Content::Integer(_) | Content::Float(_) => "a number",
            Content::Flag(_) => "true or false",
            Content::Date(_) => "a date",
            Content::List(_) => "a list",
            Content::Table(_) => "a table",
        }
    }

    /// A number, whole or not.
    #[expect(clippy::cast_precision_loss, reason = "no setting is as large")]
    pub(crate) fn number(&self) -> Option<f64> {
        match &self.content {
            Content::Integer(number) => Some(*number as f64),
            Content::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.content {
            Content::Table(entries) => Some(entries),
            _ => None,
        }
    }
}

/// The parser's own words on one line; where it says less than it could, which key it means.
fn explained(message: &str, text: &str, offset: usize) -> String {
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join(", ");
    let rest = text.get(offset..).unwrap_or_default();
    let key: String = rest
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '"'))
        .take(80)
        .collect();
    match message == "duplicate key" && !key.is_empty() {
        true => format!("duplicate key `{key}`: it stands in the same table above"),
        false => message,
    }
}

fn entries(table: &dyn TableLike, near: usize) -> Vec<Entry> {
    let mut all: Vec<Entry> = table
        .iter()
        .filter(|(_, item)| !item.is_none())
        .map(|(key, item)| {
            let key_span = table.key(key).and_then(toml_edit::Key::span);
            let key_offset = start(key_span.or_else(|| item.span()), near);
            Entry { key: key.to_owned(), key_offset, node: node(item, key_offset) }
        })
        .collect();
    all.sort_by_key(|entry| entry.key_offset);
    all
}

/// `near` stands in for a table that only exists because a longer key mentions it.
fn node(item: &Item, near: usize) -> Node {
    let offset = start(item.span(), near);
    let content = match item {
        Item::Value(value) => return value_node(value, near),
        Item::Table(table) => Content::Table(entries(table, near)),
        Item::ArrayOfTables(tables) => {
            let table_node = |table: &toml_edit::Table| Node {
                offset: start(table.span(), near),
                content: Content::Table(entries(table, near)),
            };
            Content::List(tables.iter().map(table_node).collect())
        }
        Item::None => Content::Table(Vec::new()),
    };
    Node { content, offset }
}

fn value_node(value: &Value, near: usize) -> Node {
    let offset = start(value.span(), near);
    let content = match value {
        Value::String(text) => Content::Text(text.value().clone()),
        Value::Integer(number) => Content::Integer(*number.value()),
        Value::Float(number) => Content::Float(*number.value()),
        Value::Boolean(flag) => Content::Flag(*flag.value()),
        Value::Datetime(date) => Content::Date(date.value().to_string()),
        Value::Array(array) => Content::List(list(array, offset)),
        Value::InlineTable(table) => Content::Table(entries(table, offset)),
    };
    Node { content, offset }
}

fn list(array: &Array, near: usize) -> Vec<Node> {
    array.iter().map(|value| value_node(value, near)).collect()
}

fn start(span: Option<Range<usize>>, otherwise: usize) -> usize {
    span.map_or(otherwise, |span| span.start)
}
