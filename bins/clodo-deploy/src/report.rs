use clodo_cli::{CliError, Exit, Tone, Ui};
use clodo_http::Counts;
use clodo_orchestrator::{
    DeployReport, FailureKind, FailureReport, Fate, Outcome, Plan, PlannedStep, TargetReport,
    Verdict,
};
use clodo_types::{Finding, Severity, TargetId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// What there is to do after a deployment that was taken back in part.
const REST: &str = "what stayed is listed; run the same command again to complete the rest";
/// What there is to know after one that was taken back whole.
const AS_BEFORE: &str = "everything is as it was before";

/// The version of every JSON document of this program.
pub(crate) const FORMAT: u32 = 1;

/// How many calls of the platform's API a run made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ApiCalls {
    reads: u64,
    writes: u64,
}

impl From<Counts> for ApiCalls {
    fn from(counts: Counts) -> Self {
        Self { reads: counts.reads, writes: counts.writes }
    }
}

/// What `deploy`, `plan` and `rollback` say as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct DeployDocument<'a> {
    version: u32,
    outcome: Outcome,
    deployment_id: Option<String>,
    duration_ms: u64,
    api_calls: ApiCalls,
    targets: Vec<TargetDocument<'a>>,
    steps: &'a [PlannedStep],
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stuck: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// Which target: the same four fields in every document.
#[derive(Debug, Serialize)]
pub(crate) struct TargetName<'a> {
    service: &'a str,
    environment: &'a str,
    customer: Option<&'a str>,
    account: &'a str,
}

