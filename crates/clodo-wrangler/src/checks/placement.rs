use super::{
    Scope,
    values::{Property, at_least_one, is_plain_object},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::{json, template},
    node::{Node, Type},
};

const TARGETS: [&str; 3] = ["region", "host", "hostname"];

pub(crate) fn placement(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value else { return };
    let field = scope.field;
    if !is_plain_object(given) {
        let message = format!("The field \"{field}\" should be an object but got {}.", json(value));
        return d.error(given.at, message);
    }
    let targets: Vec<_> = TARGETS.into_iter().filter(|key| given.get(key).is_some()).collect();
    let hint = given.get("hint");
    let mode = Property::of(field, given, "mode");
    match (hint, targets.is_empty()) {
        (Some(hint), false) => d.error(
            hint.at,
            format!("\"{field}\" cannot have both \"hint\" (smart format) and \"region\"/\"host\"/\"hostname\" (targeted format) fields"),
        ),
        (Some(hint), true) => {
            mode.required_choice(d, &["off", "smart"]);
            hinted(d, field, given.get("mode"), hint);
        }
        (None, false) => {
            mode.optional_choice(d, &["targeted"]);
            targeted(d, field, given, &targets);
        }
        (None, true) => {
            mode.required_choice(d, &["off", "smart", "targeted"]);
            if given.get("mode").and_then(Node::text) == Some("targeted") {
                at_least_one(d, field, given, &TARGETS.map(|key| (key, Type::String)));
            }
        }
    }
}

fn hinted(d: &mut Diagnostics, field: &str, mode: Option<&Node>, hint: &Node) {
    let shown = mode.map_or_else(|| json(mode), template);
    if hint.text().is_none() {
        let message =
            format!("\"{field}.hint\" must be a string when \"{field}.mode\" is \"{shown}\"");
        d.error(hint.at, message);
    }
    if hint.is_truthy() && shown != "smart" {
        let message =
            format!("\"{field}.hint\" can only be set when \"{field}.mode\" is \"smart\"");
        d.error(hint.at, message);
    }
}

fn targeted(d: &mut Diagnostics, field: &str, given: &Node, targets: &[&str]) {
    for key in targets {
        let property = Property::of(field, given, key);
        property.required(d, Type::String);
        if property.value.and_then(Node::text) == Some("") {
            d.error(property.at, format!("\"{field}.{key}\" must be a non-empty string."));
        }
    }
    if targets.len() > 1 {
        let names: Vec<_> = targets.iter().map(|key| format!("\"{key}\"")).collect();
        let message = format!(
            "\"{field}\" fields {} are mutually exclusive. Only one can be specified.",
            names.join(", ")
        );
        d.error(given.at, message);
    }
}
