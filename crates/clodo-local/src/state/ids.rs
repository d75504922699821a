//! Ids and moments. What must be the same on every machine is derived, the rest is random.

use clodo_types::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

/// A moment in microseconds since the epoch; prints as Cloudflare writes times.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Moment(i64);

impl Moment {
    pub(crate) fn at(time: Timestamp) -> Self {
        Self(time.as_millis().saturating_mul(1_000))
    }

    /// This moment or, if that is not after `earlier`, the next possible one: two writes to one
    /// Worker must never carry the same time, since clients compare `modified_on`.
    pub(crate) fn after(self, earlier: Self) -> Self {
        if self > earlier { self } else { Self(earlier.0.saturating_add(1)) }
    }

    /// This much later.
    pub(crate) fn later(self, by: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    pub(crate) fn micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999999Z"),
        }
    }
}

/// 32 hex digits that depend on `parts` only.
pub(crate) fn derived(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut id = hex::encode(hash.finalize());
    id.truncate(32);
    id
}

/// The hash under which a token is kept: tokens themselves are never written down.
pub(crate) fn token_hash(token: &str) -> String {
    sha256(token.as_bytes())
}

/// SHA-256 as 64 hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// 32 random hex digits.
pub(crate) fn random_hex() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A random UUID, with dashes.
pub(crate) fn random_uuid() -> String {
    Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_like_cloudflare_and_never_stand_still() {
        let noon = Moment::at(Timestamp::from_millis(1_763_640_000_123));
        assert_eq!(noon.to_string(), "2025-11-20T12:00:00.123000Z");
        assert_eq!(noon.after(noon).to_string(), "2025-11-20T12:00:00.123001Z");
    }

    #[test]
    fn a_derived_id_depends_on_where_its_parts_end() {
        assert_eq!(derived(&["a", "bc"]), derived(&["a", "bc"]));
        assert_ne!(derived(&["a", "bc"]), derived(&["ab", "c"]));
        assert_eq!(derived(&["account", "main"]).len(), 32);
    }
}
