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
const MAX_OVERRIDES: usize = 16 * 1024;

/// The version id that answers; `None` when the split is empty.
pub(crate) fn draw<'a>(
    script: &str,
    split: &'a [(String, f64)],
    headers: &HeaderMap,
) -> Option<&'a str> {
    if let [(only, _)] = split {
        return Some(only);
    }
    if let Some(id) = overridden(headers, script)
        && let Some((version, _)) = split.iter().find(|(version, _)| *version == id)
    {
        return Some(version);
    }
    let key = headers.get(KEY).filter(|key| !key.is_empty());
    pick(split, key.map_or_else(random, |key| sticky(key.as_bytes())))
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

/// The same key always lands at the same point: the older versions of a split come first, so that
/// a key that has reached a newer version stays there while its share grows. `js/draw.js` computes
/// the same.
fn sticky(key: &[u8]) -> f64 {
    let fnv = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let mut hash = key.iter().fold(0x811c_9dc5, fnv);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    f64::from(hash ^ (hash >> 16)) / 4_294_967_296.0 * 100.0
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

/// The version that the overrides name for a script. The header is a structured dictionary (RFC
/// 8941) from names to strings; one that is malformed is ignored as a whole, and so is one that is
/// too long to be meant.
fn overridden(headers: &HeaderMap, script: &str) -> Option<String> {
    let mut text = String::new();
    for value in headers.get_all(OVERRIDES) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(value.to_str().ok()?);
    }
    if text.is_empty() || text.len() > MAX_OVERRIDES {
        return None;
    }
    let mut found = None;
    let mut rest = text.trim_matches(' ');
    loop {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_*.-".contains(c)))?;
        let (name, after) = rest.split_at(end);
        let (value, after) = string(after.strip_prefix("=\"")?)?;
        if name.is_empty() {
            return None;
        }
        if name == script {
            // The last of several counts.
            found = Some(value);
        }
        let after = after.trim_start_matches([' ', '\t']);
        if after.is_empty() {
            return found;
        }
        // A comma that nothing follows is malformed.
        rest = after.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

/// A string after its opening quote, and what comes after it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next().map(|(_, c)| c).filter(|c| "\"\\".contains(*c))?),
            c if c.is_ascii_graphic() || c == ' ' => value.push(c),
            _ => return None,
        }
    }
    None
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
    fn a_key_stays_with_the_newer_version_while_its_share_grows() {
        let split = |share: f64| vec![("old".to_owned(), 100.0 - share), ("new".to_owned(), share)];
        for user in 0..500 {
            let mut headers = HeaderMap::new();
            headers.insert(KEY, HeaderValue::from_str(&format!("user-{user}")).unwrap());
            let reached: Vec<bool> = [0.0, 1.0, 10.0, 50.0, 90.0, 100.0]
                .map(|share| draw("w", &split(share), &headers) == Some("new"))
                .into();
            assert!(reached.is_sorted(), "user-{user}: {reached:?}");
        }
    }

    #[test]
    fn overrides_that_are_malformed_are_ignored_as_a_whole() {
        for (given, expected) in [
            ("w=\"a\"", Some("a")),
            ("other=\"x\",w=\"b\"", Some("b")),
            ("w=\"a\" , w=\"b\"", Some("b")),
            (r#"w="a\"b""#, Some("a\"b")),
            ("w=\"\"", Some("")),
            ("w=a", None),
            ("w=\"a", None),
            ("w=\"a\",", None),
            ("w=\"a\" x=\"b\"", None),
            ("w=\"a\",=\"b\"", None),
            (r#"w="a\n""#, None),
            ("w", None),
            ("", None),
            (",", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(OVERRIDES, HeaderValue::from_str(given).unwrap());
            assert_eq!(overridden(&headers, "w").as_deref(), expected, "{given}");
        }
        let mut headers = HeaderMap::new();
        headers.append(OVERRIDES, HeaderValue::from_static("other=\"x\""));
        headers.append(OVERRIDES, HeaderValue::from_static("w=\"a\""));
        assert_eq!(overridden(&headers, "w").as_deref(), Some("a"), "lines are one list");
        headers.append(OVERRIDES, HeaderValue::from_bytes(b"w=\"\xff\"").unwrap());
        assert_eq!(overridden(&headers, "w"), None);
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
