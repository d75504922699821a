//! Events as `trace-v1` has them.

use serde_json::{Value, json};

/// What workerd leaves out of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Of<'a> {
    pub(crate) script: &'a str,
    /// `{id, tag, message}`.
    pub(crate) version: Value,
}

/// The events of a batch, complete; a batch that is no list of objects is none.
pub(crate) fn events(batch: &[u8], of: &Of<'_>) -> Vec<Value> {
    let Ok(events) = serde_json::from_slice::<Vec<Value>>(batch) else { return Vec::new() };
    let whole = |mut event: Value| {
        let fields = event.as_object_mut()?;
        fields.insert("scriptName".into(), of.script.into());
        fields.insert("scriptVersion".into(), of.version.clone());
        Some(event)
    };
    events.into_iter().filter_map(whole).collect()
}

/// What a listener is told before or after events were dropped.
pub(crate) fn notice(kind: &str, message: &str, now: i64) -> String {
    json!({
        "outcome": "unknown",
        "scriptName": null,
        "scriptVersion": null,
        "exceptions": [],
        "logs": [],
        "eventTimestamp": now,
        "event": { "type": kind, "message": message },
    })
    .to_string()
}
