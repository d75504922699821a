//! Rate limits: how often a key was asked for in the current window. Counts are kept in memory, as
//! Cloudflare keeps them per place and not durably.

use crate::pool::lock;
use clodo_types::{AccountId, Clock};
use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex},
};

/// So many windows may be kept before those that are over are looked for.
const KEPT: usize = 1_024;

/// One rate limit of a Worker. Limits of the same namespace and period share their counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitRef {
    /// The account that owns it.
    pub account: AccountId,
    /// `namespace_id`: a number that the user made up.
    pub namespace: u64,
    /// How many calls of a key are fine in a period.
    pub limit: u32,
    /// In seconds: 10 or 60.
    pub period: u32,
}

impl fmt::Display for RateLimitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.namespace, self.limit, self.period)
    }
}

impl RateLimitRef {
    /// Reads `<namespace>+<limit>+<period>`.
    pub(crate) fn parse(account: AccountId, text: &str) -> Option<Self> {
        fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
            text?.parse().ok()
        }
        let mut parts = text.split('+');
        let (namespace, limit, period) =
            (number(parts.next())?, number(parts.next())?, number(parts.next())?);
        let whole = parts.next().is_none() && period > 0;
        whole.then_some(Self { account, namespace, limit, period })
    }
}

/// All counts. Cloning shares them.
#[derive(Clone, Debug)]
pub struct RateLimits {
    clock: Arc<dyn Clock>,
    windows: Arc<Mutex<Windows>>,
}

#[derive(Debug, Default)]
struct Windows {
    counts: HashMap<(AccountId, u64, u32, String), (i64, u32)>,
    sweep_at: usize,
}

impl RateLimits {
    /// No count yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, windows: Arc::default() }
    }

    /// Counts a call; false if it is one too many in this window.
    #[must_use]
    pub fn count(&self, at: &RateLimitRef, key: &str) -> bool {
        let now = self.clock.now().as_millis().div_euclid(1_000);
        let window = now.div_euclid(i64::from(at.period));
        let mut windows = lock(&self.windows);
        windows.sweep(now);
        let of = (at.account.clone(), at.namespace, at.period, key.to_owned());
        let (known, count) = windows.counts.entry(of).or_default();
        if *known != window {
            (*known, *count) = (window, 0);
        }
        if *count >= at.limit {
            return false;
        }
        *count += 1;
        true
    }
}

impl Windows {
    /// Forgets windows that are over, whenever there are twice as many as the last time.
    fn sweep(&mut self, now: i64) {
        if self.counts.len() < self.sweep_at.max(KEPT) {
            return;
        }
        self.counts
            .retain(|(_, _, period, _), (window, _)| *window == now.div_euclid(i64::from(*period)));
        self.sweep_at = self.counts.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_types::{ManualClock, Timestamp};
    use std::time::Duration;

    fn at(namespace: u64, limit: u32) -> RateLimitRef {
        let account = "0123456789abcdef0123456789abcdef".parse().unwrap();
        RateLimitRef { account, namespace, limit, period: 10 }
    }

    #[test]
    fn each_key_has_its_own_count_which_begins_anew_in_the_next_window() {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_000_000)));
        let limits = RateLimits::new(clock.clone());
        let seen = |key: &str| (0..4).map(|_| limits.count(&at(1, 2), key)).collect::<Vec<_>>();
        assert_eq!(seen("a"), [true, true, false, false]);
        assert_eq!(seen("b"), [true, true, false, false]);
        assert!(limits.count(&at(2, 2), "a"), "another namespace");
        assert!(limits.count(&at(1, 3), "a"), "a larger limit of the same namespace");
        clock.advance(Duration::from_secs(10));
        assert_eq!(seen("a"), [true, true, false, false]);
        assert!(!limits.count(&at(3, 0), "a"));
    }

    #[test]
    fn windows_that_are_over_are_forgotten() {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_000_000)));
        let limits = RateLimits::new(clock.clone());
        for n in 0..KEPT {
            let _ = limits.count(&at(1, 2), &n.to_string());
        }
        clock.advance(Duration::from_secs(10));
        let _ = limits.count(&at(1, 2), "x");
        assert_eq!(lock(&limits.windows).counts.len(), 1);
    }

    #[test]
    fn a_limit_survives_its_text_form() {
        let account: AccountId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let text = "1001+5+60";
        assert_eq!(RateLimitRef::parse(account.clone(), text).unwrap().to_string(), text);
        for bad in ["", "1+2", "1+2+0", "1+2+3+4", "-1+2+3", "x+1+1"] {
            assert_eq!(RateLimitRef::parse(account.clone(), bad), None, "{bad}");
        }
    }
}
