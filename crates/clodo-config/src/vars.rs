use crate::{
    fields::Fields,
    node::{Content, Node},
    placed::Placed,
    source::Problems,
};
use clodo_types::BindingName;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Variables of one level: text, or whatever else JSON can hold.
pub type Vars = BTreeMap<BindingName, Placed<Value>>;

/// Reads the key `vars`.
pub(crate) fn read(fields: &Fields<'_>) -> Vars {
    let problems = fields.problems;
    fields.map("vars", |_, entry| {
        let at = problems.source().location(entry.key_offset);
        fits(problems, &entry.node).then(|| Placed::new(json(&entry.node), at))
    })
}

/// A value of the file as JSON; dates become text, and what is not a number becomes null.
pub(crate) fn json(node: &Node) -> Value {
    match &node.content {
        Content::Text(text) | Content::Date(text) => Value::String(text.clone()),
        Content::Integer(number) => Value::Number((*number).into()),
        Content::Float(number) => Value::from(*number),
        Content::Flag(flag) => Value::Bool(*flag),
        Content::List(nodes) => Value::Array(nodes.iter().map(json).collect()),
        Content::Table(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), json(&entry.node)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

/// Whether a value reaches a Worker as it stands in the file; notes it if not.
fn fits(problems: &Problems<'_>, node: &Node) -> bool {
    match &node.content {
        Content::Text(_) | Content::Integer(_) | Content::Flag(_) => true,
        Content::List(nodes) => nodes.iter().all(|node| fits(problems, node)),
        Content::Table(entries) => entries.iter().all(|entry| fits(problems, &entry.node)),
        Content::Float(number) if number.is_finite() => true,
        Content::Float(_) => {
            problems.add(node.offset, "a variable cannot be infinite or not a number");
            false
        }
        Content::Date(_) => {
            let message = "expected text, a number, true or false, a list or a table, found a date";
            problems.add_with_hint(node.offset, message, "put the date in quotes");
            false
        }
    }
}
