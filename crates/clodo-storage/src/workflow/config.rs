//! How a step is to be tried.

use super::workflow_duration;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// What a step says whose delay a function of its code decides.
const DYNAMIC: &str = "[dynamic]";
/// The longest time between two attempts: nothing here takes longer than a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A step's settings, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StepConfig {
    /// How often it is tried again after its first attempt.
    pub(super) limit: u32,
    /// `None`: the code decides.
    delay: Option<Duration>,
    backoff: Backoff,
    pub(super) timeout: Duration,
    /// As the code and the logs see it, with the defaults.
    pub(super) shown: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backoff {
    Constant,
    Linear,
    Exponential,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    retries: Option<RetriesWire>,
    timeout: Option<Value>,
    sensitive: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetriesWire {
    limit: u32,
    delay: Value,
    backoff: Option<Backoff>,
}

impl StepConfig {
    /// From what the code gave; `None` if that is no configuration.
    pub(super) fn of(given: &Value) -> Option<Self> {
        let wire: Wire = if given.is_null() {
            Wire::default()
        } else {
            serde_json::from_value(given.clone()).ok()?
        };
        let sensitive = wire.sensitive;
        if sensitive.as_ref().is_some_and(|what| what != "output") {
            return None;
        }
        let timeout = wire.timeout.unwrap_or(json!("10 minutes"));
        let retries =
            wire.retries.unwrap_or(RetriesWire { limit: 5, delay: json!(10_000), backoff: None });
        let backoff = retries.backoff.unwrap_or(Backoff::Exponential);
        let delay = match retries.delay.as_str() {
            Some(DYNAMIC) => None,
            _ => Some(workflow_duration(&retries.delay)?),
        };
        let word = match backoff {
            Backoff::Constant => "constant",
            Backoff::Linear => "linear",
            Backoff::Exponential => "exponential",
        };
        let mut shown = json!({
            "retries": { "limit": retries.limit, "delay": retries.delay, "backoff": word },
            "timeout": timeout,
        });
        if let Some(sensitive) = sensitive {
            shown["sensitive"] = sensitive;
        }
        let timeout = workflow_duration(&timeout).filter(|timeout| !timeout.is_zero())?;
        Some(Self { limit: retries.limit, delay, backoff, timeout, shown })
    }

    /// How long to wait after this attempt failed; `chosen` is what the code decided.
    pub(super) fn delay(&self, attempt: u32, chosen: Option<Duration>) -> Duration {
        let Some(delay) = self.delay else { return chosen.unwrap_or_default() };
        let times = match self.backoff {
            Backoff::Constant => 1,
            Backoff::Linear => attempt,
            Backoff::Exponential => 2_u32.saturating_pow(attempt.saturating_sub(1)),
        };
        delay.saturating_mul(times).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_ever_later_as_the_step_says() {
        let delays = |retries: Value| {
            let config = StepConfig::of(&json!({ "retries": retries })).unwrap();
            [1, 2, 3, 40].map(|attempt| config.delay(attempt, None).as_millis())
        };
        let year = LONGEST.as_millis();
        let retries =
            |backoff: &str| json!({ "limit": 9, "delay": "1 second", "backoff": backoff });
        assert_eq!(delays(retries("constant")), [1_000; 4]);
        assert_eq!(delays(retries("linear")), [1_000, 2_000, 3_000, 40_000]);
        assert_eq!(delays(retries("exponential")), [1_000, 2_000, 4_000, year]);
        assert_eq!(delays(json!({ "limit": 0, "delay": 5000 })), [5_000, 10_000, 20_000, year]);
        assert_eq!(StepConfig::of(&Value::Null).unwrap().delay(2, None).as_secs(), 20);
        let dynamic = json!({ "retries": { "limit": 1, "delay": DYNAMIC } });
        let dynamic = StepConfig::of(&dynamic).unwrap();
        assert_eq!(dynamic.delay(3, Some(Duration::from_millis(7))).as_millis(), 7);
        assert_eq!(dynamic.delay(3, None), Duration::ZERO);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for given in [
            json!(1),
            json!({ "retry": {} }),
            json!({ "retries": {} }),
            json!({ "retries": { "limit": -1, "delay": 1 } }),
            json!({ "retries": { "limit": 1.5, "delay": 1 } }),
            json!({ "retries": { "limit": 1, "delay": "soon" } }),
            json!({ "retries": { "limit": 1, "delay": 1, "backoff": "random" } }),
            json!({ "retries": { "limit": 1, "delay": 1, "jitter": true } }),
            json!({ "timeout": 0 }),
            json!({ "timeout": "never" }),
            json!({ "sensitive": "input" }),
        ] {
            assert_eq!(StepConfig::of(&given), None, "{given}");
        }
        let given = json!({ "timeout": "1 minute", "sensitive": "output" });
        let config = StepConfig::of(&given).unwrap();
        assert_eq!(config.timeout, Duration::from_secs(60));
        assert_eq!(config.shown["sensitive"], "output");
        assert_eq!(config.shown["retries"]["limit"], 5);
    }
}
