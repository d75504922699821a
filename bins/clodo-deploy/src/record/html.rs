use super::{
    escaped,
    past::{millis, state_word, step_word, untested},
};
use crate::report::moment;
use clodo_orchestrator::{DeploymentRecord, StepRecord, StepState};
use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2733}\
h1{font-size:1.3rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:#5a6b7b}dd{margin:0}\
svg{width:100%;height:auto;margin:1rem 0;background:#f6f8fa}svg text{font:11px system-ui,sans-serif;fill:#1c2733}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}\
.n{text-align:right;white-space:nowrap}pre{margin:0;white-space:pre-wrap}\
.done{fill:#2b8a3e;color:#2b8a3e}.failed,.stuck{fill:#c92a2a;color:#c92a2a}.undone,.kept{fill:#e67700;color:#b35c00}\
.waiting,.running,.skipped{fill:#868e96;color:#5a6b7b}";

/// The picture: how wide it is, what names take of it, and how high a line is.
const WIDTH: u64 = 1000;
const NAMES: u64 = 380;
const LINE: u64 = 18;

/// One page that needs nothing else: no script, no font, no request.
pub(super) fn render(record: &DeploymentRecord) -> String {
    let past = &record.deployment;
    let title = format!("Deployment {}", past.id);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<dl>"
    );
    let facts = [
        ("State", Some(state_word(past.state).to_owned())),
        ("Began", Some(moment(past.started_at).to_string())),
        ("Ended", past.ended_at.map(|at| moment(at).to_string())),
        ("By", past.by.clone()),
        ("Why", past.why.clone()),
        ("Tests", untested(past)),
        ("Revision", past.revision.clone()),
        ("Rollback of", past.rollback_of.as_ref().map(ToString::to_string)),
        ("Taken over by", past.superseded_by.as_ref().map(ToString::to_string)),
    ];
    // Writing to a `String` cannot fail.
    for (name, value) in facts {
        let Some(value) = value else { continue };
        let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    page.push_str("</dl>\n");
    page.push_str(&timeline(record));
    page.push_str("<table><thead><tr><th>Step</th><th>State</th><th class=\"n\">ms</th><th>Why</th></tr></thead><tbody>\n");
    for step in &record.steps {
        page.push_str(&row(step));
    }
    page.push_str("</tbody></table>\n</body></html>\n");
    page
}

fn row(step: &StepRecord) -> String {
    let took = millis(step).map(|millis| millis.to_string()).unwrap_or_default();
    let why = step.why.as_deref().map(escaped).unwrap_or_default();
    format!(
        "<tr><td>{}</td><td class=\"{}\">{}</td><td class=\"n\">{took}</td><td><pre>{why}</pre></td></tr>\n",
        escaped(&step.summary),
        class(step.state),
        step_word(step.state),
    )
}

/// When each step ran, from the beginning to the end.
fn timeline(record: &DeploymentRecord) -> String {
    let began = record.deployment.started_at;
    let ends = record.steps.iter().filter_map(|step| step.ended_at);
    let last = ends.chain(record.deployment.ended_at).max().unwrap_or(began);
    let span = u64::try_from(last.since(began).as_millis()).unwrap_or(u64::MAX).max(1);
    let ran: Vec<&StepRecord> = record.steps.iter().filter(|s| s.began_at.is_some()).collect();
    let height = (ran.len() as u64 + 1) * LINE + 8;
    let mut picture = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"When each step ran\">\n"
    );
    let place = |millis: u64| NAMES + (WIDTH - NAMES - 10) * millis.min(span) / span;
    for (line, step) in ran.iter().enumerate() {
        let from = step.began_at.unwrap_or(began).since(began).as_millis();
        let from = place(u64::try_from(from).unwrap_or(u64::MAX));
        let to = step.ended_at.unwrap_or(last).since(began).as_millis();
        let to = place(u64::try_from(to).unwrap_or(u64::MAX)).max(from + 2);
        let top = line as u64 * LINE + 4;
        let name: String = step.summary.chars().take(58).collect();
        let _ = writeln!(
            picture,
            "<text x=\"6\" y=\"{}\">{}</text><rect class=\"{}\" x=\"{from}\" y=\"{top}\" width=\"{}\" \
             height=\"{}\" rx=\"2\"><title>{}</title></rect>",
            top + 11,
            escaped(&name),
            class(step.state),
            to - from,
            LINE - 5,
            escaped(&step.summary),
        );
    }
    let _ = writeln!(
        picture,
        "<text x=\"{NAMES}\" y=\"{}\">0 ms</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{span} ms</text></svg>",
        height - 6,
        WIDTH - 10,
        height - 6,
    );
    picture
}

fn class(state: StepState) -> &'static str {
    match state {
        StepState::Done => "done",
        StepState::Failed => "failed",
        StepState::Stuck => "stuck",
        StepState::Undone => "undone",
        StepState::Kept => "kept",
        StepState::Running => "running",
        StepState::Skipped => "skipped",
        _ => "waiting",
    }
}
