//! What is fuzzed: each function takes any bytes and panics only if something is wrong.

pub use crate::front::{asset_rules, http_heads};

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{asset_rules, http_heads, replay::replay};

    #[test]
    fn rules_match_as_a_naive_matcher_says() {
        replay("asset_rules", asset_rules);
    }

    #[test]
    fn a_head_is_one_request_and_a_body_has_one_end() {
        replay("http_heads", http_heads);
    }
}
