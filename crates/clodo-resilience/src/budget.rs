use std::{sync::Mutex, time::Duration};
use tokio::time::{Instant, sleep_until};

/// The longest wait that a server can talk us into.
const LONGEST: Duration = Duration::from_secs(3600);
/// Two windows count as the same one when they end this close together.
const SLACK: Duration = Duration::from_secs(2);

/// What an answer says about the budget of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Calls that are left in the present window.
    pub remaining: Option<u64>,
    /// Time until the window ends.
    pub resets_in: Option<Duration>,
    /// Calls in a whole window.
    pub quota: Option<u64>,
    /// Length of a window.
    pub window: Option<Duration>,
    /// The call was refused because the budget is used up; the server asks to wait this long.
    pub refused_for: Option<Duration>,
}

impl RateLimits {
    /// True when the server speaks of a budget at all.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.remaining.is_some() || self.refused_for.is_some()
    }
}

/// So many calls in each window of time. A whole window's calls may be made in one burst; then
/// callers wait until the window ends.
///
/// It follows what the server says ([`CallBudget::learn`]), since others may use the same budget.
/// No wait is longer than what is left of the window that the server named, and never longer than
/// an hour: then the next call may be tried.
#[derive(Debug)]
pub struct CallBudget(Mutex<Window>);

/// How a [`CallBudget`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetView {
    /// Calls in a whole window.
    pub quota: u64,
    /// Length of a window.
    pub window: Duration,
    /// Calls that are left in the present window.
    pub remaining: u64,
    /// Time until the present window ends; none when no window has begun.
    pub resets_in: Option<Duration>,
    /// How long the server still refuses everything.
    pub refused_for: Option<Duration>,
    /// Whether callers are held up at all: false until the server speaks of a limit.
    pub limited: bool,
}

#[derive(Debug)]
struct Window {
    quota: u64,
    window: Duration,
    remaining: u64,
    /// When the present window ends; none before the first call of a window.
    resets_at: Option<Instant>,
    /// Nothing may be sent before this.
    refused_until: Option<Instant>,
    /// Whether there is a limit at all.
    limited: bool,
}

impl CallBudget {
    /// `quota` calls in each `window` as a first guess at a server's limit: nobody waits until the
    /// server speaks of one.
    #[must_use]
    pub fn following(quota: u64, window: Duration) -> Self {
        Self(Mutex::new(Window {
            quota: quota.max(1),
            window: window.min(LONGEST),
            remaining: quota.max(1),
            resets_at: None,
            refused_until: None,
            limited: false,
        }))
    }

    /// `quota` calls in each `window` whatever the server says.
    #[must_use]
    pub fn fixed(quota: u64, window: Duration) -> Self {
        let budget = Self::following(quota, window);
        budget.locked(|window, _| window.limited = true);
        budget
    }

    /// Waits until one call may be made, and counts it.
    ///
    /// Dropping the future counts nothing and holds nobody up.
    pub async fn take(&self) {
        while let Err(until) = self.try_take() {
            sleep_until(until).await;
        }
    }

    /// Counts one call, or says when to ask again.
    ///
    /// # Errors
    /// When the window's calls are used up, or the server refused: the moment when that may end.
    pub fn try_take(&self) -> Result<(), Instant> {
        self.locked(Window::take)
    }

    /// Whether a call may be made now, without counting one.
    ///
    /// # Errors
    /// As [`CallBudget::try_take`].
    pub fn ready(&self) -> Result<(), Instant> {
        self.locked(Window::ready)
    }

    /// Takes back one call that was counted and never made.
    pub fn give_back(&self) {
        self.locked(|window, now| {
            if window.resets_at.is_some_and(|at| now < at) {
                window.remaining = window.remaining.saturating_add(1).min(window.quota);
            }
        });
    }

    /// Learns from an answer. What the server says counts more than what was counted here.
    pub fn learn(&self, said: &RateLimits) {
        self.locked(|window, now| window.learn(said, now));
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> BudgetView {
        self.locked(|window, now| window.view(now))
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Window, Instant) -> T) -> T {
        act(&mut self.0.lock().expect("no holder panics"), Instant::now())
    }
}

