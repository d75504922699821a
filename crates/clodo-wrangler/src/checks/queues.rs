use super::{
    Scope,
    binding_lists::list,
    binding_tables::QUEUE_PRODUCER,
    values::{has, is_plain_object, may_have, only_known},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::{json, template},
    node::{Node, Type},
};

pub(crate) fn queues(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let path = scope.path();
    let Some(given) = value else { return };
    if !is_plain_object(given) {
        return d.error(
            given.at,
            format!("The field \"{path}\" should be an object but got {}.", json(value)),
        );
    }
    only_known(d, &path, given, &["consumers", "producers"]);
    if let Some(consumers) = given.get("consumers") {
        match consumers.list() {
            Some(items) => items.iter().enumerate().for_each(|(index, item)| {
                consumer(d, &format!("{path}.consumers[{index}]"), item);
            }),
            None => {
                let shown = json(Some(consumers));
                let message =
                    format!("The field \"{path}.consumers\" should be an array but got {shown}.");
                d.error(consumers.at, message);
            }
        }
    }
    if given.get("producers").is_some() {
        let field = format!("{}.producers", scope.field);
        // wrangler looks the top level's up under this very name, and so finds none.
        list(d, Scope { field: &field, ..scope }, given.get("producers"), &QUEUE_PRODUCER);
    }
}

const OPTIONS: [(&str, Type); 8] = [
    ("type", Type::String),
    ("max_batch_size", Type::Number),
    ("max_batch_timeout", Type::Number),
    ("max_retries", Type::Number),
    ("dead_letter_queue", Type::String),
    ("max_concurrency", Type::Number),
    ("visibility_timeout_ms", Type::Number),
    ("retry_delay", Type::Number),
];

fn consumer(d: &mut Diagnostics, field: &str, value: &Node) {
    let shown = json(Some(value));
    if value.type_of() != Type::Object || value.is_null() {
        return d.error(value.at, format!("\"{field}\" should be a objects, but got {shown}"));
    }
    let known: Vec<_> = OPTIONS.iter().map(|(key, _)| *key).chain(["queue"]).collect();
    only_known(d, field, value, &known);
    if !has(value, "queue", Type::String) {
        let message = format!("\"{field}\" should have a string \"queue\" field but got {shown}.");
        d.error(value.at, message);
    }
    if let Some(kind) = value.get("type").filter(|kind| kind.text() != Some("worker")) {
        let given = template(kind);
        let message = format!(
            "\"{field}.type\" has an invalid value \"{given}\". Only \"worker\" consumers can be configured in your Wrangler configuration."
        );
        d.error(kind.at, message);
    }
    for (key, kind) in OPTIONS {
        if !may_have(value, key, kind) {
            let kind = kind.name();
            let message = format!(
                "\"{field}\" should, optionally, have a {kind} \"{key}\" field but got {shown}."
            );
            d.error(value.at, message);
        }
    }
}
