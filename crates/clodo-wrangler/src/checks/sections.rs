use super::{
    Scope,
    values::{Property, only_known, optional_typed_list},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::{json, quoted},
    node::{Kind, Node, Type},
};

pub(crate) fn assets(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let field = scope.field;
    let Some(given) = value else { return };
    if given.type_of() != Type::Object || given.is_null() {
        let kind = given.type_of().name();
        let message = format!(
            "\"{field}\" should be an object, but got value {} of type {kind}",
            quoted(field)
        );
        return d.error(given.at, message);
    }
    Property::of(field, given, "directory").optional(d, Type::String);
    Property::of(field, given, "binding").optional(d, Type::String);
    let html = ["auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"];
    Property::of(field, given, "html_handling").optional_choice(d, &html);
    let not_found = ["single-page-application", "404-page", "none"];
    Property::of(field, given, "not_found_handling").optional_choice(d, &not_found);
    Property::of(field, given, "base_path").optional(d, Type::String);
    run_worker_first(d, field, given.get("run_worker_first"));
    let known = [
        "directory",
        "binding",
        "html_handling",
        "not_found_handling",
        "base_path",
        "run_worker_first",
    ];
    only_known(d, field, given, &known);
}

fn run_worker_first(d: &mut Diagnostics, field: &str, value: Option<&Node>) {
    let Some(given) = value else { return };
    match &given.kind {
        Kind::Bool(_) => {}
        Kind::List(_) => optional_typed_list(d, "assets.run_worker_first", value),
        _ => d.error(
            given.at,
            format!(
                "The field \"{field}.run_worker_first\" should be an array of strings or a boolean, but got {}.",
                json(value)
            ),
        ),
    }
}

pub(crate) fn limits(d: &mut Diagnostics, _: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value.filter(|value| value.is_truthy()) else { return };
    Property::of("limits", given, "cpu_ms").optional(d, Type::Number);
    Property::of("limits", given, "subrequests").optional(d, Type::Number);
}

pub(crate) fn tail_consumers(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    for (field, item) in consumers(d, scope, value) {
        if let Some(item) = consumer(d, &field, item, false)
            && Property::of(&field, item, "service").required(d, Type::String)
        {
            Property::of(&field, item, "environment").optional(d, Type::String);
        }
    }
}

pub(crate) fn streaming_tail_consumers(
    d: &mut Diagnostics,
    scope: Scope<'_>,
    value: Option<&Node>,
) {
    for (field, item) in consumers(d, scope, value) {
        if let Some(item) = consumer(d, &field, item, true) {
            Property::of(&field, item, "service").required(d, Type::String);
        }
    }
}

fn consumers<'a>(
    d: &mut Diagnostics,
    scope: Scope<'_>,
    value: Option<&'a Node>,
) -> Vec<(String, &'a Node)> {
    let field = scope.field;
    let Some(given) = value.filter(|value| value.is_truthy()) else { return Vec::new() };
    let Some(items) = given.list() else {
        d.error(given.at, format!("Expected \"{field}\" to be an array but got {}.", json(value)));
        return Vec::new();
    };
    items.iter().enumerate().map(|(index, item)| (format!("{field}[{index}]"), item)).collect()
}

fn consumer<'a>(
    d: &mut Diagnostics,
    field: &str,
    item: &'a Node,
    no_list: bool,
) -> Option<&'a Node> {
    if item.type_of() == Type::Object && !item.is_null() && !(no_list && item.list().is_some()) {
        return Some(item);
    }
    let shown = json(Some(item));
    d.error(item.at, format!("\"{field}\" should be an object but got {shown}."));
    None
}
