//! A budget that processes share: every one of them has a client and a handle to the store of its
//! own, and the server's limit is a real one.

use async_trait::async_trait;
use clodo::SharedPacer;
use clodo_cf_api::{Client, ClientOptions, Pacer as _, conformance, identity};
use clodo_http::{HttpService, Request, Response, TransportError};
use clodo_saga::{
    BudgetGrant, BudgetReport, BudgetStore, BudgetView, MemoryStore, SqliteStore, StoreError,
    StoreErrorKind,
};
use clodo_types::{Clock, Secret, Timestamp};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const QUOTA: usize = 1200;
const WINDOW: Duration = Duration::from_secs(300);

/// Follows tokio's clock, which the tests pause.
#[derive(Debug)]
struct PausedClock(Instant);

impl PausedClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(1_800_000_000_000 + passed)
    }
}

fn token() -> Secret {
    Secret::new("token-that-no-text-may-show")
}

fn pacer(store: &Arc<MemoryStore>) -> SharedPacer {
    SharedPacer::new(Arc::<MemoryStore>::clone(store), PausedClock::new(), &token())
}

#[tokio::test(start_paused = true)]
async fn the_shared_pacer_conforms() {
    conformance::check(|| async { pacer(&Arc::default()) }).await;
    conformance::check_limits(|| async { pacer(&Arc::default()) }).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_quiet_process_holds_is_soon_there_for_the_others() {
    let store = Arc::<MemoryStore>::default();
    let (quiet, busy) = (pacer(&store), pacer(&store));
    let said = |remaining| clodo_cf_api::RateLimits {
        remaining: Some(remaining),
        resets_in: Some(WINDOW),
        ..clodo_cf_api::RateLimits::default()
    };
    quiet.observe(&said(6)).await.unwrap();
    quiet.acquire().await.unwrap();
    quiet.observe(&said(5)).await.unwrap();
    let began = Instant::now();
    for left in (0..5).rev() {
        busy.acquire().await.unwrap();
        busy.observe(&said(left)).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(5), "waited {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_known_to_the_store_by_a_hash() {
    let pacer = pacer(&Arc::default());
    assert!(pacer.name().starts_with("token/") && pacer.name().len() == 38, "{}", pacer.name());
    assert!(!format!("{pacer:?}").contains(token().expose()));
}

#[derive(Debug)]
struct Away;

#[async_trait]
impl BudgetStore for Away {
    async fn take(&self, _: u64, _: &BudgetReport) -> Result<BudgetGrant, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unreachable, "take calls"))
    }
    async fn tell(&self, _: &BudgetReport) -> Result<(), StoreError> {
        Err(StoreError::new(StoreErrorKind::Unreachable, "tell"))
    }
    async fn view(&self, _: &str, _: Timestamp) -> Result<BudgetView, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unreachable, "look"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_fails_the_call_instead_of_letting_it_pass() {
    let pacer = SharedPacer::new(Arc::new(Away), PausedClock::new(), &token());
    assert!(pacer.acquire().await.is_err());
    assert!(pacer.acquire().await.is_err(), "it is asked again");
}

/// How the server counts.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// From these seconds on, every 300 s a new window begins.
    Fixed(u64),
    /// At most so many calls in any 300 s.
    Sliding,
}

/// How the server writes the time until calls are left again.
#[derive(Clone, Copy, Debug)]
enum Seconds {
    RoundedDown,
    RoundedUp,
}

/// An API with Cloudflare's limit. Calls take a while to it, and answers a while back.
#[derive(Debug)]
struct Limited {
    limit: Limit,
    seconds: Seconds,
    began: Instant,
    state: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// When each call of the present window came.
    calls: VecDeque<Duration>,
    window: u64,
    /// Calls of each window that was begun.
    used: Vec<usize>,
    refused: usize,
    seed: u64,
}

impl Limited {
    fn new(limit: Limit, seconds: Seconds) -> Arc<Self> {
        let state = Mutex::new(Counted { used: vec![0], ..Counted::default() });
        Arc::new(Self { limit, seconds, began: Instant::now(), state })
    }

    /// 20 to 180 ms, now and then a second more.
    fn latency(&self) -> Duration {
        let mut state = self.state.lock().unwrap();
        state.seed = state.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        let roll = state.seed >> 33;
        let slow = if roll.is_multiple_of(97) { 1_000 } else { 0 };
        Duration::from_millis(20 + roll % 160 + slow)
    }

