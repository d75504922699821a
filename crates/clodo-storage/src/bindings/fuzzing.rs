//! What is fuzzed of the bindings' protocols.

use super::kv::{Query, key_of};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A path and a query as workerd sends them: a key is what was encoded, and nothing else.
pub fn binding_keys(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    if let Ok(key) = key_of(path) {
        let key = key.as_str();
        assert!(!key.is_empty() && key.len() <= 512 && key != "." && key != "..");
        let again = key_of(&format!("/{}", utf8_percent_encode(key, NON_ALPHANUMERIC)));
        assert_eq!(again.ok().as_ref().map(|key| key.as_str()), Some(key));
    }
    let read = Query::of(Some(query));
    // Of a name that is given twice, one counts.
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    for (name, _) in pairs.filter(|(name, value)| plain(name) && plain(value)) {
        assert!(read.get(name).is_some(), "{name}");
    }
}
