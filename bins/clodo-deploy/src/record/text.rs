use super::past::{millis, state_word, step_word, untested};
use crate::report::moment;
use clodo_orchestrator::DeploymentRecord;
use std::fmt::Write as _;

/// For a terminal.
pub(super) fn render(record: &DeploymentRecord) -> String {
    let past = &record.deployment;
    let mut lines = vec![
        ("Deployment", past.id.to_string()),
        ("State", state_word(past.state).to_owned()),
        ("Began", moment(past.started_at).to_string()),
    ];
    let ended = past.ended_at.map(|at| moment(at).to_string());
    lines.extend(ended.map(|at| ("Ended", at)));
    lines.extend(past.by.clone().map(|by| ("By", by)));
    lines.extend(past.why.clone().map(|why| ("Why", why)));
    lines.extend(untested(past).map(|how| ("Tests", how)));
    lines.extend(past.revision.clone().map(|revision| ("Revision", revision)));
    lines.extend(past.rollback_of.as_ref().map(|of| ("Rollback of", of.to_string())));
    lines.extend(past.superseded_by.as_ref().map(|by| ("Taken over by", by.to_string())));
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<14} {}", plain(&value).replace('\n', "\n               "));
    }
    let _ = writeln!(text);
    for step in &record.steps {
        let took = millis(step).map(|millis| format!("{millis} ms")).unwrap_or_default();
        let (word, summary) = (step_word(step.state), &step.summary);
        let _ = writeln!(text, "  {word:<9} {took:>10}  {summary}");
        for line in step.why.iter().flat_map(|why| why.lines()) {
            let _ = writeln!(text, "  {:<9} {:>10}    {}", "", "", plain(line));
        }
    }
    text
}

/// What people and other programs wrote moves no cursor and changes no colour.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}
