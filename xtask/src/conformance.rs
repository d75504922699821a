//! `docs/conformance.md`, from the markers that stand above tests:
//!
//! ```text
//! // conformance: <area> | <feature> | <documented | accepted by … | guessed: what, since why>
//! ```

use crate::shell::{Outcome, root};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The sections, in reading order; no marker may name another.
const AREAS: [&str; 20] = [
    "identity",
    "zones",
    "dns",
    "workers",
    "versions",
    "triggers",
    "secrets",
    "assets",
    "tails",
    "d1",
    "kv",
    "r2",
    "queues",
    "durable objects",
    "workflows",
    "analytics",
    "runtime",
    "front",
    "limits and faults",
    "security",
];
const MARKER: &str = "// conformance: ";
/// What is known to be missing: `area | feature | reason` a line.
const GAPS: &str = "docs/conformance-gaps.txt";
const HEAD: &str = "\
# Conformance of the local Cloudflare

Written by `cargo xtask docs` from the tests themselves: each line names the test that proves it. What is missing comes from
[conformance-gaps.txt](conformance-gaps.txt), with its reason. Nothing here was compared with the real service; `cargo xtask live` does that for
whoever has an account for it.

*Accepted by* a client: the real client was run against it and took the answer. *As documented*: the answer is what Cloudflare's documentation or
the types of its own SDK say. *Guessed*: nobody documents it, and the line says what was assumed and why. *Not done*: refused or missing, with the reason.
";

#[derive(Debug, Default)]
struct Proof {
    how: BTreeSet<String>,
    tests: BTreeSet<String>,
}

type Found = BTreeMap<(usize, String), Proof>;

/// The text of `docs/conformance.md`.
pub(crate) fn generate() -> Outcome<String> {
    let mut found = Found::new();
    for top in ["crates", "bins", "tests"] {
        for path in rust_files(&root().join(top))? {
            let text = fs::read_to_string(&path)?;
            let shown = path.strip_prefix(root())?.to_string_lossy().replace('\\', "/");
            collect(&text, &shown, &mut found)?;
        }
    }
    let gaps = gaps(&fs::read_to_string(root().join(GAPS))?)?;
    render(&found, &gaps)
}

fn rust_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn collect(text: &str, path: &str, found: &mut Found) -> Outcome {
    let mut waiting: Vec<(usize, String, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(marker) = line.strip_prefix(MARKER) {
            waiting.push(parse(marker).map_err(|error| format!("{path}:{}: {error}", number + 1))?);
        } else if let Some(test) = test_name(line) {
            for (area, feature, how) in waiting.drain(..) {
                let proof = found.entry((area, feature)).or_default();
                proof.how.insert(how);
                proof.tests.insert(format!("`{test}` in `{path}`"));
            }
        }
    }
    if let Some((_, feature, _)) = waiting.first() {
        return Err(format!("{path}: no test follows the marker of `{feature}`").into());
    }
    Ok(())
}

fn parse(marker: &str) -> Outcome<(usize, String, String)> {
    let parts: Vec<&str> = marker.splitn(3, '|').map(str::trim).collect();
    let [area, feature, how] = parts[..] else {
        return Err("a marker is `area | feature | how`".into());
    };
    let how = match how {
        "documented" => "as documented".to_owned(),
        how if how.starts_with("accepted by ") => how.to_owned(),
        how if how.strip_prefix("guessed: ").is_some_and(explains) => how.to_owned(),
        _ => {
            let forms = "documented, accepted by …, nor guessed: what was assumed, since why";
            return Err(format!("`{how}` is neither {forms}").into());
        }
    };
    Ok((area_of(area)?, feature.to_owned(), how))
}

/// What was assumed, and why it had to be.
fn explains(guess: &str) -> bool {
    let parts = guess.split_once(", since ");
    parts.is_some_and(|(what, why)| !what.trim().is_empty() && !why.trim().is_empty())
}

/// A feature that has code in it says itself what is code.
fn shown(feature: &str) -> String {
    if feature.contains('`') { feature.to_owned() } else { format!("`{feature}`") }
}