    fn answer(&self) -> Response {
        let now = self.began.elapsed();
        let mut state = self.state.lock().unwrap();
        let opens = match self.limit {
            Limit::Fixed(phase) => {
                let shifted = now + WINDOW - Duration::from_secs(phase);
                let window = shifted.as_secs() / WINDOW.as_secs();
                if window != state.window {
                    state.window = window;
                    state.calls.clear();
                    state.used.push(0);
                }
                WINDOW - Duration::from_nanos((shifted.as_nanos() % WINDOW.as_nanos()) as u64)
            }
            Limit::Sliding => {
                while state.calls.front().is_some_and(|at| *at + WINDOW <= now) {
                    state.calls.pop_front();
                }
                state.calls.front().map_or(WINDOW, |at| *at + WINDOW - now)
            }
        };
        let mut answer = http::Response::builder();
        let refused = state.calls.len() >= QUOTA;
        if refused {
            state.refused += 1;
            answer = answer.status(429).header("retry-after", opens.as_secs() + 1);
        } else {
            state.calls.push_back(now);
            *state.used.last_mut().unwrap() += 1;
        }
        let left = QUOTA - state.calls.len();
        let seconds = match self.seconds {
            Seconds::RoundedDown => opens.as_secs(),
            Seconds::RoundedUp => opens.as_secs() + 1,
        };
        let body = format!(r#"{{"success":{},"result":{{"id":"u"}},"errors":[]}}"#, !refused);
        answer
            .header("ratelimit", format!("\"default\";r={left};t={seconds}"))
            .header("ratelimit-policy", "\"default\";q=1200;w=300")
            .body(body.into())
            .unwrap()
    }
}

#[async_trait]
impl HttpService for Limited {
    async fn call(&self, _: Request) -> Result<Response, TransportError> {
        sleep(self.latency()).await;
        let answer = self.answer();
        sleep(self.latency()).await;
        Ok(answer)
    }
}

/// A store on a thread of its own: the paused clock must stand while it is waited for.
#[derive(Debug)]
struct Awake<S>(S);

async fn awake<T>(work: impl Future<Output = T>) -> T {
    let busy = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = work => done,
        () = busy => unreachable!(),
    }
}

#[async_trait]
impl<S: BudgetStore> BudgetStore for Awake<S> {
    async fn take(&self, calls: u64, report: &BudgetReport) -> Result<BudgetGrant, StoreError> {
        awake(self.0.take(calls, report)).await
    }
    async fn tell(&self, report: &BudgetReport) -> Result<(), StoreError> {
        awake(self.0.tell(report)).await
    }
    async fn view(&self, name: &str, now: Timestamp) -> Result<BudgetView, StoreError> {
        awake(self.0.view(name, now)).await
    }
}

/// Lets each of these processes call as fast as it may, for so long.
async fn call_all_the_time(
    server: &Arc<Limited>,
    stores: Vec<Arc<dyn BudgetStore>>,
    time: Duration,
    pause: Duration,
) {
    let clock = PausedClock::new();
    let mut calls = JoinSet::new();
    for store in stores {
        let pacer = SharedPacer::new(store, Arc::<PausedClock>::clone(&clock), &token());
        let options = ClientOptions::cloudflare(token()).with_pacer(Arc::new(pacer));
        let client = Client::new(Arc::<Limited>::clone(server), options).unwrap();
        for _ in 0..6 {
            let client = client.clone();
            calls.spawn(async move {
                loop {
                    // A refusal is the server's to count.
                    let _ = client.send(identity::user()).await;
                    sleep(pause).await;
                }
            });
        }
    }
    let _ = timeout(time, async { while calls.join_next().await.is_some() {} }).await;
}

fn in_memory(processes: usize) -> Vec<Arc<dyn BudgetStore>> {
    let store = Arc::new(MemoryStore::default());
    (0..processes).map(|_| Arc::<MemoryStore>::clone(&store) as _).collect()
}

/// No call was refused, and of each whole window at least 95 % was used.
#[track_caller]
fn well_used(server: &Limited, windows: usize) {
    let state = server.state.lock().unwrap();
    assert_eq!(state.refused, 0, "{server:?}");
    let whole = &state.used[..windows];
    assert!(whole.iter().all(|used| *used >= QUOTA * 95 / 100), "{whole:?}");
}

#[tokio::test(start_paused = true)]
async fn eight_processes_use_up_fixed_windows_and_are_never_refused() {
    for phase in [0, 1, 120, 299] {
        for seconds in [Seconds::RoundedDown, Seconds::RoundedUp] {
            let server = Limited::new(Limit::Fixed(phase), seconds);
            // Windows that begin before, at, and well after the first call.
            let whole = Duration::from_secs(phase) + 3 * WINDOW;
            call_all_the_time(&server, in_memory(8), whole, Duration::ZERO).await;
            let short = usize::from(phase < 10);
            server.state.lock().unwrap().used.drain(..short);
            well_used(&server, 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn eight_processes_use_up_a_sliding_window_and_are_never_refused() {
    for seconds in [Seconds::RoundedDown, Seconds::RoundedUp] {
        for pause in [Duration::ZERO, Duration::from_secs(9)] {
            let server = Limited::new(Limit::Sliding, seconds);
            call_all_the_time(&server, in_memory(8), 4 * WINDOW, pause).await;
            let state = server.state.lock().unwrap();
            assert_eq!(state.refused, 0, "{seconds:?} {pause:?}");
            assert!(
                state.used[0] >= 4 * QUOTA * 95 / 100,
                "{seconds:?} {pause:?} {:?}",
                state.used
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn eight_processes_share_a_budget_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores: Vec<Arc<dyn BudgetStore>> = Vec::new();
    for _ in 0..8 {
        let store = SqliteStore::open(folder.path().join("state.sqlite")).await.unwrap();
        stores.push(Arc::new(Awake(store)));
    }
    let server = Limited::new(Limit::Fixed(30), Seconds::RoundedDown);
    let time = Duration::from_secs(30) + WINDOW;
    call_all_the_time(&server, stores, time, Duration::ZERO).await;
    well_used(&server, 2);
}
