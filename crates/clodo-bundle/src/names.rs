//! The names that code reads from its environment, as far as the text shows them.

use clodo_types::BindingName;
use regex::Regex;
use std::{collections::BTreeSet, sync::LazyLock};

// ASCII alone: a word boundary of Unicode would take the slow path through a megabyte of bundle.
/// `env.NAME`, `this.env.NAME`, `env?.NAME`; a bundler may have renamed `env` to `env2`.
static DOTTED: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?P<before>(?:import\.meta|process[0-9]*)\.)?B_env[0-9]*S_\??\.S_(?P<name>N_)")
});
/// `env["NAME"]`.
static INDEXED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"B_env[0-9]*S_(?:\?\.)?\[S_["'](?P<name>N_)["']S_\]"#));
/// `const { A, B: b, C = 1 } = this.env`.
static TAKEN_APART: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\{(?P<names>[^{}]*)\}S_=S_(?:N_\.)*env[0-9]*S_[;,)\n]"));
/// `fetch(request, { A, B })`.
static PARAMETER: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"B_(?:fetch|scheduled|queue|email|tail)S_(?:=S_(?:asyncS_)?)?\(S_N_S_,S_\{(?P<names>[^{}]*)\}",
    )
});

/// Compiles a pattern in which `S_` is space, `N_` a name and `B_` the edge of one.
fn regex(pattern: &str) -> Regex {
    let pattern = pattern.replace("S_", r"[ \t\r\n]*").replace("N_", "[A-Za-z_$][0-9A-Za-z_$]*");
    Regex::new(&pattern.replace("B_", r"(?-u:\b)")).expect("a test compiles it")
}

/// Finds the names in JavaScript or TypeScript.
pub(crate) fn names_in(text: &str) -> BTreeSet<BindingName> {
    let text = without_comments(text);
    let text = text.as_str();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for found in DOTTED.captures_iter(text) {
        // Vite's variables and those of a process are not the Worker's bindings.
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

/// Leaves out lines that are comment and nothing else. A comment behind code stays: to find it
/// would take a parser, since `/*` also stands in strings (`Accept: */*`).
fn without_comments(text: &str) -> String {
    let is_comment = |line: &&str| {
        let line = line.trim_start();
        ["//", "/*", "* ", "*/"].iter().any(|mark| line.starts_with(mark))
    };
    let code: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
    code.join("\n")
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
        check("import.meta.env.MODE + process.env.HOME", &[]);
        check("// env.A\n/**\n * env.B\n */\n  // env.C", &[]);
        check("environment.DB", &[]);
        check("myenv.DB", &[]);
        check("const { a } = envelope;", &[]);
        check("env", &[]);
    }
}
