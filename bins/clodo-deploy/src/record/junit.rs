use super::{
    escaped,
    past::{millis, step_word},
};
use crate::report::moment;
use clodo_orchestrator::{DeploymentRecord, StepRecord, StepState};
use std::{fmt::Write as _, time::Duration};

/// A test suite with a case for each step, as CI systems read it
/// (<https://github.com/testmoapp/junitxml>).
pub(super) fn render(record: &DeploymentRecord) -> String {
    let past = &record.deployment;
    let count = |states: &[StepState]| {
        record.steps.iter().filter(|step| states.contains(&step.state)).count()
    };
    let (tests, failures) = (record.steps.len(), count(&[StepState::Failed, StepState::Stuck]));
    let skipped = count(&[StepState::Waiting, StepState::Running, StepState::Skipped]);
    let took = past.ended_at.map(|ended| ended.since(past.started_at)).unwrap_or_default();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        text,
        "<testsuites>\n  <testsuite name=\"deployment {}\" timestamp=\"{}\" time=\"{}\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">",
        past.id,
        moment(past.started_at),
        seconds(took),
    );
    for step in &record.steps {
        text.push_str(&case(step));
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn case(step: &StepRecord) -> String {
    let worker = step.worker.as_ref().map(ToString::to_string);
    let class = worker.as_deref().unwrap_or("portfolio");
    let took = seconds(Duration::from_millis(millis(step).unwrap_or_default()));
    let inner = match step.state {
        StepState::Done => String::new(),
        StepState::Failed | StepState::Stuck => {
            let why = step.why.as_deref().unwrap_or("no reason was written down");
            let first = why.lines().next().unwrap_or_default();
            format!("<failure message=\"{}\">{}</failure>", escaped(first), escaped(why))
        }
        StepState::Waiting | StepState::Running | StepState::Skipped => {
            format!("<skipped message=\"{}\"/>", step_word(step.state))
        }
        state => format!("<system-out>{}</system-out>", step_word(state)),
    };
    format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{took}\">{inner}</testcase>\n",
        escaped(class),
        escaped(&step.summary)
    )
}

fn seconds(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}
