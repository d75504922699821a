//! `durable_objects` and `logfwdr`, whose bindings stand in a list of that name, and the bindings of which a Worker has at most one.
use super::{
    Scope,
    unique_names::binding_names,
    values::{Property, has, is_plain_object, may_have, only_known},
    vars::bullets,
};
use crate::{
    diagnostics::{Diagnostics, Level},
    javascript::json,
    node::{Node, Type},
};
use std::collections::HashSet;

pub(super) type One = fn(&mut Diagnostics, &str, &Node);

// True when nothing is wrong.
pub(super) fn group(
    d: &mut Diagnostics,
    scope: Scope<'_>,
    value: Option<&Node>,
    may_lack: bool,
    one: One,
) -> bool {
    let path = scope.path();
    let Some(given) = value else { return true };
    if !is_plain_object(given) {
        d.error(
            given.at,
            format!("The field \"{path}\" should be an object but got {}.", json(value)),
        );
        return false;
    }
    let sound = match given.get("bindings") {
        None if may_lack => true,
        None => {
            let message =
                format!("The field \"{path}\" is missing the required \"bindings\" property.");
            d.error(given.at, message);
            false
        }
        Some(list) => each(d, &path, list, one),
    };
    let missing = missing(scope, given);
    if sound && !missing.is_empty() {
        let field = scope.field;
        let message = format!(
            "The following bindings are at the top level, but not on \"env.{}\".\nThis is not what you probably want, since \"{field}\" configuration is not inherited by environments.\nPlease add a binding for each to \"{path}.bindings\":\n{}",
            scope.environment(),
            bullets(&missing)
        );
        d.warn("wrangler-not-inherited", given.at, message);
    }
    sound
}

fn missing(scope: Scope<'_>, given: &Node) -> Vec<String> {
    let here: HashSet<_> = binding_names(given).into_iter().collect();
    scope
        .top()
        .map(binding_names)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| !here.contains(name))
        .collect()
}

fn each(d: &mut Diagnostics, path: &str, list: &Node, one: One) -> bool {
    let Some(items) = list.list() else {
        let shown = json(Some(list));
        let message = format!("The field \"{path}.bindings\" should be an array but got {shown}.");
        d.error(list.at, message);
        return false;
    };
    let mut sound = true;
    for (index, item) in items.iter().enumerate() {
        let place = format!("{path}.bindings[{index}]");
        let mut child = Diagnostics::new(format!("\"{place}\": {}", json(Some(item))));
        one(&mut child, &place, item);
        sound &= !child.has(Level::Error);
        d.add_child(child);
    }
    sound
}

pub(crate) fn durable_objects(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let path = scope.path();
    if let Some(given) = value.filter(|value| is_plain_object(value)) {
        only_known(d, &path, given, &["bindings", "code_update_strategy"]);
    }
    group(d, scope, value, true, durable_object);
    let strategy = value.filter(|value| is_plain_object(value));
    if let Some(strategy) = strategy.and_then(|value| value.get("code_update_strategy")) {
        code_update_strategy(d, &format!("{path}.code_update_strategy"), strategy);
    }
}

/// A day, in seconds.
const LONGEST_DELAY: f64 = 86_400.0;

fn code_update_strategy(d: &mut Diagnostics, path: &str, strategy: &Node) {
    if !is_plain_object(strategy) {
        let shown = json(Some(strategy));
        let message = format!("The field \"{path}\" should be an object but got {shown}.");
        return d.error(strategy.at, message);
    }
    only_known(d, path, strategy, &["mode", "max_delay"]);
    Property::of(path, strategy, "mode").required_choice(d, &["immediate", "deferred"]);
    let delay = Property::of(path, strategy, "max_delay");
    delay.optional(d, Type::Number);
    let Some(seconds) = delay.value.and_then(Node::number) else { return };
    let shown = json(delay.value);
    if !(0.0..=LONGEST_DELAY).contains(&seconds) {
        let message = format!(
            "Expected \"{path}.max_delay\" to be between 0 and 86400 seconds but got {shown}."
        );
        return d.error(delay.at, message);
    }
    let millis = seconds * 1_000.0;
    if (seconds > 0.0 && millis.round() == 0.0) || (millis - millis.round()).abs() > 1e-6 {
        let message =
            format!("Expected \"{path}.max_delay\" to use millisecond precision but got {shown}.");
        d.error(delay.at, message);
    }
}

