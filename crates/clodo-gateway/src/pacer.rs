//! The budget of one token, and whose call comes next.

use crate::{
    budget_cap::BudgetCap,
    turns::{Turns, Waiter},
};
use clodo_resilience::{BudgetView, CallBudget, RateLimits};
use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Cloudflare's limit for one token, until the answers say something else.
const GUESS: (u64, Duration) = (1200, Duration::from_secs(300));

/// Lets the calls of one token pass, as its budget allows.
#[derive(Debug)]
pub(crate) struct Pacer {
    number: u64,
    learned: CallBudget,
    cap: Option<CallBudget>,
    at_once: usize,
    state: Mutex<State>,
    /// Wakes one of those who wait, to watch the clock from then on.
    watch: Notify,
    calls: AtomicU64,
    closing: CancellationToken,
}

#[derive(Debug)]
struct State {
    turns: Turns<oneshot::Sender<()>>,
    under_way: usize,
    /// The ticket of the one that waits for the budget to open. If all ten thousand watched the
    /// clock, all of them would wake for each window.
    watcher: Option<u64>,
}

/// Why a call may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotPaced {
    /// The budget will not allow it in time.
    TooLong { retry_after: Duration },
    /// The gateway ends.
    Closing,
}

/// One call that may be sent; it is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Grant(Arc<Pacer>);

/// A place in the queue.
struct Place<'a> {
    pacer: &'a Arc<Pacer>,
    waiter: &'a Waiter,
    ticket: u64,
    granted: oneshot::Receiver<()>,
    taken: bool,
}

/// What has to happen before the next call may pass.
enum Next {
    /// Nobody waits, or a call must end first.
    Somebody,
    /// The budget opens then.
    At(Instant),
}

/// How a pacer stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacerView {
    pub(crate) number: u64,
    pub(crate) learned: BudgetView,
    pub(crate) cap: Option<BudgetView>,
    pub(crate) waiting: usize,
    pub(crate) under_way: usize,
    pub(crate) calls: u64,
}

impl Pacer {
    pub(crate) fn new(
        number: u64,
        cap: Option<BudgetCap>,
        at_once: usize,
        closing: CancellationToken,
    ) -> Self {
        Self {
            number,
            learned: CallBudget::following(GUESS.0, GUESS.1),
            cap: cap.map(|cap| CallBudget::fixed(cap.calls(), cap.window())),
            at_once: at_once.max(1),
            state: Mutex::new(State { turns: Turns::new(), under_way: 0, watcher: None }),
            watch: Notify::new(),
            calls: AtomicU64::new(0),
            closing,
        }
    }

