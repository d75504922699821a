use super::past::{millis, step_word};
use crate::report::moment;
use clodo_orchestrator::{DeploymentRecord, StepRecord};
use clodo_types::Timestamp;

const HEAD: [&str; 9] = [
    "deployment_id",
    "step",
    "kind",
    "worker",
    "state",
    "began_at",
    "ended_at",
    "duration_ms",
    "why",
];

/// A line for each step, as RFC 4180 has it.
pub(super) fn render(record: &DeploymentRecord) -> String {
    let id = record.deployment.id.to_string();
    let rows = record.steps.iter().map(|step| line(&row(&id, step)));
    [line(&HEAD.map(str::to_owned))].into_iter().chain(rows).collect()
}

fn row(id: &str, step: &StepRecord) -> [String; 9] {
    let at = |at: Option<Timestamp>| at.map(|at| moment(at).to_string()).unwrap_or_default();
    [
        id.to_owned(),
        step.summary.clone(),
        step.kind.clone(),
        step.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
        step_word(step.state).to_owned(),
        at(step.began_at),
        at(step.ended_at),
        millis(step).map(|millis| millis.to_string()).unwrap_or_default(),
        step.why.clone().unwrap_or_default(),
    ]
}

fn line(fields: &[String; 9]) -> String {
    fields.each_ref().map(|field| quoted(field)).join(",") + "\r\n"
}

/// Spreadsheets take text that begins like a formula for one.
fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}
