use crate::report::plan_text;
use clodo_cli::{OutputMode, ProgressLine, Tone, Ui};
use clodo_judge::JudgeReport;
use clodo_orchestrator::{DeployEvent, DeployListener, Plan};
use clodo_saga::{Event, StepId};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// How long until what changed about a canary is said.
const CHANGED: Duration = Duration::from_secs(10);
/// How long until it is said again that nothing changed.
const SAME_AGAIN: Duration = Duration::from_secs(60);

/// Shows a deployment while it runs: the plan and a line per step for people, or an event per line.
#[derive(Debug)]
pub(crate) struct Teller {
    ui: Ui,
    summaries: Mutex<BTreeMap<StepId, String>>,
    progress: Mutex<Option<ProgressLine>>,
    /// Steps of which it was said that they had nothing to do.
    idle: Mutex<BTreeSet<StepId>>,
    /// By step: what was last said about its canary, and when.
    judged: Mutex<BTreeMap<StepId, (String, Instant)>>,
}

impl Teller {
    pub(crate) fn new(ui: &Ui) -> Self {
        Self {
            ui: ui.clone(),
            summaries: Mutex::default(),
            progress: Mutex::default(),
            idle: Mutex::default(),
            judged: Mutex::default(),
        }
    }

    fn summary(&self, step: &StepId) -> String {
        let known = self.summaries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(step).cloned().unwrap_or_else(|| step.to_string())
    }

    fn planned(&self, plan: &Arc<Plan>) {
        let text = plan_text(plan, &self.ui);
        self.ui.say(text.trim_end());
        self.knows(plan.steps().iter().map(|step| (step.id.clone(), step.summary.clone())));
    }

    /// What the steps are called.
    pub(crate) fn knows(&self, steps: impl IntoIterator<Item = (StepId, String)>) {
        let mut known = self.summaries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.extend(steps);
    }

    /// What is going on right now; only a terminal shows it.
    fn at(&self, text: Option<&str>) {
        let mut progress = self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match text {
            Some(text) if self.ui.is_animated() => {
                progress.get_or_insert_with(|| self.ui.progress("deploying")).set(text);
            }
            Some(_) => {}
            None => *progress = None,
        }
    }

    /// What is known about a canary, when that is news: not at every look, but often enough to see
    /// that it goes on.
    fn judged(&self, step: &StepId, report: &JudgeReport) {
        let text = canary_text(report);
        self.at(Some(&format!("{}: {text}", self.summary(step))));
        let mut all = self.judged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_news = all.get(step).is_none_or(|(said, at)| {
            let patience = if *said == text { SAME_AGAIN } else { CHANGED };
            at.elapsed() >= patience
        });
        if is_news {
            all.insert(step.clone(), (text.clone(), Instant::now()));
            let word = self.ui.paint_talk(Tone::Faint, "judged");
            self.ui.say(&format!("  {word} {}: {text}", self.summary(step)));
        }
    }

    /// Says why a step has nothing to do; that it is done is not said as well.
    fn idle(&self, step: &StepId, why: &str) {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        idle.insert(step.clone());
        self.ui.say(&format!("  {} {}", self.ui.paint_talk(Tone::Faint, why), self.summary(step)));
    }

    fn was_idle(&self, step: &StepId) -> bool {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(step)
    }

    fn run(&self, event: &Event) {
        let mark = |tone, word: &str| self.ui.paint_talk(tone, word);
        match event {
            Event::StepStarted(step) => self.at(Some(&self.summary(step))),
            Event::StepFound(step) => self.idle(step, "already done"),
            Event::StepDone { step, .. } if self.was_idle(step) => {}
            Event::StepDone { step, took } => {
                let took = format!("({} ms)", took.as_millis());
                let took = mark(Tone::Faint, &took);
                self.ui.say(&format!(
                    "  {} {} {took}",
                    mark(Tone::Good, "done"),
                    self.summary(step)
                ));
            }
            Event::StepFailed { step, .. } => {
                self.ui.say(&format!("  {} {}", mark(Tone::Bad, "failed"), self.summary(step)));
            }
            Event::Paused => self.ui.say("Paused; `clodo-deploy continue` goes on."),
            Event::Resumed => self.ui.say("Going on."),
            Event::Cancelled => self.ui.say("Interrupted; no further step begins."),
            Event::UnwindingBegan => self.ui.say("Taking back what was done:"),
            Event::StepUndone(step) => {
                self.ui.say(&format!("  {} {}", mark(Tone::Warn, "undone"), self.summary(step)));
            }
            Event::StepKept { step, reason } => {
                let kept = mark(Tone::Warn, "kept");
                self.ui.say(&format!("  {kept} {} ({reason})", self.summary(step)));
            }
            Event::StepStuck { step, error } => {
                let stuck = mark(Tone::Bad, "stuck");
                self.ui.say(&format!("  {stuck} {} ({error})", self.summary(step)));
            }
            Event::RunClosed(_) => self.at(None),
            _ => {}
        }
    }
}

