use super::order::Order;
use crate::{
    desired::Desired,
    strategy::{Approval, Strategy},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Groups of targets that come one after the other; targets are numbered as in the desired state.
#[derive(Debug, Default)]
pub(super) struct Stages {
    /// The stage of each target.
    of: Vec<usize>,
    /// What lies between a stage and the next one; there is always one less than there are stages.
    pub(super) between: Vec<Between>,
    /// By target: the one whose health it waits for, since no more of its batch may be uncertain.
    pub(super) after: BTreeMap<usize, usize>,
}

/// What must happen before the next stage begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Between {
    /// What is over then: `wave "acme"`, `batch 2`.
    pub(super) name: String,
    pub(super) bake: Duration,
    pub(super) approval: Option<Approval>,
}

impl Stages {
    /// One stage for all.
    pub(super) fn together(targets: usize) -> Self {
        Self { of: vec![0; targets], ..Self::default() }
    }

    /// The stage of a target.
    pub(super) fn of(&self, target: usize) -> usize {
        self.of[target]
    }
}

/// Puts the targets that change into stages: waves, and batches within them.
pub(super) fn stages(desired: &Desired, order: &Order, changes: &BTreeSet<usize>) -> Stages {
    let waves = waves(desired, order);
    let mut stages = Stages { of: vec![0; desired.targets.len()], ..Stages::default() };
    for wave in 0..=desired.rollout.waves.len() {
        let members = order.sequence.iter().copied();
        let members: Vec<usize> =
            members.filter(|at| waves[*at] == wave && changes.contains(at)).collect();
        if !members.is_empty() {
            stages.batch(desired, &members, wave);
            stages.end_of_wave(desired, wave);
        }
    }
    // Nothing comes after the last stage.
    stages.between.pop();
    // What does not change pulls nothing into an earlier stage.
    for at in (0..desired.targets.len()).filter(|at| !changes.contains(at)) {
        stages.of[at] = stages.between.len();
    }
    stages.pull_forward(order);
    stages
}

/// The wave of each target: its own, or an earlier one in which somebody waits for it.
fn waves(desired: &Desired, order: &Order) -> Vec<usize> {
    let last = desired.rollout.waves.len();
    let own = |id| desired.rollout.waves.iter().position(|wave| wave.targets.contains(id));
    let mut waves: Vec<usize> =
        desired.targets.iter().map(|target| own(&target.id).unwrap_or(last)).collect();
    for at in order.sequence.iter().rev() {
        for callee in order.waits_for(*at) {
            waves[*callee] = waves[*callee].min(waves[*at]);
        }
    }
    waves
}

impl Stages {
    /// Cuts the targets of one wave into batches, as their strategy says.
    fn batch(&mut self, desired: &Desired, members: &[usize], wave: usize) {
        let rolling = members.iter().find_map(|at| match &desired.targets[*at].strategy {
            Strategy::Rolling(rolling) => Some(rolling),
            _ => None,
        });
        let Some(rolling) = rolling else {
            for at in members {
                self.of[*at] = self.between.len();
            }
            return self.close("all of it", Duration::ZERO);
        };
        let size = rolling.batch.of(members.len()).get();
        let count = members.len().div_ceil(size);
        for (number, batch) in members.chunks(size).enumerate() {
            let window = rolling.max_unavailable.map_or(batch.len(), std::num::NonZero::get);
            for (place, at) in batch.iter().enumerate() {
                self.of[*at] = self.between.len();
                if let Some(before) = place.checked_sub(window) {
                    self.after.insert(*at, batch[before]);
                }
            }
            // Each has a name of its own: a step of a name that is there already would be left out.
            let of = match desired.rollout.waves.get(wave) {
                Some(wave) => format!(" of wave \"{}\"", wave.name),
                None => String::new(),
            };
            self.close(&format!("batch {} of {count}{of}", number + 1), rolling.bake);
        }
    }

    fn close(&mut self, name: &str, bake: Duration) {
        self.between.push(Between { name: name.to_owned(), bake, approval: None });
    }

    /// The last batch of a wave is the end of the wave as well.
    fn end_of_wave(&mut self, desired: &Desired, wave: usize) {
        let (Some(described), Some(end)) =
            (desired.rollout.waves.get(wave), self.between.last_mut())
        else {
            return;
        };
        end.name = format!("wave \"{}\"", described.name);
        end.bake = end.bake.max(described.bake);
        end.approval = described.approval;
    }

    /// Nothing may wait for what comes in a later batch than itself.
    fn pull_forward(&mut self, order: &Order) {
        for at in order.sequence.iter().rev() {
            for callee in order.waits_for(*at) {
                self.of[*callee] = self.of[*callee].min(self.of[*at]);
            }
        }
        // Whoever was pulled into another batch is not counted in its old one.
        let of = &self.of;
        self.after.retain(|at, before| of[*at] == of[*before]);
    }
}