impl<'a> From<&'a TargetId> for TargetName<'a> {
    fn from(id: &'a TargetId) -> Self {
        Self {
            service: id.service.as_str(),
            environment: id.environment.as_str(),
            customer: id.customer.as_ref().map(|customer| customer.as_str()),
            account: id.account.as_str(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct TargetDocument<'a> {
    #[serde(flatten)]
    id: TargetName<'a>,
    worker: &'a str,
    changed: bool,
    fate: Fate,
    version_id: Option<String>,
    urls: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Verdict>,
}

impl<'a> TargetDocument<'a> {
    /// `changed` is what happened, or for a plan what would.
    pub(crate) fn new(target: &'a TargetReport, changed: bool) -> Self {
        Self {
            id: (&target.id).into(),
            worker: target.worker.worker.as_str(),
            changed,
            fate: target.fate,
            version_id: target.version.as_ref().map(ToString::to_string),
            urls: &target.urls,
            verdict: target.verdict.as_ref(),
        }
    }
}

impl<'a> DeployDocument<'a> {
    /// What a deployment came to.
    pub(crate) fn of(report: &'a DeployReport, calls: Counts, error: Option<&CliError>) -> Self {
        let leftover =
            |left: &clodo_orchestrator::Leftover| format!("{}: {}", left.summary, left.why);
        Self {
            version: FORMAT,
            outcome: report.outcome,
            deployment_id: report.deployment.as_ref().map(ToString::to_string),
            duration_ms: u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
            api_calls: calls.into(),
            targets: report
                .targets
                .iter()
                .map(|target| TargetDocument::new(target, target.changed))
                .collect(),
            steps: report.plan.steps(),
            findings: &report.findings,
            kept: report.kept.iter().map(leftover).collect(),
            stuck: report.stuck.iter().map(leftover).collect(),
            error: error.map(CliError::to_json),
        }
    }

    /// What a plan would do.
    pub(crate) fn of_plan(
        prepared: &'a clodo_orchestrator::Prepared,
        took_ms: u64,
        calls: Counts,
        error: Option<&CliError>,
    ) -> Self {
        let outcome = match (prepared.is_refused(), prepared.plan.is_empty()) {
            (true, _) => Outcome::Refused,
            (false, true) => Outcome::NothingToDo,
            (false, false) => Outcome::Done,
        };
        Self {
            version: FORMAT,
            outcome,
            deployment_id: None,
            duration_ms: took_ms,
            api_calls: calls.into(),
            targets: prepared
                .targets
                .iter()
                .map(|target| TargetDocument::new(target, target.fate != Fate::Unchanged))
                .collect(),
            steps: prepared.plan.steps(),
            findings: &prepared.findings,
            kept: Vec::new(),
            stuck: Vec::new(),
            error: error.map(CliError::to_json),
        }
    }
}

/// The plan for people: a line per step, and under it what is different.
pub(crate) fn plan_text(plan: &Plan, ui: &Ui) -> String {
    if plan.is_empty() {
        return "Nothing to do.".to_owned();
    }
    let count = |fate| plan.targets().iter().filter(|target| target.fate == fate).count();
    let mut text = format!(
        "Plan: {} to create, {} to update, {} unchanged",
        count(Fate::Create),
        count(Fate::Update),
        count(Fate::Unchanged)
    );
    let is_removal = |step: &&PlannedStep| step.action.kind() == "remove-worker";
    match plan.steps().iter().filter(is_removal).count() {
        0 => text.push('\n'),
        count => text += &format!(", {count} to remove\n"),
    }
    for step in plan.steps() {
        let sign = match step.action.kind() {
            kind if kind.starts_with("create") => ui.paint_talk(Tone::Good, "+"),
            kind if kind.starts_with("remove") => ui.paint_talk(Tone::Bad, "-"),
            "verify" | "commit" => ui.paint_talk(Tone::Faint, "."),
            _ => ui.paint_talk(Tone::Warn, "~"),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {sign} {}", step.summary);
        for detail in &step.details {
            let _ = writeln!(text, "      {detail}");
        }
    }
    text
}

/// Findings for people.
pub(crate) fn say_findings<'a>(ui: &Ui, findings: impl IntoIterator<Item = &'a Finding>) {
    for finding in findings {
        let place = finding.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
        let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        let line = format!("{place}{} [{}]{hint}", finding.message, finding.rule);
        match finding.severity {
            Severity::Block => ui.say(&format!("{} {line}", ui.paint_talk(Tone::Bad, "refused:"))),
            Severity::Note => ui.warn(&line),
        }
    }
}

/// The URLs for people.
pub(crate) fn targets_text(targets: &[TargetReport]) -> String {
    let mut text = String::new();
    for target in targets {
        let verdict = match &target.verdict {
            Some(Verdict::Proved) => "  (new version proved)",
            Some(Verdict::ProbedNotProved) => "  (probed, version not proved)",
            Some(Verdict::NotReachable) => "  (no URL to probe)",
            Some(Verdict::Skipped) => "  (not tested: --no-tests)",
            _ => "",
        };
        let urls = if target.urls.is_empty() { "-".to_owned() } else { target.urls.join("  ") };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{:<32} {urls}{verdict}", target.id.to_string());
    }
    text
}

/// All but the refusal that is said as the one error of the run, if it is.
pub(crate) fn beside_refusal(
    findings: &[Finding],
    refused: bool,
) -> impl Iterator<Item = &Finding> {
    let is_block = |finding: &&Finding| finding.severity == Severity::Block;
    let said = findings.iter().find(is_block).filter(|_| refused);
    findings.iter().filter(move |finding| !said.is_some_and(|said| std::ptr::eq(*finding, said)))
}

/// Why a gate refused, as the one error of the run.
pub(crate) fn refusal(findings: &[Finding]) -> CliError {
    let blocks = findings.iter().filter(|finding| finding.severity == Severity::Block);
    let blocks: Vec<&Finding> = blocks.collect();
    let message = match blocks.first() {
        Some(first) if blocks.len() == 1 => format!("{} [{}]", first.message, first.rule),
        Some(first) => {
            format!("{} [{}] (and {} more)", first.message, first.rule, blocks.len() - 1)
        }
        None => "a gate refused".to_owned(),
    };
    let mut error = CliError::new(Exit::Refused, "refused", message);
    if let Some(hint) = blocks.iter().find_map(|finding| finding.hint.as_ref()) {
        error = error.with_hint(hint);
    }
    match blocks.iter().find_map(|finding| finding.at.as_ref()) {
        Some(at) => error.with_location(at.clone()),
        None => error,
    }
}

/// The step that failed, as the one error of the run.
pub(crate) fn failure(
    outcome: Outcome,
    failed: Option<&FailureReport>,
    cancelled: bool,
) -> CliError {
    let partly = outcome == Outcome::PartlyDone;
    let Some(failed) = failed else {
        let exit = if cancelled { Exit::Interrupted } else { Exit::Failed };
        let error = CliError::new(exit, "interrupted", "the deployment was interrupted");
        return error.with_hint(if partly { REST } else { AS_BEFORE });
    };
    let exit = match (partly, failed.kind) {
        (true, _) => Exit::Partly,
        (_, FailureKind::Stopped) => Exit::Interrupted,
        (_, FailureKind::NotAllowed) => Exit::NotAllowed,
        (_, FailureKind::Unavailable) => Exit::Unreachable,
        _ => Exit::Failed,
    };
    if failed.kind == FailureKind::Stopped {
        let message = failed.messages.join(": ");
        let hint = if partly { REST } else { AS_BEFORE };
        return CliError::new(exit, "stopped", message).with_hint(hint);
    }
    let target = failed.target.as_ref().map(|target| format!(" for {target}")).unwrap_or_default();
    let message = format!("step `{}`{target} failed: {}", failed.step, failed.messages.join(": "));
    CliError::new(exit, kind(failed), message).with_hint(advice(failed, partly))
}

/// A deployment that was ended by its own `--timeout`.
pub(crate) fn too_long(outcome: Outcome) -> CliError {
    let (exit, hint) = match outcome {
        Outcome::PartlyDone => (Exit::Partly, REST),
        _ => (Exit::Failed, AS_BEFORE),
    };
    CliError::new(exit, "timeout", "it was not done within --timeout").with_hint(hint)
}

fn kind(failed: &FailureReport) -> &'static str {
    match failed.kind {
        FailureKind::Refused => "platform_refused",
        FailureKind::NotAllowed => "not_allowed",
        FailureKind::Unavailable => "unavailable",
        FailureKind::Verdict => "unhealthy",
        FailureKind::State => "state",
        _ => "failed",
    }
}

fn advice(failed: &FailureReport, partly: bool) -> String {
    let mended = format!("{AS_BEFORE}; mend it and run the same command again");
    let after = if partly { REST } else { &mended };
    match &failed.hint {
        Some(hint) => format!("{hint}; {after}"),
        None => after.to_owned(),
    }
}

/// A moment in UTC; its text is RFC 3339.
pub(crate) fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default()
}
