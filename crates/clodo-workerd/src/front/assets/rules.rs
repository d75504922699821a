//! `_headers`, `_redirects` and the patterns of `run_worker_first`.

use super::pattern::{Captures, Pattern, glob};

/// A longer line is ignored, and so are rules beyond these: Cloudflare documents it.
const MAX_LINE: usize = 2_000;
const MAX_HEADER_RULES: usize = 100;
const MAX_STATIC_REDIRECTS: usize = 2_000;
const MAX_DYNAMIC_REDIRECTS: usize = 100;

/// One block of `_headers`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HeaderRule {
    pattern: String,
    set: Vec<(String, String)>,
    unset: Vec<String>,
}

/// The headers that a path calls for: in order, `None` takes one away.
pub(crate) fn headers_for(text: &str, host: &str, path: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for rule in header_rules(text) {
        let Some(captures) = matches(&rule.pattern, host, path) else { continue };
        found.extend(rule.unset.iter().map(|name| (name.clone(), None)));
        let filled =
            |(name, value): &(String, String)| (name.clone(), Some(fill(value, &captures)));
        found.extend(rule.set.iter().map(filled));
    }
    found
}

fn header_rules(text: &str) -> Vec<HeaderRule> {
    let mut rules: Vec<HeaderRule> = Vec::new();
    for line in lines(text) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if is_pattern(trimmed) {
            if rules.len() == MAX_HEADER_RULES {
                break;
            }
            let pattern = trimmed.to_owned();
            rules.push(HeaderRule { pattern, set: Vec::new(), unset: Vec::new() });
        } else if let Some(rule) = rules.last_mut() {
            if let Some(name) = trimmed.strip_prefix('!') {
                rule.unset.push(name.trim().to_owned());
            } else if let Some((name, value)) = trimmed.split_once(':') {
                rule.set.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }
    rules
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.len() <= MAX_LINE)
}

fn is_pattern(line: &str) -> bool {
    line.starts_with('/') || line.starts_with("https://") || line.starts_with("http://")
}

/// Where a path is sent by `_redirects`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// A path or a URL.
    pub(crate) to: String,
    /// 200 shows another asset under this path.
    pub(crate) status: u16,
}

/// The first line of `_redirects` that matches; exact ones come before patterns.
pub(crate) fn redirect_for(text: &str, host: &str, path: &str) -> Option<Redirect> {
    let rules = || lines(text).filter_map(redirect_rule);
    let dynamic = |from: &str| from.contains('*') || from.contains("/:");
    let mut fixed = rules().filter(|(from, _)| !dynamic(from)).take(MAX_STATIC_REDIRECTS);
    if let Some((_, redirect)) = fixed.find(|(from, _)| matches(from, host, path).is_some()) {
        return Some(redirect);
    }
    let patterns = rules().filter(|(from, _)| dynamic(from)).take(MAX_DYNAMIC_REDIRECTS);
    patterns.into_iter().find_map(|(from, redirect)| {
        let captures = matches(from, host, path)?;
        Some(Redirect { to: fill(&redirect.to, &captures), ..redirect })
    })
}

fn redirect_rule(line: &str) -> Option<(&str, Redirect)> {
    let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
    let (from, to) = (words.next()?, words.next()?);
    let status = match words.next() {
        None => 302,
        Some(status) => status.parse().ok()?,
    };
    let known = matches!(status, 200 | 301 | 302 | 303 | 307 | 308);
    let relative = to.starts_with('/');
    (known && is_pattern(from) && (relative || (is_pattern(to) && status != 200)))
        .then(|| (from, Redirect { to: to.to_owned(), status }))
}

/// Whether the Worker comes first for a path: `Some(false)` = an exception says no.
pub(crate) fn worker_first(patterns: &[String], path: &str) -> Option<bool> {
    let hit = |pattern: &str| glob(pattern, path);
    if patterns.iter().any(|pattern| pattern.strip_prefix('!').is_some_and(hit)) {
        return Some(false);
    }
    patterns.iter().any(|pattern| !pattern.starts_with('!') && hit(pattern)).then_some(true)
}

/// `*` matches anything, `:name` up to the next `/`.
fn matches(pattern: &str, host: &str, path: &str) -> Option<Captures> {
    let (on, pattern) = match pattern.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or((Some(rest), "/"), |at| {
            let (on, path) = rest.split_at(at);
            (Some(on), path)
        }),
        None => (None, pattern),
    };
    let mut captures = match on {
        Some(on) => Pattern::of_host(on)?.captures(host)?,
        None => Captures::new(),
    };
    let found = Pattern::of_path(pattern)?.captures(path)?;
    // The two are one pattern, in which a name stands once.
    if found.keys().any(|name| captures.contains_key(name)) {
        return None;
    }
    captures.extend(found);
    Some(captures)
}

fn fill(text: &str, captures: &Captures) -> String {
    // Longer names first: `:page` must not eat the start of `:pages`.
    let mut names: Vec<_> = captures.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
        .into_iter()
        .fold(text.to_owned(), |text, name| text.replace(&format!(":{name}"), &captures[name]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_go_by_exact_line_then_by_pattern() {
        let text = "# old paths\n/old /new 301\n/blog/* /news/:splat\n/u/:name/p/:id /p/:id?by=:name 308\n\
                    /blog/x /exact 302\n/app/* /index.html 200\n/bad /x 999\nhttps://a.test/h /host\n/far https://b.test/ 301";
        for (path, expected) in [
            ("/old", Some(("/new", 301))),
            ("/blog/2026/x", Some(("/news/2026/x", 302))),
            ("/blog/x", Some(("/exact", 302))),
            ("/u/ann/p/7", Some(("/p/7?by=ann", 308))),
            ("/app/deep/er", Some(("/index.html", 200))),
            ("/bad", None),
            ("/h", Some(("/host", 302))),
            ("/far", Some(("https://b.test/", 301))),
            ("/other", None),
        ] {
            let found = redirect_for(text, "a.test", path);
            let found = found.as_ref().map(|found| (found.to.as_str(), found.status));
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(redirect_for(text, "other.test", "/h"), None);
    }

    #[test]
    fn headers_are_set_and_taken_away_in_order() {
        let text = "/*\n  X-Frame-Options: DENY\n/s/:name\n  ! X-Frame-Options\n  X-Name: :name\n";
        let found = headers_for(text, "a.test", "/s/ann");
        let set = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        assert_eq!(
            found,
            [
                set("X-Frame-Options", "DENY"),
                ("X-Frame-Options".to_owned(), None),
                set("X-Name", "ann")
            ]
        );
    }

    #[test]
    fn an_exception_beats_a_pattern() {
        let patterns = ["/api/*".to_owned(), "!/api/docs/*".to_owned()];
        assert_eq!(worker_first(&patterns, "/api/x"), Some(true));
        assert_eq!(worker_first(&patterns, "/api/docs/x"), Some(false));
        assert_eq!(worker_first(&patterns, "/index.html"), None);
    }
}
