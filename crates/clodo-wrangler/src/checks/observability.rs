use super::{
    Scope,
    values::{Property, at_least_one, at_path, is_plain_object, only_known, optional_typed_list},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::json,
    node::{Node, Type},
};

pub(crate) fn observability(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = object(d, scope, value) else { return };
    let field = scope.field;
    let switches = ["enabled", "logs.enabled", "traces.enabled", "issues.enabled"];
    at_least_one(d, field, given, &switches.map(|switch| (switch, Type::Boolean)));
    Property::of(field, given, "head_sampling_rate").optional(d, Type::Number);
    Property::of(field, given, "redact_query_string").optional(d, Type::Boolean);
    let issues = given.get("issues");
    if let Some(issues) = issues.filter(|issues| !is_plain_object(issues)) {
        let shown = json(Some(issues));
        d.error(issues.at, format!("\"{field}.issues\" should be an object but got {shown}."));
    }
    Property::of(field, given, "logs").optional(d, Type::Object);
    Property::of(field, given, "traces").optional(d, Type::Object);
    let known =
        ["enabled", "head_sampling_rate", "redact_query_string", "issues", "logs", "traces"];
    only_known(d, field, given, &known);
    if let Some(issues) = issues.filter(|issues| is_plain_object(issues)) {
        let name = format!("{field}.issues");
        Property::of(&name, issues, "enabled").optional(d, Type::Boolean);
        only_known(d, &name, issues, &["enabled"]);
    }
    part(d, field, given, "logs");
    part(d, field, given, "traces");
    for path in ["head_sampling_rate", "logs.head_sampling_rate", "traces.head_sampling_rate"] {
        rate(d, field, path, at_path(given, path));
    }
}

fn part(d: &mut Diagnostics, field: &str, given: &Node, name: &str) {
    let Some(part) = given.get(name).filter(|part| part.type_of() == Type::Object) else { return };
    let mut typed = |key: &str, kind| {
        let value = part.get(key);
        let key = format!("{name}.{key}");
        let at = value.map_or(part.at, |value| value.at);
        Property { container: field, key: &key, value, at }.optional(d, kind);
    };
    typed("enabled", Type::Boolean);
    typed("head_sampling_rate", Type::Number);
    if name == "logs" {
        typed("invocation_logs", Type::Boolean);
    }
    optional_typed_list(d, &format!("{name}.destinations"), part.get("destinations"));
    let value = part.get("persist");
    let (key, at) = (format!("{name}.persist"), value.map_or(part.at, |value| value.at));
    Property { container: field, key: &key, value, at }.optional(d, Type::Boolean);
    let logs = ["enabled", "head_sampling_rate", "invocation_logs", "destinations", "persist"];
    let traces = ["enabled", "head_sampling_rate", "destinations", "persist"];
    let known = if name == "logs" { logs.as_slice() } else { traces.as_slice() };
    only_known(d, field, part, known);
}

fn rate(d: &mut Diagnostics, field: &str, path: &str, value: Option<&Node>) {
    let Some(value) = value else { return };
    if value.number().is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        d.error(value.at, format!("\"{field}.{path}\" must be a value between 0 and 1."));
    }
}

fn object<'a>(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&'a Node>) -> Option<&'a Node> {
    let given = value?;
    if given.type_of() == Type::Object && !given.is_null() {
        return Some(given);
    }
    let message = format!("\"{}\" should be an object but got {}.", scope.field, json(value));
    d.error(given.at, message);
    None
}

pub(crate) fn access(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = object(d, scope, value) else { return };
    let field = scope.field;
    Property::of(field, given, "dev").optional(d, Type::Object);
    only_known(d, field, given, &["dev"]);
    let dev = given.get("dev").filter(|dev| dev.type_of() == Type::Object && !dev.is_null());
    if let Some(dev) = dev {
        let name = format!("{field}.dev");
        Property::of(&name, dev, "aud").required(d, Type::String);
        Property::of(&name, dev, "identity").optional(d, Type::Object);
        only_known(d, &name, dev, &["aud", "identity"]);
    }
}

pub(crate) fn cache(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = object(d, scope, value) else { return };
    let field = scope.field;
    Property::of(field, given, "enabled").required(d, Type::Boolean);
    Property::of(field, given, "cross_version_cache").optional(d, Type::Boolean);
    only_known(d, field, given, &["enabled", "cross_version_cache"]);
}

pub(crate) fn python_modules(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value else { return };
    if !is_plain_object(given) {
        let message = format!("\"{}\" should be an object but got {}.", scope.field, json(value));
        return d.error(given.at, message);
    }
    let field = format!("{}.exclude", scope.field);
    super::scalars::string_list(d, Scope { field: &field, ..scope }, given.get("exclude"));
}
