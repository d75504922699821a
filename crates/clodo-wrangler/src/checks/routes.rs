use super::Scope;
use crate::{
    diagnostics::Diagnostics,
    javascript::{json, json_texts, pretty_list, template},
    node::{Node, Record},
};

pub(crate) fn route(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value.filter(|value| !is_route(value)) else { return };
    let message = format!(
        "Expected \"{}\" to be either a string, or an object with shape {{ pattern, custom_domain, zone_id | zone_name, enabled, previews_enabled }}, but got {}.",
        scope.field,
        json(value)
    );
    d.error(given.at, message);
}

pub(crate) fn routes(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value else { return };
    let Some(items) = given.list() else {
        let message =
            format!("Expected \"{}\" to be an array but got {}.", scope.field, json(value));
        return d.error(given.at, message);
    };
    let wrong: Vec<_> = items.iter().filter(|item| !is_route(item)).collect();
    if let Some(first) = wrong.first() {
        let message = format!(
            "Expected \"{}\" to be an array of either strings or objects with the shape {{ pattern, custom_domain, zone_id | zone_name, enabled, previews_enabled }}, but these weren't valid: {}.",
            scope.field,
            pretty_list(&wrong)
        );
        d.error(first.at, message);
    }
}

/// What goes beyond one field: `route` beside `routes`, and inherited custom domains.
pub(crate) fn together(d: &mut Diagnostics, scope: Scope<'_>, raw: &Record) {
    if let Some(routes) = raw.get("routes") {
        if raw.contains("route") {
            let fields = json_texts(["routes", "route"]);
            let message = format!("Expected exactly one of the following fields {fields}.");
            d.error(routes.at, message);
        }
        return;
    }
    let Some(named) = scope.named else { return };
    let inherited = named.top.get("routes").and_then(Node::list).unwrap_or_default();
    let domains: Vec<_> = inherited
        .iter()
        .filter(|route| route.get("custom_domain").and_then(Node::bool) == Some(true))
        .map(|route| route.get("pattern").map(template).unwrap_or_default())
        .collect();
    if domains.is_empty() {
        return;
    }
    let (name, domains) = (named.name, domains.join(", "));
    let message = format!(
        "The \"env.{name}\" environment inherits the top-level `routes` configuration, which includes the custom domain(s): {domains}. Deploying this environment will reassign these custom domains away from the top-level Worker. Add `\"routes\": []` to \"env.{name}\" to prevent inheritance, or copy the route configuration from the top level to hide this warning."
    );
    d.warn("wrangler-inherited-domain", scope.at, message);
}

fn is_route(value: &Node) -> bool {
    if let Some(text) = value.text() {
        return !text.is_empty();
    }
    let Some(route) = value.record() else { return false };
    let text = |key| route.get(key).and_then(Node::text).is_some();
    let flag = |key| route.get(key).and_then(Node::bool).is_some();
    let (zone_id, zone_name) = (text("zone_id"), text("zone_name"));
    let domain = flag("custom_domain");
    let (enabled, previews) = (flag("enabled"), flag("previews_enabled"));
    let recognised = [zone_id, zone_name, domain, enabled, previews];
    let recognised = recognised.into_iter().filter(|found| *found).count();
    text("pattern")
        && recognised == route.keys().len() - 1
        && !(zone_id && zone_name)
        && (domain || !(enabled || previews))
        && (zone_id || zone_name || domain)
}
