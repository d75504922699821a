use clodo_judge::JudgeOptions;
use clodo_types::TargetId;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

/// How the new version of a Worker takes over from the one that serves. A Worker that is created
/// has no old version: it serves at once, whatever its strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Strategy {
    /// All traffic at once.
    #[default]
    AllAtOnce,
    /// Batch after batch of targets, each once the one before is healthy.
    Rolling(Rolling),
    /// A growing share of the traffic, each step once the one before was judged no worse.
    Canary(Canary),
    /// Beside the old version and without traffic until it has answered; then all traffic at once.
    BlueGreen(BlueGreen),
}

impl Strategy {
    /// The word for it in `clodo.toml`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::AllAtOnce => "all-at-once",
            Self::Rolling(_) => "rolling",
            Self::Canary(_) => "canary",
            Self::BlueGreen(_) => "blue-green",
        }
    }

    /// Whether two versions share the traffic for a while.
    pub(crate) fn splits(&self) -> bool {
        matches!(self, Self::Canary(_) | Self::BlueGreen(_))
    }
}

/// How targets are rolled out in batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Rolling {
    /// How many targets a batch has.
    pub batch: BatchSize,
    /// How many targets of a batch may have a new version that has not answered yet; all of the
    /// batch when it is not set.
    pub max_unavailable: Option<NonZeroUsize>,
    /// How long a batch must stay healthy before the next begins.
    #[serde(with = "millis")]
    pub bake: Duration,
}

impl Default for Rolling {
    /// A fifth of the targets, without a pause.
    fn default() -> Self {
        Self { batch: BatchSize::Percent(20.0), max_unavailable: None, bake: Duration::ZERO }
    }
}

/// How many targets are changed together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchSize {
    /// That many.
    Count(NonZeroUsize),
    /// That part of all, in percent; at least one.
    Percent(f64),
}

impl BatchSize {
    /// How many of `all` targets that is.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a number of targets, cut to that range"
    )]
    pub fn of(self, all: usize) -> NonZeroUsize {
        let count = match self {
            Self::Count(count) => count.get(),
            Self::Percent(part) => (all as f64 * (part / 100.0).clamp(0.0, 1.0)).ceil() as usize,
        };
        NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
    }
}

/// How a canary is rolled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Canary {
    /// The steps, each with a larger share than the one before; all of the traffic follows by itself.
    pub steps: Vec<CanaryStep>,
    /// How long each step lasts at least, unless it says so itself.
    #[serde(with = "millis")]
    pub bake: Duration,
    /// How long a step may stay without a verdict.
    #[serde(with = "millis")]
    pub limit: Duration,
    /// What happens then.
    pub inconclusive: Inconclusive,
    /// How often the telemetry is read.
    #[serde(with = "millis")]
    pub interval: Duration,
    /// How it is judged.
    pub judge: JudgeOptions,
}

impl Default for Canary {
    /// 5, 25 and 50 percent for five minutes each, read every ten seconds; held after an hour
    /// without a verdict.
    fn default() -> Self {
        Self {
            steps: [5.0, 25.0, 50.0].map(CanaryStep::new).into(),
            bake: Duration::from_mins(5),
            limit: Duration::from_hours(1),
            inconclusive: Inconclusive::Hold,
            interval: Duration::from_secs(10),
            judge: JudgeOptions::default(),
        }
    }
}

/// One step of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CanaryStep {
    /// The share of the traffic that it gets, in percent: above 0, below 100.
    pub percentage: f64,
    /// How long it lasts at least, where that is not as for all steps.
    #[serde(default, with = "some_millis", skip_serializing_if = "Option::is_none")]
    pub bake: Option<Duration>,
}

impl CanaryStep {
    /// A step that lasts as long as all do.
    #[must_use]
    pub fn new(percentage: f64) -> Self {
        Self { percentage, bake: None }
    }

    /// Lets it last at least that long.
    #[must_use]
    pub fn with_bake(mut self, bake: Duration) -> Self {
        self.bake = Some(bake);
        self
    }
}

/// What happens to a canary about which there is no verdict in time. It is never promoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inconclusive {
    /// It stays where it is, judged on, until somebody continues or aborts the deployment.
    #[default]
    Hold,
    /// It is taken back.
    RollBack,
    /// The process ends and leaves it where it is; `resume`, `continue` and `abort` decide.
    Ask,
}

/// How a blue-green deployment is rolled out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BlueGreen {
    /// How long the new version must stay healthy under all traffic, with the old one at hand.
    #[serde(with = "millis")]
    pub bake: Duration,
}

/// In which order groups of targets come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Rollout {
    /// Waves, one after the other; targets that are in none come last. A target that another one
    /// waits for comes no later than that one.
    pub waves: Vec<Wave>,
    /// Somebody must say yes before anything is written.
    pub approval: Option<Approval>,
}

/// Targets that are rolled out together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Wave {
    /// What it is called: `canary customer`.
    pub name: String,
    /// The targets.
    pub targets: BTreeSet<TargetId>,
    /// How long they must stay healthy before the next wave begins.
    #[serde(with = "millis")]
    pub bake: Duration,
    /// Somebody must say yes before the next wave begins.
    pub approval: Option<Approval>,
}

impl Wave {
    /// A wave that waits for health alone.
    #[must_use]
    pub fn new(name: impl Into<String>, targets: impl IntoIterator<Item = TargetId>) -> Self {
        Self { name: name.into(), targets: targets.into_iter().collect(), ..Self::default() }
    }

    /// Sets how long its targets must stay healthy.
    #[must_use]
    pub fn with_bake(mut self, bake: Duration) -> Self {
        self.bake = bake;
        self
    }

    /// Lets the next wave wait for a yes.
    #[must_use]
    pub fn with_approval(mut self, approval: Approval) -> Self {
        self.approval = Some(approval);
        self
    }
}

/// Whose yes is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// Anybody's.
    #[default]
    Anybody,
    /// Somebody's who did not start the deployment.
    SomebodyElse,
}

/// Durations as whole milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// Durations that may be missing, as whole milliseconds.
mod some_millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_at_least_one_target() {
        let of = |percent: f64, all| BatchSize::Percent(percent).of(all).get();
        assert_eq!((of(20.0, 50), of(20.0, 51), of(20.0, 3), of(0.0, 9)), (10, 11, 1, 1));
        assert_eq!((of(100.0, 7), of(1_000.0, 7), of(f64::NAN, 7)), (7, 7, 1));
        assert_eq!(BatchSize::Count(NonZeroUsize::new(3).unwrap()).of(2).get(), 3);
    }

    #[test]
    fn a_strategy_survives_its_text_form() {
        for strategy in [
            Strategy::AllAtOnce,
            Strategy::Rolling(Rolling::default()),
            Strategy::Canary(Canary::default()),
            Strategy::Canary(Canary {
                steps: vec![CanaryStep::new(1.5).with_bake(Duration::from_secs(90))],
                ..Canary::default()
            }),
            Strategy::BlueGreen(BlueGreen { bake: Duration::from_millis(1_500) }),
        ] {
            let text = serde_json::to_string(&strategy).unwrap();
            assert!(text.contains(strategy.word()), "{text}");
            assert_eq!(serde_json::from_str::<Strategy>(&text).unwrap(), strategy);
        }
    }
}