    /// Which token's this is, in the order of their first calls.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Waits for its turn and for the budget. Dropping the future counts nothing.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        waiter: &Waiter,
        ticket: u64,
        deadline: Instant,
    ) -> Result<Grant, NotPaced> {
        if self.closing.is_cancelled() {
            return Err(NotPaced::Closing);
        }
        let mut place = self.line_up(waiter, ticket);
        let mut takes_over = false;
        loop {
            let wake = match self.pump() {
                Next::At(at) if at > deadline && !place.is_granted() => {
                    return Err(NotPaced::TooLong { retry_after: at - Instant::now() });
                }
                Next::At(at) if place.watches(takes_over) => at,
                _ => deadline,
            };
            takes_over = tokio::select! {
                biased;
                _ = &mut place.granted => return Ok(place.take()),
                () = self.closing.cancelled() => return Err(NotPaced::Closing),
                () = self.watch.notified() => true,
                () = sleep_until(wake) => false,
            };
            if deadline <= Instant::now() && !place.is_granted() {
                let opens = self.opens().err().unwrap_or(deadline);
                let retry_after = opens.saturating_duration_since(Instant::now());
                return Err(NotPaced::TooLong { retry_after });
            }
        }
    }

    /// Learns from an answer.
    pub(crate) fn learn(&self, said: &RateLimits) {
        self.learned.learn(said);
        self.pump_and_watch();
    }

    pub(crate) fn view(&self) -> PacerView {
        let state = self.state();
        PacerView {
            number: self.number,
            learned: self.learned.view(),
            cap: self.cap.as_ref().map(CallBudget::view),
            waiting: state.turns.len(),
            under_way: state.under_way,
            calls: self.calls.load(Ordering::Relaxed),
        }
    }

    fn line_up<'a>(self: &'a Arc<Self>, waiter: &'a Waiter, ticket: u64) -> Place<'a> {
        let (sender, granted) = oneshot::channel();
        self.state().turns.push(waiter, ticket, sender);
        Place { pacer: self, waiter, ticket, granted, taken: false }
    }

    /// Lets pass whoever may, in turn.
    fn pump(&self) -> Next {
        let mut state = self.state();
        while state.turns.len() > 0 && state.under_way < self.at_once {
            if let Err(at) = self.try_count() {
                return Next::At(at);
            }
            let Some(next) = state.turns.next() else { break };
            state.under_way += 1;
            // Whoever gave up at this very moment gives it back when its place is dropped.
            let _ = next.send(());
        }
        Next::Somebody
    }

    /// For whoever does not wait itself: somebody who does must know when the budget opens.
    fn pump_and_watch(&self) {
        if let Next::At(_) = self.pump() {
            self.watch.notify_one();
        }
    }

    fn opens(&self) -> Result<(), Instant> {
        self.cap.as_ref().map_or(Ok(()), CallBudget::ready)?;
        self.learned.ready()
    }

    /// Counts one call in both budgets or in none; only ever called under the lock.
    fn try_count(&self) -> Result<(), Instant> {
        self.opens()?;
        self.learned.try_take()?;
        self.cap.as_ref().map_or(Ok(()), CallBudget::try_take)
    }

    /// A call that was let pass is not sent after all.
    fn give_back(&self) {
        self.learned.give_back();
        if let Some(cap) = &self.cap {
            cap.give_back();
        }
    }

    fn leave(&self) {
        self.state().under_way -= 1;
        self.pump_and_watch();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl Place<'_> {
    fn is_granted(&self) -> bool {
        !self.granted.is_empty()
    }

    /// Whether this one watches the clock for all; it does when nobody else does.
    fn watches(&self, takes_over: bool) -> bool {
        let mut state = self.pacer.state();
        let watches = takes_over || state.watcher.is_none_or(|ticket| ticket == self.ticket);
        if watches {
            state.watcher = Some(self.ticket);
        }
        watches
    }

    fn take(mut self) -> Grant {
        self.taken = true;
        self.pacer.calls.fetch_add(1, Ordering::Relaxed);
        Grant(Arc::clone(self.pacer))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pacer.state();
        if state.watcher == Some(self.ticket) {
            state.watcher = None;
            self.pacer.watch.notify_one();
        }
        if self.taken {
            return;
        }
        let removed = state.turns.remove(self.waiter, self.ticket);
        drop(state);
        if removed.is_none() {
            self.pacer.give_back();
            self.pacer.leave();
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{task::JoinSet, time::timeout};

    const TEN: Duration = Duration::from_secs(10);

    fn pacer(calls: u64, at_once: usize) -> Arc<Pacer> {
        let cap = BudgetCap::new(calls, TEN).unwrap();
        Arc::new(Pacer::new(1, Some(cap), at_once, CancellationToken::new()))
    }

    fn waiter(agent: &str, connection: u64) -> Waiter {
        Waiter { agent: agent.into(), connection }
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_budget_bursts_and_the_rest_waits_for_the_window() {
        let (pacer, began) = (pacer(30, 100), Instant::now());
        let mut all = JoinSet::new();
        for ticket in 0..75 {
            let pacer = Arc::clone(&pacer);
            all.spawn(async move {
                let _call =
                    pacer.acquire(&waiter("a", ticket), ticket, in_a_minute()).await.unwrap();
                began.elapsed().as_secs()
            });
        }
        let mut waited = all.join_all().await;
        waited.sort_unstable();
        let expected = [vec![0; 30], vec![10; 30], vec![20; 15]].concat();
        assert_eq!(waited, expected);
        assert_eq!((pacer.view().waiting, pacer.view().under_way), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_greedy_program_does_not_push_a_modest_one_back() {
        let pacer = pacer(10, 100);
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        let mut all = JoinSet::new();
        for ticket in 0..101 {
            let who = if ticket < 100 { waiter("greedy", ticket) } else { waiter("modest", 0) };
            let (pacer, sender) = (Arc::clone(&pacer), sender.clone());
            all.spawn(async move {
                let deadline = Instant::now() + Duration::from_secs(600);
                let _call = pacer.acquire(&who, ticket, deadline).await.unwrap();
                sender.send(ticket).unwrap();
            });
        }
        all.join_all().await;
        drop(sender);
        let mut served = Vec::new();
        order.recv_many(&mut served, 200).await;
        let modest = served.iter().position(|ticket| *ticket == 100).unwrap();
        assert!(modest < 20, "the modest one was number {modest}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_are_under_way() {
        let pacer = pacer(100, 2);
        let alone = waiter("a", 1);
        let first = pacer.acquire(&alone, 1, in_a_minute()).await.unwrap();
        let _second = pacer.acquire(&alone, 2, in_a_minute()).await.unwrap();
        assert!(timeout(TEN, pacer.acquire(&alone, 3, in_a_minute())).await.is_err());
        assert_eq!(pacer.view().waiting, 0, "who gave up does not wait any more");
        drop(first);
        assert!(timeout(TEN, pacer.acquire(&alone, 4, in_a_minute())).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_pass_in_time_hears_it_at_once() {
        let pacer = pacer(1, 9);
        let alone = waiter("a", 1);
        let _first = pacer.acquire(&alone, 1, in_a_minute()).await.unwrap();
        let began = Instant::now();
        let soon = Instant::now() + Duration::from_secs(3);
        let refused = pacer.acquire(&alone, 2, soon).await.unwrap_err();
        assert_eq!(refused, NotPaced::TooLong { retry_after: TEN });
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_hears_it_at_its_time() {
        let pacer = pacer(9, 1);
        let alone = waiter("a", 1);
        let _first = pacer.acquire(&alone, 1, in_a_minute()).await.unwrap();
        let began = Instant::now();
        let refused = pacer.acquire(&alone, 2, in_a_minute()).await.unwrap_err();
        assert!(matches!(refused, NotPaced::TooLong { .. }));
        assert_eq!(began.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_counts_nothing() {
        let pacer = pacer(2, 9);
        let alone = waiter("a", 1);
        for ticket in 0..2 {
            pacer.acquire(&alone, ticket, in_a_minute()).await.unwrap();
        }
        for ticket in 10..50 {
            assert!(
                timeout(Duration::ZERO, pacer.acquire(&alone, ticket, in_a_minute()))
                    .await
                    .is_err()
            );
        }
        let began = Instant::now();
        for ticket in 60..62 {
            pacer.acquire(&alone, ticket, in_a_minute()).await.unwrap();
        }
        assert_eq!(began.elapsed(), TEN);
        assert_eq!(pacer.view().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_says_opens_and_closes_the_door() {
        let pacer = Arc::new(Pacer::new(1, None, 9, CancellationToken::new()));
        let alone = waiter("a", 1);
        let said = |remaining, secs| RateLimits {
            remaining: Some(remaining),
            resets_in: Some(Duration::from_secs(secs)),
            ..RateLimits::default()
        };
        pacer.learn(&said(0, 50));
        let began = Instant::now();
        let waiting = pacer.acquire(&alone, 1, in_a_minute());
        let told = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            pacer.learn(&said(10, 300));
        };
        let (granted, ()) = tokio::join!(waiting, told);
        assert!(granted.is_ok());
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_any_more_when_the_gateway_ends() {
        let closing = CancellationToken::new();
        let pacer = Arc::new(Pacer::new(1, BudgetCap::new(1, TEN).ok(), 9, closing.clone()));
        let alone = waiter("a", 1);
        let _first = pacer.acquire(&alone, 1, in_a_minute()).await.unwrap();
        let (waited, ()) = tokio::join!(pacer.acquire(&alone, 2, in_a_minute()), async {
            closing.cancel();
        });
        assert_eq!(waited.unwrap_err(), NotPaced::Closing);
        assert_eq!(pacer.acquire(&alone, 3, in_a_minute()).await.unwrap_err(), NotPaced::Closing);
    }
}
