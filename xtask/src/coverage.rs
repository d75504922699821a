use crate::shell::{Outcome, cargo, read, root, works};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// Below this share of covered lines, in percent, the command fails.
const GATE: f64 = 80.0;

/// Lines that a crate has, and lines that a test ran.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Lines {
    all: u64,
    covered: u64,
}

impl Lines {
    #[expect(clippy::cast_precision_loss, reason = "line counts are far below 2^52")]
    fn percent(self) -> f64 {
        if self.all == 0 { 100.0 } else { 100.0 * self.covered as f64 / self.all as f64 }
    }
}

/// Prints line coverage per crate; fails where a library crate is below the gate.
pub(crate) fn run() -> Outcome {
    if !works(cargo().args(["llvm-cov", "--version"])) {
        return Err("cargo-llvm-cov is missing: `cargo install --locked cargo-llvm-cov`".into());
    }
    let mut command = cargo();
    command.args([
        "llvm-cov",
        "nextest",
        "--workspace",
        "--all-features",
        "--json",
        "--summary-only",
    ]);
    // rustup's llvm-tools are found by themselves; Debian's have a version in their path.
    let debian = Path::new("/usr/lib/llvm-22/bin");
    if debian.join("llvm-cov").exists() {
        command.env("LLVM_COV", debian.join("llvm-cov"));
        command.env("LLVM_PROFDATA", debian.join("llvm-profdata"));
    }
    let crates = per_crate(&serde_json::from_str(&read(&mut command)?)?);
    for (name, lines) in &crates {
        println!(
            "{name:<24} {:>6.1} %  {:>6} of {} lines",
            lines.percent(),
            lines.covered,
            lines.all
        );
    }
    let low: Vec<&str> = crates
        .iter()
        .filter(|(_, lines)| lines.percent() < GATE)
        .map(|(name, _)| name.as_str())
        .collect();
    if low.is_empty() { Ok(()) } else { Err(format!("below {GATE} %: {}", low.join(", ")).into()) }
}

/// Sums the report's files by the folder below `crates/`.
fn per_crate(report: &Value) -> BTreeMap<String, Lines> {
    let crates = root().join("crates");
    let mut sums: BTreeMap<String, Lines> = BTreeMap::new();
    for file in report["data"][0]["files"].as_array().into_iter().flatten() {
        let Some(name) = file["filename"].as_str().and_then(|path| crate_of(&crates, path)) else {
            continue;
        };
        let lines = &file["summary"]["lines"];
        let sum = sums.entry(name).or_default();
        sum.all += lines["count"].as_u64().unwrap_or_default();
        sum.covered += lines["covered"].as_u64().unwrap_or_default();
    }
    sums
}

fn crate_of(crates: &Path, file: &str) -> Option<String> {
    let inside = Path::new(file).strip_prefix(crates).ok()?;
    Some(inside.iter().next()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_are_summed_per_crate() {
        let path = |rest: &str| root().join("crates").join(rest).display().to_string();
        let file = |rest: &str, all: u64, covered: u64| json!({ "filename": path(rest), "summary": { "lines": { "count": all, "covered": covered } } });
        let report = json!({ "data": [{ "files": [
            file("a/src/lib.rs", 10, 5), file("a/src/b.rs", 10, 10), file("b/src/lib.rs", 0, 0),
        ] }] });
        let sums = per_crate(&report);
        assert_eq!(sums["a"], Lines { all: 20, covered: 15 });
        assert!((sums["a"].percent() - 75.0).abs() < 1e-9);
        assert!((sums["b"].percent() - 100.0).abs() < 1e-9);
    }
}
