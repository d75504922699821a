//! How much of each caller's budget is left.

use super::{Limits, Rate};
use clodo_types::Timestamp;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Callers that are remembered; beyond that those whose window is over are forgotten.
const KEPT: usize = 10_000;

/// The limits in force, and who has used how much of them.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    limits: Limits,
    windows: HashMap<String, Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    used: u32,
    /// Since when everything is refused, whatever is left.
    blocked: Option<Timestamp>,
}

/// What the `Ratelimit` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) rate: Rate,
    pub(crate) remaining: u32,
    pub(crate) resets_in: Duration,
}

/// Whether a call may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass(Option<Standing>),
    Refused(Standing),
}

impl Budgets {
    pub(crate) fn limits(&self) -> Limits {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).limits.clone()
    }

    /// Puts other limits in force; what was used so far is forgotten.
    pub(crate) fn set(&self, limits: Limits) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { limits, windows: HashMap::new() };
    }

    /// Counts one call. `who` is the user or account token, if it is known.
    pub(crate) fn spend(
        &self,
        who: Option<&str>,
        from: IpAddr,
        graphql: bool,
        now: Timestamp,
    ) -> Verdict {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { limits, windows } = &mut *state;
        if let Some(rate) = limits.per_address {
            let key = format!("address {from}");
            if let Verdict::Refused(standing) = spend(windows, key, rate, now, false) {
                return Verdict::Refused(standing);
            }
        }
        let (rate, kind) = match graphql {
            true => (limits.graphql, "graphql"),
            false => (limits.calls, "calls"),
        };
        match (rate, who) {
            (Some(rate), Some(who)) => spend(windows, format!("{kind} {who}"), rate, now, true),
            _ => Verdict::Pass(None),
        }
    }
}

fn spend(
    windows: &mut HashMap<String, Window>,
    key: String,
    rate: Rate,
    now: Timestamp,
    blocks: bool,
) -> Verdict {
    if windows.len() >= KEPT {
        windows.retain(|_, window| now.since(window.last()) < rate.window);
    }
    let fresh = Window { began: now, used: 0, blocked: None };
    let window = windows.entry(key).or_insert(fresh);
    if now.since(window.last()) >= rate.window || now < window.began {
        *window = fresh;
    }
    if window.blocked.is_none() && window.used < rate.calls {
        window.used += 1;
        return Verdict::Pass(Some(window.standing(rate, now)));
    }
    if blocks && window.blocked.is_none() {
        // Whoever goes over the limit is out for a whole window from then on.
        window.blocked = Some(now);
    }
    Verdict::Refused(window.standing(rate, now))
}

impl Window {
    fn last(self) -> Timestamp {
        self.blocked.unwrap_or(self.began)
    }

    fn standing(self, rate: Rate, now: Timestamp) -> Standing {
        let remaining =
            if self.blocked.is_some() { 0 } else { rate.calls.saturating_sub(self.used) };
        let resets_in = rate.window.saturating_sub(now.since(self.last()));
        Standing { rate, remaining, resets_in }
    }
}

impl Standing {
    /// Rounded up, and never 0: whoever waits that long must come through.
    pub(crate) fn seconds(self) -> u64 {
        u64::try_from(self.resets_in.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    fn budgets(limits: Limits) -> Budgets {
        let budgets = Budgets::default();
        budgets.set(limits);
        budgets
    }

    #[test]
    fn whoever_goes_over_is_out_for_a_window_from_then_on() {
        let budgets = budgets(Limits::of_calls(2, Duration::from_secs(10)));
        let spend = |who: &str, second| match budgets.spend(Some(who), HERE, false, at(second)) {
            Verdict::Pass(Some(left)) => (true, left.remaining, left.seconds()),
            Verdict::Refused(left) => (false, left.remaining, left.seconds()),
            Verdict::Pass(None) => panic!("no limit"),
        };
        assert_eq!(spend("a", 0), (true, 1, 10));
        assert_eq!(spend("a", 4), (true, 0, 6));
        assert_eq!(spend("a", 6), (false, 0, 10), "blocked from now");
        assert_eq!(spend("b", 6), (true, 1, 10), "another user");
        assert_eq!(spend("a", 12), (false, 0, 4), "the first window is over, the block is not");
        assert_eq!(spend("a", 16), (true, 1, 10));
        assert_eq!(spend("b", 16), (true, 1, 10), "a window of its own");
    }

    #[test]
    fn an_address_gets_its_calls_again_each_second_and_nothing_is_counted_when_off() {
        let limits = Limits {
            per_address: Some(Rate { calls: 1, window: Duration::from_secs(1) }),
            ..Limits::off()
        };
        let limited = budgets(limits);
        assert_eq!(limited.spend(None, HERE, false, at(0)), Verdict::Pass(None));
        assert!(matches!(limited.spend(None, HERE, false, at(0)), Verdict::Refused(_)));
        assert_eq!(limited.spend(None, HERE, false, at(1)), Verdict::Pass(None));
        let off = Budgets::default();
        assert!(
            (0..5_000).all(|_| off.spend(Some("a"), HERE, false, at(0)) == Verdict::Pass(None))
        );
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lock_anybody_out() {
        let budgets = budgets(Limits::of_calls(1, Duration::from_secs(10)));
        budgets.spend(Some("a"), HERE, false, at(100));
        let verdict = budgets.spend(Some("a"), HERE, false, at(0));
        assert!(matches!(verdict, Verdict::Pass(Some(_))), "{verdict:?}");
    }
}
