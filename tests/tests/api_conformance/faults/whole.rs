//! The whole state of two clouds, compared by name.

use super::{world::World, write::Write};
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that was in the untroubled cloud is in this one as often, but for what was done twice;
/// that is told.
#[expect(clippy::print_stdout, reason = "what is left is reported")]
pub(super) fn same_but_for(untroubled: &str, world: &World, twice: &[Write]) {
    let diff = world.cloud.local(&["diff", untroubled, "--json"]).exits(0).json();
    let mut left: BTreeMap<String, i32> = BTreeMap::new();
    for entry in diff["differences"].as_array().unwrap() {
        let by = match entry["how"].as_str() {
            Some("added") => 1,
            Some("removed") => -1,
            _ => 0,
        };
        *left.entry(without_ids(&entry["what"])).or_default() += by;
    }
    left.retain(|_, count| *count != 0);
    for write in twice {
        println!("{} was done twice: {}", write.route, write.twice.unwrap_or_default());
    }
    let may_be_doubled = |what: &str| {
        what.starts_with("version ") || what.starts_with("token ") || what.contains("/message ")
    };
    let expected = |(what, count): (&String, &i32)| *count > 0 && may_be_doubled(what);
    let more: i32 = left.values().sum();
    let fits = usize::try_from(more).is_ok_and(|more| more <= twice.len());
    assert!(fits && left.iter().all(expected), "{left:?}");
}

fn without_ids(what: &Value) -> String {
    let words = what.as_str().unwrap().split(' ');
    let starred = |word: &str| {
        // What there are two of is told apart by a digest in brackets.
        let word = word.trim_start_matches("(/").trim_end_matches(')');
        let id = word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if id { "*".to_owned() } else { word.to_owned() }
    };
    words.map(starred).collect::<Vec<_>>().join(" ")
}
