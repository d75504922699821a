//! The patterns of `_headers`, `_redirects` and `run_worker_first`.

use std::collections::{BTreeMap, HashSet};

/// What a pattern's wildcards matched: `splat`, and names after `:`.
pub(super) type Captures = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'p> {
    Literal(&'p str),
    /// `*`: anything.
    Splat,
    /// `:name`: one character or more, up to what ends it.
    Name(&'p str),
}

/// A pattern of one path, or of one host.
#[derive(Debug)]
pub(super) struct Pattern<'p> {
    tokens: Vec<Token<'p>>,
    /// What a name does not match.
    stops: &'static [char],
}

impl<'p> Pattern<'p> {
    /// `None` for what Cloudflare ignores: two wildcards of the same name, and so two `*`.
    pub(super) fn of_path(text: &'p str) -> Option<Self> {
        Self::read(text, &['/'])
    }

    /// As [`Pattern::of_path`]; a name in a host ends at a dot, too.
    pub(super) fn of_host(text: &'p str) -> Option<Self> {
        Self::read(text, &['/', '.'])
    }

    fn read(mut text: &'p str, stops: &'static [char]) -> Option<Self> {
        let (mut tokens, mut names) = (Vec::new(), HashSet::new());
        while let Some((at, kind)) = wildcard(text) {
            tokens.push(Token::Literal(&text[..at]));
            let after = &text[at + 1..];
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = if kind == '*' { 0 } else { after.find(|c| !word(c)).unwrap_or(after.len()) };
            let (name, rest) = after.split_at(end);
            if !names.insert(if kind == '*' { "splat" } else { name }) {
                return None;
            }
            tokens.push(if kind == '*' { Token::Splat } else { Token::Name(name) });
            text = rest;
        }
        tokens.push(Token::Literal(text));
        Some(Self { tokens, stops })
    }

    /// What the wildcards matched, each as much as it could; `None` if `text` is no such path.
    pub(super) fn captures(&self, text: &str) -> Option<Captures> {
        let mut attempt = Attempt { text, ends: Vec::new(), dead: HashSet::new() };
        attempt.go(&self.tokens, self.stops, 0).then(|| {
            let mut spans = attempt.ends.into_iter().rev();
            let mut found = Captures::new();
            for token in &self.tokens {
                let name = match token {
                    Token::Literal(_) => continue,
                    Token::Splat => "splat",
                    Token::Name(name) => name,
                };
                let (start, end) = spans.next().unwrap_or_default();
                found.insert(name.to_owned(), text[start..end].to_owned());
            }
            found
        })
    }
}

/// The first `*`, or `:` with a letter behind it.
fn wildcard(text: &str) -> Option<(usize, char)> {
    let named = |at: usize| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic());
    text.char_indices().find(|(at, c)| *c == '*' || (*c == ':' && named(*at)))
}

/// One look at a text. What did not match once is not tried again, so that the time is bounded by
/// the lengths of pattern and text.
struct Attempt<'t> {
    text: &'t str,
    /// What each wildcard matched, the last one first.
    ends: Vec<(usize, usize)>,
    /// Tokens left, and the place where they do not match.
    dead: HashSet<(usize, usize)>,
}

impl Attempt<'_> {
    fn go(&mut self, tokens: &[Token<'_>], stops: &[char], at: usize) -> bool {
        let Some((token, rest)) = tokens.split_first() else { return at == self.text.len() };
        let left = &self.text[at..];
        let (least, most) = match token {
            Token::Literal(literal) => {
                return left.starts_with(literal) && self.go(rest, stops, at + literal.len());
            }
            Token::Splat => (0, left.len()),
            Token::Name(_) => (1, left.find(stops).unwrap_or(left.len())),
        };
        if most < least || self.dead.contains(&(tokens.len(), at)) {
            return false;
        }
        let ends = (least..=most).rev().filter(|end| left.is_char_boundary(*end));
        let end = ends.into_iter().find(|end| self.go(rest, stops, at + end));
        match end {
            Some(end) => self.ends.push((at, at + end)),
            None => drop(self.dead.insert((tokens.len(), at))),
        }
        end.is_some()
    }
}

/// Whether a pattern in which only `*` means something matches.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place is as good as any later one, but for the tail.
    for piece in middle.split('*') {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, path: &str) -> Option<String> {
        let captures = Pattern::of_path(pattern)?.captures(path)?;
        Some(captures.iter().map(|(name, value)| format!("{name}={value};")).collect())
    }

    #[test]
    fn each_wildcard_takes_as_much_as_the_rest_allows() {
        for (pattern, path, expected) in [
            ("/a", "/a", Some("")),
            ("/a", "/ab", None),
            ("/*", "/", Some("splat=;")),
            ("/*/end", "/a/end/end", Some("splat=a/end;")),
            ("/:page.html", "/a.b.html", Some("page=a.b;")),
            ("/:a/:b", "/x/", None),
            ("/:a:b", "/xyz", Some("a=xy;b=z;")),
            ("/:id/*", "/7/ü/é", Some("id=7;splat=ü/é;")),
            ("/1:2/:", "/1:2/:", Some("")),
            ("/*/*", "/a/b", None),
            ("/:a/:a", "/x/x", None),
            ("/:splat/*", "/x/x", None),
        ] {
            assert_eq!(found(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
        let host = Pattern::of_host(":sub.acme.test").unwrap();
        assert_eq!(host.captures("www.acme.test").unwrap()["sub"], "www");
        assert!(host.captures("a.b.acme.test").is_none());
    }

    #[test]
    fn a_pattern_that_nearly_matches_everywhere_costs_no_more_than_a_look_at_each_place() {
        let names: String = (0..60).map(|n| format!(":n{n}")).collect();
        let text = format!("/{}/", "a".repeat(200));
        assert_eq!(found(&format!("/{names}b"), &text), None);
        assert_eq!(found(&format!("/{names}*b"), &text), None);
        let pattern = format!("/{}b", "a*".repeat(500));
        assert!(!glob(&pattern, &format!("/{}", "a".repeat(50_000))));
    }

    #[test]
    fn a_glob_has_any_number_of_stars() {
        for (pattern, text, expected) in [
            ("/api/*", "/api/", true),
            ("/api/*", "/api", false),
            ("/*/x/*", "/a/b/x/c", true),
            ("*a*a", "a", false),
            ("*a*a", "aa", true),
            ("/**", "/x", true),
            ("/:name", "/ann", false),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
