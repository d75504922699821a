use crate::{
    pacer::{Pacer, PacerError},
    ratelimit::RateLimits,
};
use async_trait::async_trait;
use std::{sync::Mutex, time::Duration};
use tokio::time::Instant;

/// The longest wait that a server can talk us into.
const LONGEST: Duration = Duration::from_secs(3600);
/// Two windows count as the same one when they end this close together.
const SLACK: Duration = Duration::from_secs(2);

/// A budget within this process: the whole quota may burst, then calls wait for the window to
/// end. It follows what the server says, and stays out of the way of a server that says nothing.
#[derive(Debug)]
pub struct TokenBucket(Mutex<Budget>);

#[derive(Debug)]
struct Budget {
    quota: u64,
    window: Duration,
    remaining: u64,
    /// When the present window ends; none before the first call of a window.
    resets_at: Option<Instant>,
    /// Nothing may be sent before this.
    refused_until: Option<Instant>,
    /// Whether the server ever spoke of a budget.
    limited: bool,
}

impl TokenBucket {
    /// `quota` calls in each `window`.
    #[must_use]
    pub fn new(quota: u64, window: Duration) -> Self {
        Self(Mutex::new(Budget {
            quota: quota.max(1),
            window: window.min(LONGEST),
            remaining: quota.max(1),
            resets_at: None,
            refused_until: None,
            limited: false,
        }))
    }

    /// Cloudflare's limit for one token: 1,200 calls in 5 minutes.
    #[must_use]
    pub fn cloudflare() -> Self {
        Self::new(1200, Duration::from_secs(300))
    }

    fn take(&self) -> Result<(), Instant> {
        self.0.lock().expect("no holder panics").take(Instant::now())
    }
}

impl Budget {
    /// Counts one call, or says when to ask again.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.refused_until.filter(|until| now < *until) {
            return Err(until);
        }
        self.refused_until = None;
        let resets_at = match self.resets_at.filter(|at| now < *at) {
            Some(at) => at,
            None => {
                self.remaining = self.quota;
                *self.resets_at.insert(now + self.window)
            }
        };
        if self.remaining == 0 && self.limited {
            return Err(resets_at);
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
}

#[async_trait]
impl Pacer for TokenBucket {
    async fn acquire(&self) -> Result<(), PacerError> {
        while let Err(until) = self.take() {
            tracing::debug!(wait = ?until.duration_since(Instant::now()), "the budget is used up");
            tokio::time::sleep_until(until).await;
        }
        Ok(())
    }

    async fn observe(&self, said: &RateLimits) -> Result<(), PacerError> {
        self.0.lock().expect("no holder panics").learn(said, Instant::now());
        Ok(())
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

    async fn waited(bucket: &TokenBucket, calls: u64) -> Duration {
        let began = Instant::now();
        for _ in 0..calls {
            bucket.acquire().await.unwrap();
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_quota_bursts_and_then_waits_for_the_window() {
        let bucket = TokenBucket::cloudflare();
        bucket.acquire().await.unwrap();
        bucket.observe(&said(1199, 300)).await.unwrap();
        assert_eq!(waited(&bucket, 1199).await, Duration::ZERO);
        assert_eq!(waited(&bucket, 1).await, Duration::from_secs(300));
        assert_eq!(waited(&bucket, 1199).await, Duration::ZERO);
        assert_eq!(waited(&bucket, 1).await, Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_names_no_budget_is_not_paced() {
        let bucket = TokenBucket::new(3, Duration::from_secs(300));
        bucket.observe(&RateLimits::default()).await.unwrap();
        assert_eq!(waited(&bucket, 5000).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_says_goes_before_what_was_counted() {
        let bucket = TokenBucket::cloudflare();
        bucket.observe(&said(2, 30)).await.unwrap();
        assert_eq!(waited(&bucket, 2).await, Duration::ZERO);
        assert_eq!(waited(&bucket, 1).await, Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_gives_nothing_back() {
        let bucket = TokenBucket::cloudflare();
        bucket.observe(&said(2, 30)).await.unwrap();
        bucket.acquire().await.unwrap();
        bucket.observe(&said(40, 30)).await.unwrap();
        assert_eq!(waited(&bucket, 2).await, Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_window_of_the_server_is_followed() {
        let bucket = TokenBucket::cloudflare();
        bucket.observe(&said(0, 30)).await.unwrap();
        bucket.observe(&said(1100, 300)).await.unwrap();
        assert_eq!(waited(&bucket, 1100).await, Duration::ZERO);
        assert_eq!(waited(&bucket, 1).await, Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_everybody_up_for_as_long_as_it_says() {
        let bucket = TokenBucket::cloudflare();
        let refused =
            RateLimits { refused_for: Some(Duration::from_secs(40)), ..RateLimits::default() };
        bucket.observe(&refused).await.unwrap();
        assert_eq!(waited(&bucket, 5).await, Duration::from_secs(40));
    }

    #[tokio::test(start_paused = true)]
    async fn absurd_numbers_neither_panic_nor_block_for_ever() {
        let bucket = TokenBucket::new(0, Duration::MAX);
        let absurd = RateLimits {
            remaining: Some(0),
            resets_in: Some(Duration::MAX),
            quota: Some(0),
            window: Some(Duration::MAX),
            refused_for: Some(Duration::MAX),
        };
        bucket.observe(&absurd).await.unwrap();
        assert!(waited(&bucket, 1).await <= LONGEST);
    }
}