impl Window {
    fn ready(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.refused_until.filter(|until| now < *until) {
            return Err(until);
        }
        self.refused_until = None;
        match self.resets_at.filter(|at| now < *at) {
            Some(resets_at) if self.remaining == 0 && self.limited => Err(resets_at),
            _ => Ok(()),
        }
    }

    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        self.ready(now)?;
        if self.resets_at.is_none_or(|at| at <= now) {
            self.remaining = self.quota;
            self.resets_at = Some(now + self.window);
        }
        self.remaining = self.remaining.saturating_sub(1);
        Ok(())
    }

    fn learn(&mut self, said: &RateLimits, now: Instant) {
        if !said.is_limited() {
            return;
        }
        self.limited = true;
        self.quota = said.quota.unwrap_or(self.quota).max(1);
        self.window = said.window.unwrap_or(self.window).min(LONGEST);
        if let Some(wait) = said.refused_for {
            let until = now + wait.min(LONGEST);
            self.refused_until = self.refused_until.max(Some(until));
        }
        let Some(remaining) = said.remaining else { return };
        let Some(resets_in) = said.resets_in else {
            self.remaining = self.remaining.min(remaining);
            return;
        };
        let ends = now + resets_in.min(LONGEST);
        let same_window = self.resets_at.is_some_and(|at| now < at && ends <= at + SLACK);
        // Answers arrive out of order, and calls under way are counted here before they are
        // counted there: within one window the smaller number is the truth.
        self.remaining = if same_window { self.remaining.min(remaining) } else { remaining };
        self.resets_at = Some(ends);
    }

    fn view(&self, now: Instant) -> BudgetView {
        let left =
            |until: Option<Instant>| until.filter(|until| now < *until).map(|until| until - now);
        let resets_in = left(self.resets_at);
        BudgetView {
            quota: self.quota,
            window: self.window,
            remaining: if resets_in.is_some() { self.remaining } else { self.quota },
            resets_in,
            refused_for: left(self.refused_until),
            limited: self.limited,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(remaining: u64, resets_in: u64) -> RateLimits {
        RateLimits {
            remaining: Some(remaining),
            resets_in: Some(Duration::from_secs(resets_in)),
            ..RateLimits::default()
        }
    }

    fn cloudflare() -> CallBudget {
        CallBudget::following(1200, Duration::from_secs(300))
    }

    async fn waited(budget: &CallBudget, calls: u64) -> Duration {
        let began = Instant::now();
        for _ in 0..calls {
            budget.take().await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_quota_bursts_and_then_waits_for_the_window() {
        let budget = cloudflare();
        budget.take().await;
        budget.learn(&said(1199, 300));
        assert_eq!(waited(&budget, 1199).await, Duration::ZERO);
        assert_eq!(waited(&budget, 1).await, Duration::from_secs(300));
        assert_eq!(waited(&budget, 1199).await, Duration::ZERO);
        assert_eq!(waited(&budget, 1).await, Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_names_no_budget_holds_nobody_up() {
        let budget = CallBudget::following(3, Duration::from_secs(300));
        budget.learn(&RateLimits::default());
        assert_eq!(waited(&budget, 5000).await, Duration::ZERO);
        assert!(!budget.view().limited);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_budget_holds_whatever_the_server_does_not_say() {
        let budget = CallBudget::fixed(30, Duration::from_secs(10));
        assert_eq!(waited(&budget, 30).await, Duration::ZERO);
        assert_eq!(waited(&budget, 30).await, Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_says_goes_before_what_was_counted() {
        let budget = cloudflare();
        budget.learn(&said(2, 30));
        assert_eq!(waited(&budget, 2).await, Duration::ZERO);
        assert_eq!(waited(&budget, 1).await, Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_gives_nothing_back() {
        let budget = cloudflare();
        budget.learn(&said(2, 30));
        budget.take().await;
        budget.learn(&said(40, 30));
        assert_eq!(waited(&budget, 2).await, Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_window_of_the_server_is_followed() {
        let budget = cloudflare();
        budget.learn(&said(0, 30));
        budget.learn(&said(1100, 300));
        assert_eq!(waited(&budget, 1100).await, Duration::ZERO);
        assert_eq!(waited(&budget, 1).await, Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_everybody_up_for_as_long_as_it_says() {
        let budget = cloudflare();
        let refused_for = Some(Duration::from_secs(40));
        budget.learn(&RateLimits { refused_for, ..RateLimits::default() });
        assert_eq!(budget.view().refused_for, refused_for);
        assert_eq!(waited(&budget, 5).await, Duration::from_secs(40));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_not_made_is_given_back_once_and_never_beyond_the_quota() {
        let budget = CallBudget::fixed(2, Duration::from_secs(10));
        budget.give_back();
        assert_eq!(waited(&budget, 2).await, Duration::ZERO);
        budget.give_back();
        assert_eq!(budget.ready(), Ok(()));
        assert_eq!(waited(&budget, 1).await, Duration::ZERO);
        assert!(budget.ready().is_err());
        for _ in 0..9 {
            budget.give_back();
        }
        assert_eq!(budget.view().remaining, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn absurd_numbers_neither_panic_nor_block_for_ever() {
        let budget = CallBudget::following(0, Duration::MAX);
        budget.learn(&RateLimits {
            remaining: Some(0),
            resets_in: Some(Duration::MAX),
            quota: Some(0),
            window: Some(Duration::MAX),
            refused_for: Some(Duration::MAX),
        });
        assert!(waited(&budget, 1).await <= LONGEST);
    }
}
