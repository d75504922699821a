use crate::{
    node::{Entry, Kind, NOWHERE, Node, Record},
    source::Source,
};
use clodo_types::SourceError;
use toml_edit::{Document, Item, Key, TableLike, Value};

/// JavaScript's largest whole number without a gap; wrangler's parser refuses larger ones.
const LARGEST_EXACT: i64 = 9_007_199_254_740_991;

pub(super) fn parse(source: &Source) -> Result<Record, SourceError> {
    let document = Document::parse(source.text()).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        source.error(at, error.message().trim())
    })?;
    record(source, document.as_table())
}

fn record(source: &Source, table: &dyn TableLike) -> Result<Record, SourceError> {
    let mut entries = Vec::with_capacity(table.len());
    for (name, value) in table.iter() {
        let key_at = table.key(name).and_then(Key::span).map_or(NOWHERE, |span| span.start);
        if let Some(value) = item(source, value, key_at)? {
            entries.push(Entry { key: name.to_owned(), key_at, value });
        }
    }
    Ok(Record::new(entries).0)
}

fn item(source: &Source, item: &Item, key_at: usize) -> Result<Option<Node>, SourceError> {
    // A table that only its children mention has no place of its own: that of its key is as good.
    let at = item.span().map_or(key_at, |span| span.start);
    let kind = match item {
        Item::None => return Ok(None),
        Item::Value(value) => return node(source, value, key_at).map(Some),
        Item::Table(table) => Kind::Record(record(source, table)?),
        Item::ArrayOfTables(tables) => {
            let mut items = Vec::with_capacity(tables.len());
            for table in tables {
                let at = table.span().map_or(key_at, |span| span.start);
                items.push(Node { at, kind: Kind::Record(record(source, table)?) });
            }
            Kind::List(items)
        }
    };
    Ok(Some(Node { at, kind }))
}

fn node(source: &Source, value: &Value, key_at: usize) -> Result<Node, SourceError> {
    let at = value.span().map_or(key_at, |span| span.start);
    let kind = match value {
        Value::String(text) => Kind::Text(text.value().clone()),
        Value::Integer(number) => Kind::Number(exact(source, *number.value(), at)?),
        Value::Float(number) => Kind::Number(*number.value()),
        Value::Boolean(value) => Kind::Bool(*value.value()),
        Value::Datetime(moment) => Kind::Date(moment.value().to_string()),
        Value::Array(values) => {
            let items: Result<_, _> = values.iter().map(|value| node(source, value, at)).collect();
            Kind::List(items?)
        }
        Value::InlineTable(table) => Kind::Record(record(source, table)?),
    };
    Ok(Node { at, kind })
}

fn exact(source: &Source, number: i64, at: usize) -> Result<f64, SourceError> {
    if number.unsigned_abs() > LARGEST_EXACT.unsigned_abs() {
        return Err(source
            .error(at, "the whole number is too large for JavaScript to hold exactly")
            .with_hint("write it as a string"));
    }
    #[expect(clippy::cast_precision_loss, reason = "the range was just checked")]
    Ok(number as f64)
}
