//! What is fuzzed: each function takes any bytes and panics only if something is wrong.

use crate::{Step, parse, set};
use serde_json::json;
use std::path::Path;

/// A config in either language, the first byte says which: it is read or refused, for each of its
/// environments, and an edit leaves a config that can be read and edited again.
pub fn wrangler_configs(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    let names = ["wrangler.toml", "wrangler.jsonc", "wrangler.json"];
    let path = Path::new(names[usize::from(*kind) % names.len()]);
    let Ok(document) = parse(path, bytes) else { return };
    let _ = document.worker(None);
    for environment in document.environments() {
        let _ = document.worker(Some(&environment));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let steps = [Step::Key("vars"), Step::Key("FUZZED")];
    let Ok(edited) = set(path, text, &steps, &json!("a\n\"b\"")) else { return };
    let again = parse(path, edited.as_bytes());
    assert!(again.is_ok(), "an edit broke it: {again:?}\n{edited}");
    let twice = set(path, &edited, &steps, &json!("a\n\"b\""));
    assert_eq!(twice.ok().as_deref(), Some(edited.as_str()), "the same edit changes nothing");
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{replay::replay, wrangler_configs};

    #[test]
    fn a_config_is_read_or_refused_and_stays_readable() {
        replay("wrangler_configs", wrangler_configs);
    }
}