fn durable_object(d: &mut Diagnostics, field: &str, value: &Node) {
    if !object_binding(d, field, value) {
        return;
    }
    for key in ["name", "class_name"] {
        if !has(value, key, Type::String) {
            d.error(value.at, format!("binding should have a string \"{key}\" field."));
        }
    }
    for key in ["script_name", "environment"] {
        if !may_have(value, key, Type::String) {
            d.error(value.at, format!("the field \"{key}\", when present, should be a string."));
        }
    }
    if value.get("environment").is_some() && value.get("script_name").is_none() {
        d.error(
            value.at,
            r#"binding should have a "script_name" field if "environment" is present."#,
        );
    }
    remote(d, field, value);
    only_known(d, field, value, &["class_name", "environment", "name", "script_name"]);
}

fn object_binding(d: &mut Diagnostics, field: &str, value: &Node) -> bool {
    let sound = value.type_of() == Type::Object && !value.is_null();
    if !sound {
        let shown = json(Some(value));
        d.error(value.at, format!("Expected \"{field}\" to be an object but got {shown}"));
    }
    sound
}

fn remote(d: &mut Diagnostics, field: &str, value: &Node) {
    if !may_have(value, "remote", Type::Boolean) {
        let shown = json(Some(value));
        let message = format!(
            "\"{field}\" should, optionally, have a boolean \"remote\" field but got {shown}."
        );
        d.error(value.at, message);
    }
}

pub(crate) fn logfwdr(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let sound = group(d, scope, value, false, |d, field, value| {
        if !object_binding(d, field, value) {
            return;
        }
        for key in ["name", "destination"] {
            if !has(value, key, Type::String) {
                d.error(value.at, format!("binding should have a string \"{key}\" field."));
            }
        }
        only_known(d, field, value, &["destination", "name"]);
    });
    if let Some(schema) = value.and_then(|value| value.get("schema")).filter(|_| sound) {
        let message = format!(
            "\"{}\" binding \"schema\" property has been replaced with the \"unsafe.capnp\" object, which expects a \"base_path\" and an array of \"source_schemas\" to compile, or a \"compiled_schema\" property.",
            scope.field
        );
        d.error(schema.at, message);
    }
}

/// `browser`, `images` and the like.
pub(crate) fn single(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    if let Some(given) = named(d, scope, value) {
        remote(d, scope.field, given);
        only_known(d, scope.field, given, &["binding", "remote"]);
    }
}

pub(crate) fn ai(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    if let Some(given) = named(d, scope, value) {
        remote(d, scope.field, given);
    }
}

pub(crate) fn version_metadata(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    named(d, scope, value);
}

fn named<'a>(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&'a Node>) -> Option<&'a Node> {
    let given = value?;
    if !is_plain_object(given) {
        let message =
            format!("The field \"{}\" should be an object but got {}.", scope.path(), json(value));
        d.error(given.at, message);
        return None;
    }
    if !has(given, "binding", Type::String) {
        d.error(given.at, r#"binding should have a string "binding" field."#);
    }
    Some(given)
}

pub(crate) fn workflows(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    super::binding_lists::WORKFLOW_LIST(d, scope, value);
    let names = value.and_then(Node::list).unwrap_or_default().iter();
    let names: Vec<_> =
        names.map(|item| item.get("name").and_then(Node::text).unwrap_or("undefined")).collect();
    let mut twice: Vec<&str> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) && !twice.contains(name) {
            twice.push(name);
        }
    }
    if let Some(given) = value.filter(|_| !twice.is_empty()) {
        let message = format!(
            "\"{}\" bindings must have unique \"name\" values; duplicate(s) found: \"{}\"",
            scope.field,
            twice.join("\", \"")
        );
        d.error(given.at, message);
    }
}
