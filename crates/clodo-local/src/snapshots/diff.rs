//! What differs between two states.

use super::{
    SnapshotError,
    inventory::{self, Content, Inventory},
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

/// How a thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Differing {
    /// Only the second state has it.
    Added,
    /// Only the first state has it.
    Removed,
    /// Both have it, with other content.
    Changed,
}

/// One thing that differs. No value of it is told: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Such as `worker shop`, `d1 shop/table products` or `kv notes/key`.
    pub what: String,
    /// How it differs.
    pub how: Differing,
    /// The changed fields of a document, the numbers of rows, or the sizes in bytes.
    pub detail: String,
}

/// Everything that differs, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateDiff {
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Compares two unpacked snapshots.
///
/// # Errors
/// When a database in one of them cannot be read.
pub fn diff_states(from: &Path, to: &Path) -> Result<StateDiff, SnapshotError> {
    Ok(compare(&inventory::of(from)?, &inventory::of(to)?))
}

fn compare(from: &Inventory, to: &Inventory) -> StateDiff {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let differences = names.into_iter().filter_map(|name| {
        let (how, detail) = match (from.get(name), to.get(name)) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(old), Some(new)) => (Differing::Changed, changed(old, new)),
            (None, Some(new)) => (Differing::Added, size(new)),
            (Some(old), None) => (Differing::Removed, size(old)),
            (None, None) => return None,
        };
        Some(Difference { what: name.clone(), how, detail })
    });
    StateDiff { differences: differences.collect() }
}

fn size(content: &Content) -> String {
    match content {
        Content::Document(_) => String::new(),
        Content::Rows { count: 1, .. } => "1 row".to_owned(),
        Content::Rows { count, .. } => format!("{count} rows"),
        Content::Bytes { size: 1, .. } => "1 byte".to_owned(),
        Content::Bytes { size, .. } => format!("{size} bytes"),
    }
}

fn changed(old: &Content, new: &Content) -> String {
    match (old, new) {
        (Content::Document(old), Content::Document(new)) => fields(old, new).join(", "),
        _ if size(old) == size(new) => format!("{}, with other content", size(old)),
        _ => format!("{} -> {}", size(old), size(new)),
    }
}

/// Names of the fields that differ.
fn fields(old: &Value, new: &Value) -> Vec<String> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return vec!["content".to_owned()];
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_names_fields_and_counts_but_no_value() {
        let rows = |count, hash| Content::Rows { count, hash };
        let from = Inventory::from([
            ("worker shop".into(), Content::Document(json!({ "a": 1, "secret": "x" }))),
            ("d1 shop/table t".into(), rows(2, 1)),
            ("d1 shop/table u".into(), rows(2, 1)),
            ("kv notes/gone".into(), Content::Bytes { size: 3, hash: 1 }),
            ("zone acme.test".into(), Content::Document(json!({}))),
        ]);
        let to = Inventory::from([
            ("worker shop".into(), Content::Document(json!({ "b": 1, "secret": "y" }))),
            ("d1 shop/table t".into(), rows(2, 9)),
            ("d1 shop/table u".into(), rows(3, 1)),
            ("r2 pictures/new".into(), Content::Bytes { size: 4, hash: 1 }),
            ("zone acme.test".into(), Content::Document(json!({}))),
        ]);
        let told: Vec<String> = compare(&from, &to)
            .differences
            .iter()
            .map(|one| format!("{:?} {}: {}", one.how, one.what, one.detail))
            .collect();
        assert_eq!(
            told,
            [
                "Changed d1 shop/table t: 2 rows, with other content",
                "Changed d1 shop/table u: 2 rows -> 3 rows",
                "Removed kv notes/gone: 3 bytes",
                "Added r2 pictures/new: 4 bytes",
                "Changed worker shop: a, b, secret",
            ]
        );
    }
}
