//! Steps that wait: for a verdict about a canary, for time, for a person.

use crate::{
    context::DeployContext,
    event::DeployEvent,
    plan::{Hold, Judgement},
    planner::shown,
    report::{NotHealthy, Stopped},
    strategy::{Approval, Inconclusive},
    telemetry::{Reading, TelemetryQuestion},
    word::Word,
};
use clodo_judge::{Judge, JudgeReport, Verdict as Judged};
use clodo_saga::{Addition, Entry, Fence, Signal, StepError, StepId, Suspended};
use clodo_types::{ContentHash, DeploymentId, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{mem, time::Duration};
use tokio::sync::watch;

/// How often targets are looked at while a stage is baked.
const GLANCE: Duration = Duration::from_secs(5);

/// What a waiting step works with.
pub(crate) struct Vigil<'a> {
    pub(crate) cx: &'a DeployContext,
    pub(crate) run: &'a DeploymentId,
    pub(crate) step: &'a StepId,
    pub(crate) fence: Option<Fence>,
    /// Who began the deployment.
    pub(crate) by: &'a str,
    pub(crate) word: watch::Receiver<Word>,
    /// Targets are not looked at while time passes.
    pub(crate) no_tests: bool,
    /// What an interrupted run noted last about this step.
    pub(crate) note: Option<Value>,
    /// Somebody was told that time is up.
    pub(crate) is_overdue: bool,
}

/// How a canary's step ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) struct Promoted {
    pub(crate) version: VersionId,
    pub(crate) report: JudgeReport,
    /// Who moved it on without a verdict.
    pub(crate) continued_by: Option<String>,
}

/// How a hold ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Released {
    pub(crate) subject: ContentHash,
    pub(crate) approved_by: Option<String>,
}

/// What is written down while a canary is judged, so that another process can go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct CanaryNote {
    version: VersionId,
    since: Timestamp,
    reading: Reading,
    judge: Judge,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct HoldNote {
    since: Timestamp,
}

