//! Which version of a Worker answers a request.

use http::HeaderMap;
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

const KEY: &str = "cloudflare-workers-version-key";
const OVERRIDES: &str = "cloudflare-workers-version-overrides";

/// The version id that answers; `None` when the split is empty.
pub(crate) fn draw<'a>(
    script: &str,
    split: &'a [(String, f64)],
    headers: &HeaderMap,
) -> Option<&'a str> {
    if let [(only, _)] = split {
        return Some(only);
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(id) = text(OVERRIDES).and_then(|value| overridden(value, script))
        && let Some((version, _)) = split.iter().find(|(version, _)| version == id)
    {
        return Some(version);
    }
    pick(split, text(KEY).map_or_else(random, sticky))
}

/// The version at a point between 0 and 100 of the split.
fn pick(split: &[(String, f64)], point: f64) -> Option<&str> {
    let mut sum = 0.0;
    for (version, percentage) in split {
        sum += percentage;
        if point < sum {
            return Some(version);
        }
    }
    // Percentages that do not quite sum to 100.
    split.iter().rev().find(|(_, percentage)| *percentage > 0.0).map(|(id, _)| id.as_str())
}

/// The same key always lands at the same point.
fn sticky(key: &str) -> f64 {
    let hash = blake3::hash(key.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    point(u64::from_le_bytes(first))
}

fn random() -> f64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    point(SEED.get_or_init(RandomState::new).hash_one(count))
}

fn point(bits: u64) -> f64 {
    let bucket = u32::try_from(bits % 1_000_000).unwrap_or(0);
    f64::from(bucket) / 10_000.0
}

/// `name="<version id>"` in a structured dictionary.
fn overridden<'a>(value: &'a str, script: &str) -> Option<&'a str> {
    value.split(',').find_map(|entry| {
        let (name, id) = entry.trim().split_once('=')?;
        (name.trim() == script).then(|| id.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn split() -> Vec<(String, f64)> {
        vec![("a".into(), 90.0), ("b".into(), 10.0), ("c".into(), 0.0)]
    }

    #[test]
    fn the_split_is_kept_on_average() {
        let (split, none) = (split(), HeaderMap::new());
        let b = (0..10_000).filter(|_| draw("w", &split, &none) == Some("b")).count();
        assert!((700..1_300).contains(&b), "{b}");
        assert!((0..1_000).all(|_| draw("w", &split, &none) != Some("c")));
    }

    #[test]
    fn a_version_key_sticks_and_an_override_wins() {
        let split = split();
        let mut headers = HeaderMap::new();
        headers.insert(KEY, HeaderValue::from_static("user-7"));
        let first = draw("w", &split, &headers);
        assert!((0..100).all(|_| draw("w", &split, &headers) == first));
        headers.insert(OVERRIDES, HeaderValue::from_static("other=\"b\", w=\"c\""));
        assert_eq!(draw("w", &split, &headers), Some("c"));
        headers.insert(OVERRIDES, HeaderValue::from_static("w=\"unknown\""));
        assert_eq!(draw("w", &split, &headers), first);
    }

    #[test]
    fn an_odd_split_still_answers() {
        let none = HeaderMap::new();
        assert_eq!(draw("w", &[], &none), None);
        assert_eq!(draw("w", &[("a".into(), 0.0)], &none), Some("a"));
        let short = [("a".into(), 0.0), ("b".into(), 0.1)];
        assert_eq!(draw("w", &short, &none), Some("b"));
    }
}
