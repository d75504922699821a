//! The shapes of what is said to esbuild about imports.

use super::packet::Value;

/// Marks our own questions, so that they are not asked again.
pub(super) const OURS: u32 = 1;

/// What esbuild asks about: imports or made-up modules that match.
pub(super) fn callback(id: u32, filter: &str, namespace: &str) -> Value {
    Value::map([
        ("id", Value::Int(id)),
        ("filter", Value::text(filter)),
        ("namespace", Value::text(namespace)),
    ])
}

/// Asks esbuild where an import leads.
pub(super) fn question(path: &str, folder: &str, request: &Value) -> Value {
    Value::map([
        ("command", Value::text("resolve")),
        ("path", Value::text(path)),
        ("key", Value::Int(super::KEY)),
        ("pluginName", Value::text("clodo")),
        ("importer", request.get("importer").clone()),
        ("namespace", request.get("namespace").clone()),
        ("resolveDir", Value::text(folder)),
        ("kind", request.get("kind").clone()),
        ("pluginData", Value::Int(OURS)),
    ])
}

/// The import stays, under this name.
pub(super) fn external(id: u32, path: &str) -> Value {
    Value::map([
        ("id", Value::Int(id)),
        ("path", Value::text(path)),
        ("external", Value::Bool(true)),
    ])
}

/// The import leads to a module that the plugin makes up.
pub(super) fn made_up(id: u32, path: &str, namespace: &str) -> Value {
    Value::map([
        ("id", Value::Int(id)),
        ("path", Value::text(path)),
        ("namespace", Value::text(namespace)),
    ])
}

/// The import cannot be; esbuild adds where it stands.
pub(super) fn failure(id: u32, text: &str) -> Value {
    let error = Value::map([
        ("id", Value::text("")),
        ("pluginName", Value::text("clodo")),
        ("text", Value::text(text)),
        ("location", Value::Null),
        ("notes", Value::List(Vec::new())),
        ("detail", Value::Int(u32::MAX)),
    ]);
    Value::map([("id", Value::Int(id)), ("errors", Value::List(vec![error]))])
}

/// The answer is what esbuild itself found.
pub(super) fn copied(id: u32, from: &Value, keys: &[&str]) -> Value {
    let mut entries = vec![("id".to_owned(), Value::Int(id))];
    let there = keys.iter().filter(|key| *from.get(key) != Value::Null);
    entries.extend(there.map(|key| ((*key).to_owned(), from.get(key).clone())));
    Value::Map(entries)
}