fn area_of(name: &str) -> Outcome<usize> {
    let name = if matches!(name, "limits" | "faults") { "limits and faults" } else { name };
    let at = AREAS.iter().position(|area| *area == name);
    at.ok_or_else(|| format!("`{name}` is no area; there are: {}", AREAS.join(", ")).into())
}

fn test_name(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split_once('(').map(|(name, _)| name)
}

/// Area, feature and reason of what is missing.
fn gaps(text: &str) -> Outcome<Vec<(usize, String, String)>> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
            match parts[..] {
                [area, feature, reason] if !reason.is_empty() => {
                    Ok((area_of(area)?, feature.to_owned(), reason.to_owned()))
                }
                _ => Err(format!("{GAPS}: `{line}` is not `area | feature | reason`").into()),
            }
        })
        .collect()
}

fn render(found: &Found, gaps: &[(usize, String, String)]) -> Outcome<String> {
    let mut text = HEAD.to_owned();
    for (at, area) in AREAS.iter().enumerate() {
        let proved = found.iter().filter(|((area, _), _)| *area == at);
        let mut rows: BTreeMap<&str, String> = proved
            .map(|((_, feature), proof)| {
                let (how, tests) = (joined(&proof.how), joined(&proof.tests));
                (feature.as_str(), format!("| {} | {how} | {tests} |", shown(feature)))
            })
            .collect();
        for (_, feature, reason) in gaps.iter().filter(|(area, ..)| *area == at) {
            let row = format!("| {} | not done: {reason} | |", shown(feature));
            if rows.insert(feature, row).is_some() {
                return Err(format!("{GAPS}: `{feature}` is proved by a test").into());
            }
        }
        if rows.is_empty() {
            continue;
        }
        writeln!(text, "\n## {}\n\n| what | how | proved by |\n|---|---|---|", title(area))?;
        for row in rows.values() {
            writeln!(text, "{row}")?;
        }
    }
    Ok(text)
}

fn joined(parts: &BTreeSet<String>) -> String {
    parts.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
}

fn title(area: &str) -> String {
    match area {
        "dns" | "d1" | "kv" | "r2" => area.to_uppercase(),
        "durable objects" => "Durable Objects".to_owned(),
        _ => area[..1].to_uppercase() + &area[1..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_belongs_to_the_next_test() {
        let text = "
            // conformance: d1 | POST /query | documented
            // conformance: d1 | wrangler d1 execute | accepted by wrangler 4.86 and 4.164
            #[tokio::test]
            async fn a_query_answers() {}
            #[test]
            fn another() {}
            // conformance: kv | `GET /keys` with `limit` | guessed: order of ties, since nobody tells
            #[test]
            fn keys_are_listed() {}";
        let mut found = Found::new();
        collect(text, "x.rs", &mut found).unwrap();
        let gaps = gaps("# comment\nd1 | insights | workerd tells no times\n").unwrap();
        let page = render(&found, &gaps).unwrap();
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(
            rows,
            [
                "| `POST /query` | as documented | `a_query_answers` in `x.rs` |",
                "| `insights` | not done: workerd tells no times | |",
                "| `wrangler d1 execute` | accepted by wrangler 4.86 and 4.164 | `a_query_answers` in `x.rs` |",
                "| `GET /keys` with `limit` | guessed: order of ties, since nobody tells | `keys_are_listed` in `x.rs` |",
            ]
        );
    }

    #[test]
    fn a_marker_that_says_nothing_is_refused() {
        for bad in [
            "d1 | x",
            "nowhere | x | documented",
            "d1 | x | guessed: ",
            "d1 | x | guessed: the code",
            "d1 | x | guessed: the code, since ",
            "d1 | x | yes",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let alone = "// conformance: d1 | x | documented\n";
        assert!(collect(alone, "x.rs", &mut Found::new()).is_err());
        let both = gaps("d1 | x | no").unwrap();
        let mut found = Found::new();
        collect("// conformance: d1 | x | documented\nfn f() {}", "x.rs", &mut found).unwrap();
        assert!(render(&found, &both).is_err());
    }
}
