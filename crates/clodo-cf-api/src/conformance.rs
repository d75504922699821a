//! What every [`Pacer`] must pass. Feature `conformance`.
//!
//! Run it on a runtime whose clock is paused. Broken promises panic.

use crate::pacer::Pacer;
use clodo_resilience::RateLimits;
use std::{future::Future, time::Duration};
use tokio::time::{Instant, timeout};

/// What every pacer promises. `fresh` gives one that has counted nothing.
///
/// # Panics
/// When a promise is broken.
pub async fn check<P: Pacer, F: Future<Output = P>>(fresh: impl Fn() -> F) {
    without_a_word_of_the_server_nothing_waits(&fresh().await).await;
    a_whole_budget_bursts(&fresh().await).await;
    no_answer_blocks_for_ever(&fresh().await).await;
}

/// What a pacer promises that does limit.
///
/// # Panics
/// When a promise is broken.
pub async fn check_limits<P: Pacer, F: Future<Output = P>>(fresh: impl Fn() -> F) {
    a_used_up_budget_waits_for_the_window(&fresh().await).await;
    a_dropped_wait_counts_nothing(&fresh().await).await;
    a_refusal_holds_up(&fresh().await).await;
}

fn said(remaining: u64, resets_in: u64) -> RateLimits {
    RateLimits {
        remaining: Some(remaining),
        resets_in: Some(Duration::from_secs(resets_in)),
        quota: Some(1200),
        window: Some(Duration::from_secs(300)),
        refused_for: None,
    }
}

async fn take(pacer: &dyn Pacer, calls: u32) -> Duration {
    let began = Instant::now();
    for _ in 0..calls {
        pacer.acquire().await.expect("the pacer can be asked");
    }
    began.elapsed()
}

async fn tell(pacer: &dyn Pacer, said: &RateLimits) {
    pacer.observe(said).await.expect("the pacer can be told");
}

async fn without_a_word_of_the_server_nothing_waits(pacer: &dyn Pacer) {
    tell(pacer, &RateLimits::default()).await;
    assert_eq!(take(pacer, 1500).await, Duration::ZERO);
}

async fn a_whole_budget_bursts(pacer: &dyn Pacer) {
    tell(pacer, &said(1200, 300)).await;
    assert_eq!(take(pacer, 1200).await, Duration::ZERO);
}

async fn no_answer_blocks_for_ever(pacer: &dyn Pacer) {
    let absurd = RateLimits {
        resets_in: Some(Duration::MAX),
        refused_for: Some(Duration::MAX),
        ..said(0, 0)
    };
    tell(pacer, &absurd).await;
    assert!(take(pacer, 1).await <= Duration::from_secs(3601));
}

async fn a_used_up_budget_waits_for_the_window(pacer: &dyn Pacer) {
    tell(pacer, &said(3, 20)).await;
    assert_eq!(take(pacer, 3).await, Duration::ZERO);
    let waited = take(pacer, 1).await;
    assert!((19..=22).contains(&waited.as_secs()), "waited {waited:?} of 20 s");
}

async fn a_dropped_wait_counts_nothing(pacer: &dyn Pacer) {
    tell(pacer, &said(0, 20)).await;
    for _ in 0..5 {
        let given_up = timeout(Duration::from_secs(1), pacer.acquire()).await;
        assert!(given_up.is_err(), "the budget is used up");
    }
    let waited = take(pacer, 1200).await;
    // 15 s are left of the window, and a pacer may begin the next one gently.
    assert!(waited <= Duration::from_secs(20), "five waits that were given up cost {waited:?}");
}

async fn a_refusal_holds_up(pacer: &dyn Pacer) {
    let refused =
        RateLimits { refused_for: Some(Duration::from_secs(30)), ..RateLimits::default() };
    tell(pacer, &refused).await;
    let waited = take(pacer, 1).await;
    assert!((29..=32).contains(&waited.as_secs()), "waited {waited:?} of 30 s");
}
