use super::{
    Scope,
    values::{is_plain_object, only_known, optional_typed_list},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::json,
    node::{Kind, Node, Type},
};
use std::collections::HashSet;

pub(crate) fn vars(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let path = scope.path();
    let Some(given) = value else { return };
    if given.type_of() != Type::Object || given.is_null() {
        return d.error(
            given.at,
            format!("The field \"{path}\" should be an object but got {}.\n", json(value)),
        );
    }
    for (name, _, value) in given.entries() {
        if matches!(value.kind, Kind::Date(_)) {
            let message = format!(
                "The field \"{path}.{name}\" is a TOML date, which is not supported. Please use a string instead, e.g. {name} = \"2025-12-19\"."
            );
            d.error(value.at, message);
        }
    }
    let missing = missing_from(scope, given);
    if !missing.is_empty() {
        let message = format!(
            "The following vars exist at the top level, but not on \"{path}\".\nThis is probably not what you want, since \"vars\" configuration is not inherited by environments.\nPlease add these vars to \"env.{}.vars\":\n{}",
            scope.environment(),
            bullets(&missing)
        );
        d.warn("wrangler-not-inherited", given.at, message);
    }
}

pub(crate) fn define(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let path = scope.path();
    let Some(given) = value else { return };
    if given.type_of() != Type::Object || given.is_null() {
        return d.error(
            given.at,
            format!("The field \"{path}\" should be an object but got {}.\n", json(value)),
        );
    }
    for (name, _, value) in given.entries() {
        if value.text().is_none() {
            let shown = json(Some(value));
            let message =
                format!("The field \"{path}.{name}\" should be a string but got {shown}.");
            d.error(value.at, message);
        }
    }
    overridden_defines(d, scope, given);
}

fn overridden_defines(d: &mut Diagnostics, scope: Scope<'_>, given: &Node) {
    let (path, name) = (scope.path(), scope.environment());
    let top = scope.top().map(Node::keys).unwrap_or_default();
    let top: HashSet<_> = top.into_iter().map(|(key, _)| key).collect();
    if top.is_empty() {
        return;
    }
    let missing = missing_from(scope, given);
    if !missing.is_empty() {
        let message = format!(
            "The following define entries exist at the top level, but not on \"{path}\".\nThis is probably not what you want, since \"define\" configuration is not inherited by environments.\nPlease add these entries to \"env.{name}.define\":\n{}",
            bullets(&missing)
        );
        d.warn("wrangler-not-inherited", given.at, message);
    }
    for (key, at) in given.keys() {
        if !top.contains(&key) {
            let message = format!(
                "\"{key}\" exists on \"env.{name}\", but not on the top level.\nThis is not what you probably want, since \"define\" configuration within environments can only override existing top level \"define\" configuration\nPlease remove \"{path}.{key}\", or add \"define.{key}\"."
            );
            d.warn("wrangler-not-inherited", at, message);
        }
    }
}

fn missing_from(scope: Scope<'_>, given: &Node) -> Vec<String> {
    let here: HashSet<_> = given.keys().into_iter().map(|(key, _)| key).collect();
    let top = scope.top().map(Node::keys).unwrap_or_default();
    top.into_iter().map(|(key, _)| key).filter(|key| !here.contains(key)).collect()
}

pub(super) fn bullets(names: &[String]) -> String {
    names.iter().map(|name| format!("- {name}")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn secrets(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let path = scope.path();
    let Some(given) = value else { return };
    if !is_plain_object(given) {
        return d.error(
            given.at,
            format!("The field \"{path}\" should be an object but got {}.", json(value)),
        );
    }
    only_known(d, &path, given, &["required"]);
    optional_typed_list(d, &format!("{path}.required"), given.get("required"));
}
