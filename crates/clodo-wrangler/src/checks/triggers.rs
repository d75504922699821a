use super::{
    Scope,
    values::{Property, has, may_have, only_known, typed_list},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::json,
    node::{Node, Type},
};

pub(crate) fn triggers(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let field = scope.field;
    let Some(given) = value.filter(|value| !value.is_null()) else { return };
    if given.type_of() != Type::Object || given.list().is_some() {
        return d.error(
            given.at,
            format!("Expected \"{field}\" to be of type object but got {}.", json(value)),
        );
    }
    for key in ["crons", "events"] {
        if let Some(items) = given.get(key).filter(|items| items.list().is_none()) {
            let message =
                format!("Expected \"{field}.{key}\" to be of type array, but got {}.", json(value));
            d.error(items.at, message);
        }
    }
    only_known(d, field, given, &["crons", "events"]);
}

pub(crate) fn rules(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let path = scope.path();
    let Some(given) = value.filter(|value| value.is_truthy()) else { return };
    let Some(items) = given.list() else {
        return d.error(
            given.at,
            format!("The field \"{path}\" should be an array but got {}.", json(value)),
        );
    };
    for (index, item) in items.iter().enumerate() {
        rule(d, &format!("{path}[{index}]"), item);
    }
}

const KINDS: [&str; 5] = ["ESModule", "CommonJS", "CompiledWasm", "Text", "Data"];

fn rule(d: &mut Diagnostics, field: &str, value: &Node) {
    if value.type_of() != Type::Object || value.is_null() {
        let shown = json(Some(value));
        return d.error(value.at, format!("\"{field}\" should be an object but got {shown}."));
    }
    if !value.get("type").and_then(Node::text).is_some_and(|kind| KINDS.contains(&kind)) {
        d.error(value.at, r#"bindings should have a string "type" field, which contains one of "ESModule", "CommonJS", "CompiledWasm", "Text", or "Data"."#);
    }
    typed_list(d, &format!("{field}.globs"), value.get("globs"), value.at);
    if !may_have(value, "fallthrough", Type::Boolean) {
        d.error(value.at, r#"the field "fallthrough", when present, should be a boolean."#);
    }
}

pub(crate) fn migrations(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value.filter(|value| !value.is_null()) else { return };
    let Some(items) = given.list() else {
        let message = format!(
            "The optional \"{}\" field should be an array, but got {}",
            scope.field,
            json(value)
        );
        return d.error(given.at, message);
    };
    for (index, item) in items.iter().enumerate() {
        migration(d, index, item);
    }
}

const MIGRATION: [&str; 6] = [
    "tag",
    "new_classes",
    "new_sqlite_classes",
    "renamed_classes",
    "deleted_classes",
    "transferred_classes",
];

fn migration(d: &mut Diagnostics, index: usize, item: &Node) {
    let name = format!("migrations[{index}]");
    only_known(d, "migrations", item, &MIGRATION);
    Property::of(&name, item, "tag").required(d, Type::String);
    for key in ["new_classes", "new_sqlite_classes"] {
        super::values::optional_typed_list(d, &format!("{name}.{key}"), item.get(key));
    }
    let renamed = ("renamed_classes", "{from: string, to: string}", ["from", "to"].as_slice());
    let transferred = (
        "transferred_classes",
        "{from: string, from_script: string, to: string}",
        ["from", "from_script", "to"].as_slice(),
    );
    for (key, shape, fields) in [renamed, transferred] {
        let Some(value) = item.get(key) else { continue };
        let fits = |class: &Node| fields.iter().all(|field| has(class, field, Type::String));
        if !value.list().is_some_and(|classes| classes.iter().all(fits)) {
            let shown = json(Some(value));
            let message = format!(
                "Expected \"{name}.{key}\" to be an array of \"{shape}\" objects but got {shown}."
            );
            d.error(value.at, message);
        }
    }
    let deleted = item.get("deleted_classes");
    super::values::optional_typed_list(d, &format!("{name}.deleted_classes"), deleted);
}
