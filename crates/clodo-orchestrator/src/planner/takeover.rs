use super::{change_id, step_id, target::Writer};
use crate::{
    change::{Change, Traffic},
    plan::{Action, Hold, Judgement},
    strategy::{Canary, Strategy},
    trigger::{Check, Through},
};
use clodo_saga::StepId;
use std::time::Duration;

/// How a new version takes over from the one that serves.
impl Writer<'_, '_> {
    /// Writes the steps that give the uploaded version the traffic, and returns the last.
    pub(super) fn take_over(&mut self, upload: StepId) -> StepId {
        let mut needs = vec![upload];
        needs.extend(self.turn());
        // There may be a stub, which nobody is served by.
        if self.live.is_none() || self.migrates {
            return self.traffic(Traffic::Uploaded, needs);
        }
        match self.target.strategy.clone() {
            Strategy::Canary(canary) => self.canary(&canary, needs),
            Strategy::BlueGreen(_) => self.blue_green(needs),
            _ => self.traffic(Traffic::Uploaded, needs),
        }
    }

    fn canary(&mut self, canary: &Canary, mut needs: Vec<StepId>) -> StepId {
        for step in &canary.steps {
            let mut canary = canary.clone();
            canary.bake = step.bake.unwrap_or(canary.bake);
            let shifted = self.traffic(Traffic::Split(step.percentage), needs);
            needs = vec![self.judge(canary, step.percentage, vec![shifted])];
        }
        self.traffic(Traffic::Uploaded, needs)
    }

    fn blue_green(&mut self, needs: Vec<StepId>) -> StepId {
        let beside = self.traffic(Traffic::Split(0.0), needs);
        let mut check = self.check();
        check.through = Through::Version;
        let proved = self.verify_with(check, vec![beside.clone()]);
        self.traffic(Traffic::Split(100.0), vec![proved.unwrap_or(beside)])
    }

    fn traffic(&mut self, to: Traffic, needs: Vec<StepId>) -> StepId {
        let worker = &self.target.worker;
        let summary = match &to {
            Traffic::Split(part) if *part == 0.0 => {
                format!("put {worker}'s new version beside the old one")
            }
            Traffic::Split(part) if *part < 100.0 => {
                format!("give {worker}'s new version {part}% of the traffic")
            }
            _ => format!("give {worker}'s new version all traffic"),
        };
        let change = Change::SetTraffic { worker: self.target.worker_ref(), to };
        self.push(change, needs, summary, Vec::new())
    }

    fn judge(&mut self, canary: Canary, percentage: f64, needs: Vec<StepId>) -> StepId {
        let judgement = Judgement { check: self.check(), percentage, canary };
        let worker = self.target.worker_ref();
        let action = Action::Judge(judgement);
        let id = step_id(&action, &format!("{worker} {percentage}%"));
        let summary = format!("judge {} at {percentage}% of the traffic", worker.worker);
        self.push_action(id, action, needs, summary, Vec::new())
    }

    /// Under all traffic, and with the old version at hand, the new one must stay healthy.
    pub(super) fn watch(&mut self, healthy: StepId) -> StepId {
        let Strategy::BlueGreen(blue_green) = &self.target.strategy else { return healthy };
        if self.live.is_none() || blue_green.bake.is_zero() {
            return healthy;
        }
        let (bake, subject) = (blue_green.bake, self.subject());
        let hold = Hold { bake, approval: None, checks: vec![self.check()], subject };
        let action = Action::Hold(hold);
        let id = step_id(&action, &self.target.worker_ref().to_string());
        let summary = format!("watch {} for {}", self.target.worker, shown(bake));
        self.push_action(id, action, vec![healthy], summary, Vec::new())
    }

    /// Waits until the target answers; `None` when there is nothing to wait for.
    pub(super) fn verify_with(&mut self, check: Check, needs: Vec<StepId>) -> Option<StepId> {
        let reachable = check.addresses.workers_dev
            || !check.addresses.domains.is_empty()
            || !self.target.routes.is_empty();
        if needs.is_empty() || !reachable {
            return None;
        }
        let worker = self.target.worker_ref();
        let (subject, summary) = match check.through {
            Through::Addresses => {
                (worker.to_string(), format!("wait until {} answers", worker.worker))
            }
            Through::Version => (
                format!("{worker} beside the old version"),
                format!("wait until {}'s new version answers", worker.worker),
            ),
        };
        let action = Action::Verify(check);
        let id = step_id(&action, &subject);
        Some(self.push_action(id, action, needs, summary, Vec::new()))
    }

    pub(super) fn push(
        &mut self,
        change: Change,
        needs: Vec<StepId>,
        summary: String,
        details: Vec<String>,
    ) -> StepId {
        let id = change_id(&change);
        self.push_action(id, Action::Change(change), needs, summary, details)
    }
}

/// A time in words, with the largest unit that fits.
pub(crate) fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds, time.subsec_millis()) {
        (0, millis) => format!("{millis} ms"),
        (seconds, _) if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        (seconds, _) if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        (seconds, _) => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_the_largest_unit_that_fits() {
        let shown = |millis| shown(Duration::from_millis(millis));
        let times = [250, 1_500, 90_000, 300_000, 7_200_000].map(shown);
        assert_eq!(times, ["250 ms", "1 s", "90 s", "5 min", "2 h"]);
    }
}
