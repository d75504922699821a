use crate::{
    diagnostics::Diagnostics,
    javascript::{json, json_texts},
    node::{Node, Type},
};

/// One property of an object, and the name under which messages speak of the object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property<'a> {
    pub(crate) container: &'a str,
    pub(crate) key: &'a str,
    pub(crate) value: Option<&'a Node>,
    pub(crate) at: usize,
}

impl<'a> Property<'a> {
    pub(crate) fn of(container: &'a str, object: &'a Node, key: &'a str) -> Self {
        let value = object.get(key);
        Self { container, key, value, at: value.map_or(object.at, |value| value.at) }
    }

    fn name(&self) -> String {
        match self.container {
            "" => self.key.to_owned(),
            container => format!("{container}.{}", self.key),
        }
    }

    pub(crate) fn required(&self, d: &mut Diagnostics, kind: Type) -> bool {
        let Some(value) = self.value else {
            d.error(self.at, format!("\"{}\" is a required field.", self.name()));
            return false;
        };
        if value.type_of() != kind {
            d.error(self.at, not_of_type(&self.name(), kind, self.value));
        }
        value.type_of() == kind
    }

    pub(crate) fn optional(&self, d: &mut Diagnostics, kind: Type) -> bool {
        self.value.is_none() || self.required(d, kind)
    }

    pub(crate) fn required_choice(&self, d: &mut Diagnostics, choices: &[&str]) {
        if self.required(d, Type::String) {
            one_of(d, &self.name(), self.value, choices);
        }
    }

    pub(crate) fn optional_choice(&self, d: &mut Diagnostics, choices: &[&str]) {
        if self.value.is_some() {
            self.required_choice(d, choices);
        }
    }
}

pub(crate) fn not_of_type(name: &str, kind: Type, value: Option<&Node>) -> String {
    format!("Expected \"{name}\" to be of type {} but got {}.", kind.name(), json(value))
}

pub(crate) fn one_of(d: &mut Diagnostics, name: &str, value: Option<&Node>, choices: &[&str]) {
    let Some(given) = value else { return };
    if given.text().is_some_and(|text| choices.contains(&text)) {
        return;
    }
    let message = format!(
        "Expected \"{name}\" field to be one of {} but got {}.",
        json_texts(choices),
        json(value)
    );
    d.error(given.at, message);
}

/// A list in which every item has the same type.
pub(crate) fn typed_list(d: &mut Diagnostics, name: &str, value: Option<&Node>, at: usize) {
    let kind = Type::String;
    let Some(items) = value.and_then(Node::list) else {
        let message = format!(
            "Expected \"{name}\" to be an array of {}s but got {}",
            kind.name(),
            json(value)
        );
        d.error(value.map_or(at, |value| value.at), message);
        return;
    };
    for (index, item) in items.iter().enumerate() {
        let key = format!("[{index}]");
        let property = Property { container: name, key: &key, value: Some(item), at: item.at };
        property.required(d, kind);
    }
}

pub(crate) fn optional_typed_list(d: &mut Diagnostics, name: &str, value: Option<&Node>) {
    if let Some(given) = value {
        typed_list(d, name, value, given.at);
    }
}

/// At least one of several properties must be there; the names may go two levels down.
pub(crate) fn at_least_one(
    d: &mut Diagnostics,
    container: &str,
    object: &Node,
    properties: &[(&str, Type)],
) {
    let given = properties.iter().map(|(path, kind)| (*path, *kind, at_path(object, path)));
    let given: Vec<_> = given.collect();
    if given.iter().all(|(_, _, value)| value.is_none()) {
        let names: Vec<_> =
            given.iter().map(|(path, ..)| format!("\"{container}.{path}\"")).collect();
        d.error(object.at, format!("{} is required.", names.join(" or ")));
        return;
    }
    if given.iter().any(|(_, kind, value)| value.is_some_and(|value| value.type_of() == *kind)) {
        return;
    }
    for (path, kind, value) in given {
        let at = value.map_or(object.at, |value| value.at);
        d.error(at, not_of_type(&format!("{container}.{path}"), kind, value));
    }
}

pub(crate) fn at_path<'a>(object: &'a Node, path: &str) -> Option<&'a Node> {
    path.split('.').try_fold(object, |node, key| node.get(key))
}

/// Warns about the keys of `object` that are not known; true when there are none.
pub(crate) fn only_known(d: &mut Diagnostics, field: &str, object: &Node, known: &[&str]) -> bool {
    let odd: Vec<_> =
        object.keys().into_iter().filter(|(key, _)| !known.contains(&key.as_str())).collect();
    if !odd.is_empty() {
        d.unexpected(field, &odd, known);
    }
    odd.is_empty()
}

/// True for what JavaScript calls an object and is neither null nor a list.
pub(crate) fn is_plain_object(value: &Node) -> bool {
    value.type_of() == Type::Object && !value.is_null() && value.list().is_none()
}

/// True for a property that is there with that type.
pub(crate) fn has(object: &Node, key: &str, kind: Type) -> bool {
    object.get(key).is_some_and(|value| value.type_of() == kind)
}

/// True for a property that is missing, or there with that type.
pub(crate) fn may_have(object: &Node, key: &str, kind: Type) -> bool {
    object.get(key).is_none_or(|value| value.type_of() == kind)
}
