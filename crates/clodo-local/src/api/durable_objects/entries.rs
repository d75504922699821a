//! `metadata.exports`: classes as they are declared.

use serde_json::{Map, Value};

/// One declared Durable Object class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It has objects, or is to have some.
    Live { sqlite: bool },
    /// Its objects come from another Worker.
    Expecting { sqlite: bool, from: String },
    /// Its objects are to be deleted.
    Deleted,
    /// Its objects are of this class now.
    Renamed { to: String },
    /// Its objects go to this Worker.
    Transferred { to: String },
}

/// Whether any class of Durable Objects is declared.
pub(super) fn has_classes(exports: &Value) -> bool {
    classes(exports).next().is_some()
}

/// Whether the class is declared as one that has objects.
pub(super) fn is_live(exports: &Value, class: &str) -> bool {
    matches!(exports.get(class).map(read), Some(Ok(Entry::Live { .. } | Entry::Expecting { .. })))
        && classes(exports).any(|(name, _)| name == class)
}

/// Every declared class, and what is wrong with its entry if something is.
pub(super) fn classes(exports: &Value) -> impl Iterator<Item = (&String, Result<Entry, String>)> {
    let all = exports.as_object().into_iter().flat_map(Map::iter);
    all.filter(|(_, entry)| !matches!(entry["type"].as_str(), Some("worker" | "workflow")))
        .map(|(class, entry)| (class, read(entry)))
}

fn read(entry: &Value) -> Result<Entry, String> {
    if entry["type"] != "durable-object" {
        return Err("its `type` is not known".to_owned());
    }
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let needed = |key: &str| text(key).ok_or_else(|| format!("`{key}` is missing"));
    let storage = || match needed("storage")?.as_str() {
        "sqlite" => Ok(true),
        "legacy-kv" => Ok(false),
        other => Err(format!("the storage `{other}` is not known")),
    };
    let state = text("state").unwrap_or_else(|| "created".to_owned());
    let (read, allowed): (Entry, &[&str]) = match state.as_str() {
        "created" => (Entry::Live { sqlite: storage()? }, &["storage"]),
        "deleted" => (Entry::Deleted, &[]),
        "renamed" => (Entry::Renamed { to: needed("renamed_to")? }, &["renamed_to"]),
        "transferred" => {
            (Entry::Transferred { to: needed("transferred_to")? }, &["transferred_to"])
        }
        "expecting-transfer" => {
            let (sqlite, from) = (storage()?, needed("transfer_from")?);
            (Entry::Expecting { sqlite, from }, &["storage", "transfer_from"])
        }
        other => return Err(format!("the state `{other}` is not known")),
    };
    let fields = ["storage", "renamed_to", "transferred_to", "transfer_from"];
    match fields.iter().find(|key| !allowed.contains(key) && !entry[**key].is_null()) {
        Some(key) => Err(format!("`{key}` is not allowed in state `{state}`")),
        None => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_says_what_it_must_and_nothing_else() {
        for (entry, expected) in [
            (json!({ "storage": "sqlite" }), Ok(Entry::Live { sqlite: true })),
            (
                json!({ "storage": "legacy-kv", "state": "created" }),
                Ok(Entry::Live { sqlite: false }),
            ),
            (json!({ "state": "deleted" }), Ok(Entry::Deleted)),
            (
                json!({ "state": "renamed", "renamed_to": "B" }),
                Ok(Entry::Renamed { to: "B".into() }),
            ),
            (json!({}), Err("`storage` is missing")),
            (json!({ "storage": "disk" }), Err("the storage `disk` is not known")),
            (json!({ "state": "gone" }), Err("the state `gone` is not known")),
            (
                json!({ "state": "deleted", "storage": "sqlite" }),
                Err("`storage` is not allowed in state `deleted`"),
            ),
            (json!({ "state": "renamed" }), Err("`renamed_to` is missing")),
        ] {
            let mut entry = entry;
            entry["type"] = json!("durable-object");
            assert_eq!(read(&entry), expected.map_err(str::to_owned), "{entry}");
        }
        assert!(!has_classes(&json!({ "Api": { "type": "worker" } })));
        assert!(!has_classes(&json!([1, "x"])));
    }
}
