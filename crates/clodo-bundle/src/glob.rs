//! The globs of module rules. wrangler turns them into regular expressions in two ways: for the
//! text of an import, where `*` crosses folders, and for files, where only `**` does.

use regex::Regex;
use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

/// How far a `*` reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Across folders.
    Everything,
    /// Within one folder; `**` crosses them.
    Folder,
}

/// The regular expression of a glob, in the syntax that Rust and Go share.
pub(crate) fn pattern(glob: &str, reach: Reach) -> String {
    let chars: Vec<char> = glob.chars().collect();
    let mut out = String::from("^");
    let mut at = 0;
    while at < chars.len() {
        if chars[at] != '*' {
            out.push_str(&regex::escape(chars[at].encode_utf8(&mut [0; 4])));
            at += 1;
            continue;
        }
        let before = at.checked_sub(1).map(|before| chars[before]);
        let stars = chars[at..].iter().take_while(|c| **c == '*').count();
        at += stars;
        let after = chars.get(at).copied();
        let edge = |c: Option<char>| matches!(c, None | Some('/'));
        match reach {
            Reach::Everything => out.push_str(".*"),
            Reach::Folder if stars > 1 && edge(before) && edge(after) => {
                out.push_str("(?:[^/]*(?:/|$))*");
                at += 1;
            }
            Reach::Folder => out.push_str("[^/]*"),
        }
    }
    out.push('$');
    out
}

/// More globs than this are not remembered.
const REMEMBERED: usize = 256;

/// Compiles a glob. The services of a portfolio have mostly the same ones, and each takes a
/// millisecond, so they are remembered.
pub(crate) fn compile(glob: &str, reach: Reach) -> Regex {
    static KNOWN: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let pattern = pattern(glob, reach);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = known.get(&pattern) {
        return regex.clone();
    }
    let regex = Regex::new(&pattern).expect("everything but the stars is escaped");
    if known.len() < REMEMBERED {
        known.insert(pattern, regex.clone());
    }
    regex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(glob: &str, reach: Reach, yes: &[&str], no: &[&str]) {
        let regex = compile(glob, reach);
        for text in yes {
            assert!(regex.is_match(text), "{glob} should match {text}");
        }
        for text in no {
            assert!(!regex.is_match(text), "{glob} should not match {text}");
        }
    }

    #[test]
    fn stars_reach_as_far_as_in_wrangler() {
        check("**/*.txt", Reach::Folder, &["a.txt", "b/c/a.txt"], &["a.txt.bak", "atxt"]);
        check("**/*.txt", Reach::Everything, &["./a.txt", "../b/a.txt"], &["a.txt"]);
        check("src/*.js", Reach::Folder, &["src/a.js"], &["src/b/a.js", "lib/src/a.js"]);
        check("src/*.js", Reach::Everything, &["src/a.js", "src/b/a.js"], &["lib/src/a.js"]);
        check("**/*.wasm?module", Reach::Everything, &["./a.wasm?module"], &["./a.wasm"]);
        check("(a|b)[c]{d,e}+^$.", Reach::Folder, &["(a|b)[c]{d,e}+^$."], &["ac"]);
    }
}
