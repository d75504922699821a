//! Cloudflare's limits, for whoever asks for them: calls per window, quotas, slow propagation.

mod budget;
mod propagation;
mod quota;
mod rate;

pub(crate) use budget::{Budgets, Standing, Verdict};
pub(crate) use propagation::LateWorkers;
pub(crate) use quota::{check as check_quota, check_crons, check_startup, check_upload};
pub use rate::{Plan, Rate};

use crate::span;
use std::{str::FromStr, time::Duration};

/// What the cloud limits; all of it is off unless somebody wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Calls per user, or per account token.
    pub calls: Option<Rate>,
    /// GraphQL queries per user, or per account token.
    pub graphql: Option<Rate>,
    /// Calls per client address.
    pub per_address: Option<Rate>,
    /// The plan whose quotas hold: how many Workers, databases … and how large.
    pub plan: Option<Plan>,
    /// How long listings and hostnames go on to show what was before a write.
    pub propagation: Duration,
}

/// Words that are no limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}")]
pub struct LimitsError {
    given: String,
    what: &'static str,
}

impl LimitsError {
    fn new(given: &str, what: &'static str) -> Self {
        Self { given: given.to_owned(), what }
    }
}

/// Changes to limits, as people write them; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct LimitWords<'a> {
    /// `off`, `real`, or calls per time such as `30/10s`. Sets the plan as well.
    pub limits: Option<&'a str>,
    /// `free`, `paid` or `none`.
    pub plan: Option<&'a str>,
    /// Such as `2s`.
    pub propagation: Option<&'a str>,
}

impl Limits {
    /// Nothing is limited.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// What Cloudflare documents: 1,200 calls per five minutes and user, 320 GraphQL queries, 200
    /// calls per second and address, and the quotas of a plan.
    #[must_use]
    pub fn real(plan: Plan) -> Self {
        let minutes = Duration::from_secs(300);
        Self {
            calls: Some(Rate { calls: 1_200, window: minutes }),
            graphql: Some(Rate { calls: 320, window: minutes }),
            per_address: Some(Rate { calls: 200, window: Duration::from_secs(1) }),
            plan: Some(plan),
            propagation: Duration::ZERO,
        }
    }

    /// So many calls per window and user; nothing else is limited.
    #[must_use]
    pub fn of_calls(calls: u32, window: Duration) -> Self {
        Self { calls: Some(Rate { calls, window }), ..Self::default() }
    }

    /// The same, with the quotas of a plan.
    #[must_use]
    pub fn with_plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// The same, with writes that listings and hostnames show only after a while.
    #[must_use]
    pub fn with_propagation(mut self, delay: Duration) -> Self {
        self.propagation = delay;
        self
    }

    /// The same, with what the words change.
    ///
    /// # Errors
    /// When a word is none.
    pub fn changed(&self, words: LimitWords<'_>) -> Result<Self, LimitsError> {
        let mut limits = match words.limits {
            Some(text) => Self { propagation: self.propagation, ..text.parse()? },
            None => self.clone(),
        };
        match words.plan {
            None => {}
            Some("none") => limits.plan = None,
            Some(text) => {
                let wrong = |()| LimitsError::new(text, "plan: write `free`, `paid` or `none`");
                limits.plan = Some(text.parse().map_err(wrong)?);
            }
        }
        if let Some(text) = words.propagation {
            let wrong = || LimitsError::new(text, "time: write such as `2s` or `500ms`");
            limits.propagation = span::parse(text).ok_or_else(wrong)?;
        }
        Ok(limits)
    }

    /// As `GET /clodo/limits` answers.
    #[must_use]
    pub fn shown(&self) -> serde_json::Value {
        let rate = |rate: Option<Rate>| rate.map(|rate| rate.to_string());
        serde_json::json!({
            "calls": rate(self.calls),
            "graphql": rate(self.graphql),
            "per_address": rate(self.per_address),
            "plan": self.plan.map(Plan::as_str),
            "propagation": span::show(self.propagation),
        })
    }
}

impl FromStr for Limits {
    type Err = LimitsError;

    fn from_str(text: &str) -> Result<Self, LimitsError> {
        match text {
            "off" => Ok(Self::off()),
            "real" => Ok(Self::real(Plan::Paid)),
            other => {
                let what = "limit: write `off`, `real`, or calls per time such as `30/10s`";
                let rate: Rate = other.parse().map_err(|()| LimitsError::new(other, what))?;
                Ok(Self { calls: Some(rate), ..Self::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_one_word() {
        assert_eq!("off".parse(), Ok(Limits::off()));
        assert_eq!("real".parse(), Ok(Limits::real(Plan::Paid)));
        assert_eq!("30/10s".parse(), Ok(Limits::of_calls(30, Duration::from_secs(10))));
        for wrong in ["", "on", "30", "0/10s", "30/0s", "30/10x", "-1/1s", "1/2/3"] {
            assert!(wrong.parse::<Limits>().is_err(), "{wrong}");
        }
    }
}
