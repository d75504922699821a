//! What is fuzzed of static assets.

use super::{
    custom,
    pattern::{Pattern, glob},
    redirect, rules,
};
use http::{HeaderMap, header};

/// `_headers`, `_redirects`, one pattern of `run_worker_first` and a path, with NUL between them:
/// patterns match what a naive matcher says, and nothing in a path becomes a header of its own.
pub fn asset_rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(4, '\0');
    let mut next = || parts.next().unwrap_or_default();
    let (headers, redirects, pattern, path) = (next(), next(), next(), next());
    let mut map = HeaderMap::new();
    custom(&mut map, &rules::headers_for(headers, "a.test", path));
    if let Some(found) = rules::redirect_for(redirects, "a.test", path) {
        let answer = redirect(&found.to, found.status);
        let to = answer.headers().get(header::LOCATION);
        assert!(to.is_none_or(|to| !to.as_bytes().contains(&b'\n')));
    }
    let wildcards = pattern.matches(['*', ':']).count();
    if wildcards > 4 || pattern.len() > 24 || path.len() > 24 {
        return;
    }
    assert_eq!(glob(pattern, path), naive(pattern, path, false), "{pattern:?} {path:?}");
    let Some(read) = Pattern::of_path(pattern) else { return };
    let captures = read.captures(path);
    assert_eq!(captures.is_some(), naive(pattern, path, true), "{pattern:?} {path:?}");
    for (name, value) in captures.iter().flatten() {
        assert!(path.contains(value.as_str()));
        assert!(name == "splat" || (!value.is_empty() && !value.contains('/')), "{name}");
    }
}

/// Tries everything.
fn naive(pattern: &str, text: &str, names: bool) -> bool {
    let mut rest = pattern.chars();
    let Some(first) = rest.next() else { return text.is_empty() };
    let rest = rest.as_str();
    let mut ends = (0..=text.len()).filter(|end| text.is_char_boundary(*end));
    if first == '*' {
        return ends.any(|end| naive(rest, &text[end..], names));
    }
    if names && first == ':' && rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let fits = |end: &usize| *end > 0 && !text[..*end].contains('/');
        return ends.filter(fits).any(|end| naive(rest, &text[end..], names));
    }
    text.strip_prefix(first).is_some_and(|text| naive(rest, text, names))
}
