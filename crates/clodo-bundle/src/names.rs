//! The names that code reads from its environment, as far as the text shows them.

use clodo_types::BindingName;
use regex::Regex;
use std::{collections::BTreeSet, sync::LazyLock};

/// `env.NAME`, `this.env.NAME`, `env?.NAME`; a bundler may have renamed `env` to `env2`.
static DOTTED: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?P<before>\bimport\.meta\.)?\benv\d*\s*\??\.\s*(?P<name>[A-Za-z_$][\w$]*)")
});
/// `env["NAME"]`.
static INDEXED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"\benv\d*\s*(?:\?\.)?\[\s*["'](?P<name>[A-Za-z_$][\w$]*)["']\s*\]"#));
/// `const { A, B: b, C = 1 } = this.env`.
static TAKEN_APART: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\{(?P<names>[^{}]*)\}\s*=\s*(?:[\w$]+\.)*env\d*\s*[;,)\n]"));
/// `fetch(request, { A, B })`.
static PARAMETER: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:fetch|scheduled|queue|email|tail)\s*(?:=\s*(?:async\s*)?)?\(\s*[\w$]+\s*,\s*\{(?P<names>[^{}]*)\}",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a test compiles it")
}

/// Finds the names in JavaScript or TypeScript.
pub(crate) fn names_in(text: &str) -> BTreeSet<BindingName> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for found in DOTTED.captures_iter(text) {
        // Vite's variables are not the Worker's.
        if found.name("before").is_none() {
            names.insert(found["name"].to_owned());
        }
    }
    names.extend(INDEXED.captures_iter(text).map(|found| found["name"].to_owned()));
    for found in TAKEN_APART.captures_iter(text).chain(PARAMETER.captures_iter(text)) {
        names.extend(found["names"].split(',').filter_map(key).map(str::to_owned));
    }
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

/// The key of one part of a destructuring pattern.
fn key(part: &str) -> Option<&str> {
    let name = part.split([':', '=']).next()?.trim();
    (!name.is_empty() && !name.starts_with("...")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[&str]) {
        let names: Vec<String> = names_in(text).iter().map(ToString::to_string).collect();
        assert_eq!(names, want, "{text}");
    }

    #[test]
    fn every_common_way_to_read_a_binding_is_seen() {
        check("return env.DB.prepare('x')", &["DB"]);
        check("this.env.KV.get(env2.KEY)", &["KEY", "KV"]);
        check("c.env?.TOKEN", &["TOKEN"]);
        check("env['A'] + env[\"B\"] + env[c]", &["A", "B"]);
        check("const { A, B: b, C = 1, ...rest } = env;", &["A", "B", "C"]);
        check("const {\n  DB,\n  KV,\n} = this.env;", &["DB", "KV"]);
        check("async fetch(request, { DB, ASSETS: assets }) {}", &["ASSETS", "DB"]);
        check("`${env.GREETING}`", &["GREETING"]);
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        check("import.meta.env.MODE", &[]);
        check("environment.DB", &[]);
        check("myenv.DB", &[]);
        check("const { a } = envelope;", &[]);
        check("env", &[]);
    }
}