impl DeployListener for Teller {
    fn hear(&self, event: &DeployEvent) {
        match event {
            DeployEvent::InterruptedFound(id) => {
                self.ui.say(&format!("Deployment {id} was interrupted; this one takes it over."));
            }
            DeployEvent::Planned(plan) => self.planned(plan),
            DeployEvent::Run(event) => self.run(event),
            DeployEvent::Judged { step, report } => self.judged(step, report),
            DeployEvent::Skipped(step) => self.idle(step, "skipped (--no-tests)"),
            DeployEvent::Waiting(step) => {
                let summary = self.summary(step);
                self.at(Some(&summary));
                self.ui.say(&format!("  {} {summary}", self.ui.paint_talk(Tone::Faint, "waits")));
            }
            DeployEvent::Overdue(step) => self.ui.say(&format!(
                "  {} {}: no verdict in its time, so it stays as it is; `clodo-deploy continue` moves it on, `abort` takes it back",
                self.ui.paint_talk(Tone::Warn, "holds"),
                self.summary(step)
            )),
            _ => {}
        }
        if self.ui.mode() == OutputMode::Events
            && let Some(document) = as_json(event)
        {
            // The deployment goes on when nobody reads its events any more.
            let _ = self.ui.event(&document);
        }
    }
}

/// A verdict with the counts of requests behind it; errors come first among the metrics.
fn canary_text(report: &JudgeReport) -> String {
    let counts = report.metrics.first().map(|errors| {
        let (canary, baseline) = (&errors.canary, &errors.baseline);
        format!(
            " ({} of {} requests failed, {} of {} of the old version)",
            canary.hits, canary.total, baseline.hits, baseline.total
        )
    });
    format!("{}{}", report.verdict, counts.unwrap_or_default())
}

fn as_json(event: &DeployEvent) -> Option<Value> {
    Some(match event {
        DeployEvent::InterruptedFound(id) => {
            json!({ "event": "interrupted_found", "deployment_id": id })
        }
        DeployEvent::Observed => json!({ "event": "observed" }),
        DeployEvent::Planned(plan) => json!({ "event": "planned", "steps": plan.steps() }),
        DeployEvent::Skipped(step) => json!({ "event": "step_skipped", "step": step }),
        DeployEvent::Overdue(step) => json!({ "event": "overdue", "step": step }),
        DeployEvent::Waiting(step) => json!({ "event": "waiting", "step": step }),
        DeployEvent::Judged { step, report } => {
            json!({ "event": "judged", "step": step, "report": report })
        }
        DeployEvent::Refused(findings) => json!({ "event": "refused", "findings": findings }),
        DeployEvent::Run(event) => match event {
            Event::RunOpened(id) => json!({ "event": "opened", "deployment_id": id }),
            Event::StepStarted(step) => json!({ "event": "step_started", "step": step }),
            Event::StepFound(step) => json!({ "event": "step_found", "step": step }),
            Event::StepDone { step, took } => {
                let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                json!({ "event": "step_done", "step": step, "took_ms": millis })
            }
            Event::StepFailed { step, error } => {
                json!({ "event": "step_failed", "step": step, "error": error })
            }
            Event::Paused => json!({ "event": "paused" }),
            Event::Resumed => json!({ "event": "resumed" }),
            Event::Cancelled => json!({ "event": "cancelled" }),
            Event::UnwindingBegan => json!({ "event": "unwinding_began" }),
            Event::StepUndone(step) => json!({ "event": "step_undone", "step": step }),
            Event::StepKept { step, reason } => {
                json!({ "event": "step_kept", "step": step, "reason": reason })
            }
            Event::StepStuck { step, error } => {
                json!({ "event": "step_stuck", "step": step, "error": error })
            }
            Event::RunClosed(ending) => json!({ "event": "closed", "ending": ending }),
            _ => return None,
        },
        _ => return None,
    })
}
