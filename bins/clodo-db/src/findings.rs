//! Findings: for people, for code scanning, for GitHub.

use crate::failure;
use clodo_cli::{CliError, Tone, Ui};
use clodo_types::{Finding, Severity};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Findings for people, on stderr.
pub(crate) fn say<'a>(ui: &Ui, findings: impl IntoIterator<Item = &'a Finding>) {
    for finding in findings {
        match finding.severity {
            Severity::Block => {
                ui.say(&format!("{} {}", ui.paint_talk(Tone::Bad, "refused:"), text(finding)));
            }
            Severity::Note => ui.warn(&text(finding)),
        }
    }
}

/// Whether one of them refuses what was asked for.
pub(crate) fn blocks(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Block)
}

/// Gathers what is found in several databases, which share their files: each finding once. They are
/// said, but for the first that blocks: that is the error of the run.
pub(crate) fn gathered<'a>(
    ui: &Ui,
    found: impl IntoIterator<Item = &'a Finding>,
    all: &mut Vec<Finding>,
) -> Option<CliError> {
    for finding in found {
        if !all.contains(finding) {
            all.push(finding.clone());
        }
    }
    let is_block = |one: &&Finding| one.severity == Severity::Block;
    let count = all.iter().filter(is_block).count();
    let first = all.iter().position(|one| is_block(&one));
    let others = all.iter().enumerate().filter(|(at, _)| Some(*at) != first);
    say(ui, others.map(|(_, finding)| finding));
    Some(failure::of_finding(&all[first?], count))
}

/// One finding: its place, what it says, its rule, and how to mend it.
pub(crate) fn text(finding: &Finding) -> String {
    let place = finding.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
    let hint = finding.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!("{place}{} [{}]{hint}", finding.message, finding.rule)
}

/// Annotations of GitHub Actions, one a line
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).
pub(crate) fn github(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let command = match finding.severity {
            Severity::Block => "error",
            Severity::Note => "warning",
        };
        let mut fields = Vec::new();
        if let Some(at) = &finding.at {
            fields.push(format!("file={}", property(&at.path.to_string_lossy())));
            fields.push(format!("line={},col={}", at.line, at.column));
        }
        fields.push(format!("title={}", property(&finding.rule)));
        let hint = finding.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let message = data(&format!("{}{hint}", finding.message));
        format!("::{command} {}::{message}\n", fields.join(","))
    };
    findings.iter().map(line).collect()
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A log in SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).
pub(crate) fn sarif(findings: &[Finding]) -> Value {
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    let rules: Vec<Value> = rules.into_iter().map(|rule| json!({ "id": rule })).collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "clodo-db", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            } },
            "results": results,
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let level = match finding.severity {
        Severity::Block => "error",
        Severity::Note => "warning",
    };
    let hint = finding.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    let locations: Vec<Value> = finding
        .at
        .iter()
        .map(|at| {
            // A URI has slashes on every system.
            let uri = at.path.to_string_lossy().replace('\\', "/");
            let region = json!({ "startLine": at.line, "startColumn": at.column });
            json!({ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": region } })
        })
        .collect();
    json!({
        "ruleId": finding.rule,
        "level": level,
        "message": { "text": format!("{}{hint}", finding.message) },
        "locations": locations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_types::Location;

    #[test]
    fn an_annotation_keeps_to_its_line() {
        let at = Location { path: "a,b.sql".into(), line: 2, column: 3 };
        let finding = Finding {
            rule: "drop-table".to_owned(),
            severity: Severity::Block,
            at: Some(at),
            message: "100% of\nit".to_owned(),
            hint: None,
        };
        assert_eq!(
            github(&[finding]),
            "::error file=a%2Cb.sql,line=2,col=3,title=drop-table::100%25 of%0Ait\n"
        );
    }
}