impl Vigil<'_> {
    /// Reads telemetry until there is a verdict, time is up, or somebody decides.
    pub(crate) async fn judge(
        mut self,
        judgement: &Judgement,
        canary: VersionId,
        baseline: VersionId,
    ) -> Result<Promoted, StepError> {
        let telemetry = self.cx.telemetry.clone().ok_or("nothing tells how the canary does")?;
        let rules = &judgement.canary;
        let mut judge = rules.judge.clone();
        if !telemetry.knows_latency(&judgement.check.target) {
            judge = judge.with_quantiles([]);
        }
        let known = self.noted::<CanaryNote>().filter(|note| note.version == canary);
        let (version, since) = (canary.clone(), self.cx.clock.now());
        let (reading, judge) = (Reading::default(), Judge::new(judge)?);
        let mut note = known.unwrap_or(CanaryNote { version, since, reading, judge });
        let urls = self.cx.platform.urls(&judgement.check.addresses);
        let (check, since) = (judgement.check.clone(), note.since);
        let question =
            TelemetryQuestion::new(check, canary.clone(), baseline, since).with_urls(urls);
        let (here, spent) = (self.cx.clock.now(), self.spent());
        loop {
            match telemetry.read(&question).await {
                Ok(reading) if reading != note.reading => {
                    note.judge.observe(&reading.since(&note.reading))?;
                    note.reading = reading;
                    self.note(&note).await?;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "no telemetry about the canary"),
            }
            self.tell(note.judge.report());
            let waited = self.cx.clock.now().since(note.since);
            match note.judge.verdict() {
                Judged::Worse(evidence) => {
                    return Err(NotHealthy(format!("the canary is worse by {evidence}")).into());
                }
                Judged::NotWorse if waited >= rules.bake => {
                    let report = note.judge.report();
                    return Ok(Promoted { version: canary, report, continued_by: None });
                }
                verdict if waited >= rules.limit.max(rules.bake) => match rules.inconclusive {
                    Inconclusive::Hold => self.overdue(),
                    Inconclusive::RollBack => {
                        let time = shown(rules.limit);
                        let why = format!("no verdict about the canary in {time}: {verdict}");
                        return Err(NotHealthy(why).into());
                    }
                    // Who goes on with it has as long again to look at it and to decide.
                    Inconclusive::Ask if self.cx.clock.now().since(here) >= rules.limit => {
                        return Err(Suspended.into());
                    }
                    Inconclusive::Ask => self.overdue(),
                },
                _ => {}
            }
            if let Some(yes) = self.wait(rules.interval, Some(spent), None).await? {
                let report = note.judge.report();
                return Ok(Promoted { version: canary, report, continued_by: Some(yes.by) });
            }
        }
    }

    /// Looks at the targets until they have been healthy for long enough and everybody said yes.
    pub(crate) async fn hold(mut self, hold: &Hold) -> Result<Released, StepError> {
        let started = HoldNote { since: self.cx.clock.now() };
        let since = self.noted::<HoldNote>().unwrap_or(started).since;
        if hold.approval.is_some() || !hold.bake.is_zero() {
            self.note(&HoldNote { since }).await?;
            self.cx.listener.hear(&DeployEvent::Waiting(self.step.clone()));
        }
        let (mut yes, spent): (Option<Signal>, _) = (None, self.spent());
        loop {
            self.look_at(hold).await?;
            let waited = self.cx.clock.now().since(since);
            let answered = hold.approval.is_none() || yes.is_some();
            if waited >= hold.bake && answered {
                let approved_by = yes.map(|yes| yes.by);
                return Ok(Released { subject: hold.subject, approved_by });
            }
            let rest = hold.bake.saturating_sub(waited);
            let pause = if rest.is_zero() { GLANCE } else { rest.min(GLANCE) };
            // One yes is enough, and it does not make the time shorter.
            let asked = hold.approval.is_some() && yes.is_none();
            if let Some(said) = self.wait(pause, asked.then_some(spent), hold.approval).await? {
                yes = Some(said);
            }
        }
    }

    /// Fails when a target that was healthy no longer is.
    async fn look_at(&self, hold: &Hold) -> Result<(), StepError> {
        if hold.bake.is_zero() || self.no_tests {
            return Ok(());
        }
        for check in &hold.checks {
            let urls = self.cx.platform.urls(&check.addresses);
            let verdict = self.cx.verifier.verify(check, &urls, None).await;
            if let crate::ports::Verdict::Failed { why } = verdict {
                return Err(
                    NotHealthy(format!("{} is no longer healthy: {why}", check.target)).into()
                );
            }
        }
        Ok(())
    }

    /// The number of the last yes so far: what moved an earlier step on is spent.
    fn spent(&self) -> u64 {
        self.word.borrow().yes.last().map_or(0, |(number, _)| *number)
    }

    /// Waits for that long, or until somebody says yes after `spent`, if that is asked; a no, or a
    /// wish to stop, is an error.
    async fn wait(
        &mut self,
        pause: Duration,
        spent: Option<u64>,
        approval: Option<Approval>,
    ) -> Result<Option<Signal>, StepError> {
        let deadline = tokio::time::Instant::now() + pause;
        loop {
            let word = self.word.borrow_and_update().clone();
            if let Some(no) = word.no {
                return Err(no_of(no).into());
            }
            let counts = |(number, yes): &&(u64, Signal)| {
                spent.is_some_and(|spent| self.counts(yes, *number > spent, approval))
            };
            if let Some((_, yes)) = word.yes.iter().find(counts) {
                return Ok(Some(yes.clone()));
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return Ok(None),
                () = self.cx.cancel.cancelled() => {
                    let no = self.word.borrow().no.clone();
                    let stopped = || Stopped("interrupted while it waited".into());
                    return Err(no.map_or_else(stopped, no_of).into());
                }
                Ok(()) = self.word.changed() => {}
            }
        }
    }

    /// Whether a yes is meant for this step, now.
    fn counts(&self, yes: &Signal, fresh: bool, approval: Option<Approval>) -> bool {
        let for_this = yes.step.as_ref().map_or(fresh, |step| step == self.step);
        for_this && (approval != Some(Approval::SomebodyElse) || user(&yes.by) != user(self.by))
    }

    /// Says once that time is up and that the canary stays as it is until somebody decides.
    fn overdue(&mut self) {
        if !mem::replace(&mut self.is_overdue, true) {
            self.cx.listener.hear(&DeployEvent::Overdue(self.step.clone()));
        }
    }

    fn tell(&self, report: JudgeReport) {
        let (step, report) = (self.step.clone(), Box::new(report));
        self.cx.listener.hear(&DeployEvent::Judged { step, report });
    }

    fn noted<T: for<'de> Deserialize<'de>>(&self) -> Option<T> {
        serde_json::from_value(self.note.clone()?).ok()
    }

    async fn note(&self, note: &impl Serialize) -> Result<(), StepError> {
        let entry = Entry::Noted { step: self.step.clone(), note: serde_json::to_value(note)? };
        let (at, entries, fence) = (self.cx.clock.now(), &[entry][..], self.fence.as_ref());
        self.cx.journal.append(self.run, &Addition { at, entries, fence }).await?;
        Ok(())
    }
}

/// Who it is, on whatever machine: `ada` of `ada@laptop`.
fn user(by: &str) -> &str {
    by.split_once('@').map_or(by, |(user, _)| user)
}

fn no_of(no: Signal) -> Stopped {
    let why = no.why.map(|why| format!(": {why}")).unwrap_or_default();
    Stopped(format!("aborted by {}{why}", no.by))
}
