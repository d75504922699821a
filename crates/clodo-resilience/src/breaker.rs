use crate::tally::Tally;
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// When a breaker opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TripRule {
    /// After this many failures in a row.
    InARow(u32),
    /// When this share of the calls of the last `window` failed.
    Ratio {
        /// Failures of a hundred calls.
        percent: u8,
        /// Fewer calls than this say nothing.
        at_least: u32,
        /// How far back calls count.
        window: Duration,
    },
}

/// How [`Breakers`] behave.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BreakerOptions {
    /// When one opens.
    pub trip: TripRule,
    /// How long it then refuses, before one call may probe.
    pub open_for: Duration,
    /// How many keys are remembered; beyond that closed ones go first, the longest unused first.
    pub keys: usize,
}

impl Default for BreakerOptions {
    /// Five failures in a row, 30 s, 1,024 keys.
    fn default() -> Self {
        Self { trip: TripRule::InARow(5), open_for: Duration::from_secs(30), keys: 1024 }
    }
}

impl BreakerOptions {
    /// Sets when one opens.
    #[must_use]
    pub fn with_trip(mut self, trip: TripRule) -> Self {
        self.trip = trip;
        self
    }

    /// Sets how long it refuses.
    #[must_use]
    pub fn with_open_for(mut self, open_for: Duration) -> Self {
        self.open_for = open_for;
        self
    }

    /// Sets how many keys are remembered; at least one.
    #[must_use]
    pub fn with_keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }
}

/// Something that happened to a breaker. For one key they are told in the order in which they
/// happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerEvent<K> {
    /// It refuses calls from now on.
    Opened {
        /// Which.
        key: K,
        /// After this time one call may probe.
        retry_in: Duration,
    },
    /// One call was let through to see whether the service is back.
    Probed {
        /// Which.
        key: K,
    },
    /// Calls pass again.
    Closed {
        /// Which.
        key: K,
    },
}

/// What a breaker does at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// One call is under way to see whether the service is back; the others are refused.
    HalfOpen,
}

/// The service failed too often lately: do not call it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service failed too often lately")]
pub struct CircuitOpen {
    /// After this time a call may probe; none while another call probes.
    pub retry_in: Option<Duration>,
}

type Listener<K> = Arc<dyn Fn(&BreakerEvent<K>) + Send + Sync>;

/// Circuit breakers by key, such as account × group of endpoints. Clones share them.
///
/// A breaker is *closed* and lets calls pass; when too many fail it *opens* and refuses; after a
/// while it is *half-open*: exactly one call probes, and its outcome closes or opens it again. A
/// probe that is dropped without an outcome lets the next call probe.
pub struct Breakers<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    options: BreakerOptions,
    cells: Mutex<Cells<K>>,
    listener: Option<Listener<K>>,
    /// Told in order and with no lock held, so that a listener may look at the breakers.
    news: Mutex<News<K>>,
}

struct Cells<K> {
    by_key: HashMap<K, Cell>,
    /// Numbers generations, and uses.
    count: u64,
}

struct Cell {
    phase: Phase,
    /// Outcomes of calls that another phase let through do not count.
    generation: u64,
    used: u64,
}

enum Phase {
    Closed(Tally),
    Open { until: Instant },
    HalfOpen,
}

struct News<K> {
    untold: VecDeque<BreakerEvent<K>>,
    telling: bool,
}

/// One call that a breaker let through. Say how it ended; dropping it says nothing, as for a call
/// that was given up.
#[must_use = "say how the call ended"]
pub struct CallPermit<K: Clone + Eq + Hash> {
    breakers: Breakers<K>,
    key: Option<K>,
    generation: u64,
}

impl<K: Clone + Eq + Hash> Breakers<K> {
    /// No key has failed yet.
    #[must_use]
    pub fn new(options: BreakerOptions) -> Self {
        Self::build(options, None)
    }

    /// As [`Breakers::new`], and `listener` hears of every change.
    #[must_use]
    pub fn with_listener(
        options: BreakerOptions,
        listener: impl Fn(&BreakerEvent<K>) + Send + Sync + 'static,
    ) -> Self {
        Self::build(options, Some(Arc::new(listener)))
    }

    fn build(options: BreakerOptions, listener: Option<Listener<K>>) -> Self {
        let cells = Mutex::new(Cells { by_key: HashMap::new(), count: 0 });
        let news = Mutex::new(News { untold: VecDeque::new(), telling: false });
        Self { shared: Arc::new(Shared { options, cells, listener, news }) }
    }

    /// Lets a call pass, or refuses it.
    ///
    /// # Errors
    /// When the breaker of `key` is open, or half-open with a probe under way.
    pub fn admit(&self, key: &K) -> Result<CallPermit<K>, CircuitOpen> {
        let generation = self.change(|cells, options, untold| {
            let now = Instant::now();
            let next = cells.next();
            let cell = cells.of(key, options.keys);
            cell.used = next;
            match cell.phase {
                Phase::Closed(_) => Ok(cell.generation),
                Phase::HalfOpen => Err(CircuitOpen { retry_in: None }),
                Phase::Open { until } if now < until => {
                    Err(CircuitOpen { retry_in: Some(until - now) })
                }
                Phase::Open { .. } => {
                    cell.turn(Phase::HalfOpen, next);
                    untold.push(BreakerEvent::Probed { key: key.clone() });
                    Ok(next)
                }
            }
        })?;
        Ok(CallPermit { breakers: self.clone(), key: Some(key.clone()), generation })
    }

    /// What the breaker of `key` does at this moment.
    #[must_use]
    pub fn state(&self, key: &K) -> BreakerState {
        let cells = self.shared.cells.lock().expect("no holder panics");
        match cells.by_key.get(key).map(|cell| &cell.phase) {
            None | Some(Phase::Closed(_)) => BreakerState::Closed,
            Some(Phase::Open { .. }) => BreakerState::Open,
            Some(Phase::HalfOpen) => BreakerState::HalfOpen,
        }
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.cells.lock().expect("no holder panics").by_key.len()
    }

    /// True when no key is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn settle(&self, key: K, generation: u64, failed: Option<bool>) {
        self.change(|cells, options, untold| {
            let now = Instant::now();
            let next = cells.next();
            let Some(cell) = cells.by_key.get_mut(&key) else { return };
            if cell.generation != generation {
                return;
            }
            match (&mut cell.phase, failed) {
                (Phase::Closed(tally), Some(failed)) => {
                    if tally.count(&options.trip, failed, now) {
                        cell.open(now, options.open_for, next);
                        untold.push(BreakerEvent::Opened { key, retry_in: options.open_for });
                    }
                }
                (Phase::HalfOpen, Some(false)) => {
                    cell.turn(Phase::Closed(Tally::default()), next);
                    untold.push(BreakerEvent::Closed { key });
                }
                (Phase::HalfOpen, outcome) => {
                    // A probe that was given up says nothing: the next call may probe at once.
                    let retry_in = outcome.map_or(Duration::ZERO, |_| options.open_for);
                    cell.open(now, retry_in, next);
                    untold.push(BreakerEvent::Opened { key, retry_in });
                }
                (Phase::Closed(_), None) | (Phase::Open { .. }, _) => {}
            }
        });
    }

    /// Changes the cells under the lock, then tells what happened without it.
    fn change<T>(
        &self,
        act: impl FnOnce(&mut Cells<K>, &BreakerOptions, &mut Vec<BreakerEvent<K>>) -> T,
    ) -> T {
        let mut untold = Vec::new();
        let done = {
            let mut cells = self.shared.cells.lock().expect("no holder panics");
            let done = act(&mut cells, &self.shared.options, &mut untold);
            // Under this lock, so that the order is that of what happened.
            if !untold.is_empty() && self.shared.listener.is_some() {
                let mut news = self.shared.news.lock().expect("no holder panics");
                news.untold.extend(untold);
            }
            done
        };
        self.shared.tell();
        done
    }
}

impl<K> Shared<K> {
    fn tell(&self) {
        let Some(listener) = &self.listener else { return };
        while let Some(event) = self.next_to_tell() {
            let _telling = Telling(&self.news);
            listener(&event);
        }
    }

    /// The next event, unless somebody is telling one: who tells goes on with what came meanwhile.
    fn next_to_tell(&self) -> Option<BreakerEvent<K>> {
        let mut news = self.news.lock().expect("no holder panics");
        if news.telling {
            return None;
        }
        let event = news.untold.pop_front()?;
        news.telling = true;
        Some(event)
    }
}

/// Ends also when the listener panics: that must not silence what comes after.
struct Telling<'a, K>(&'a Mutex<News<K>>);

impl<K> Drop for Telling<'_, K> {
    fn drop(&mut self) {
        self.0.lock().expect("no holder panics").telling = false;
    }
}

impl<K: Clone + Eq + Hash> Cells<K> {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn of(&mut self, key: &K, most: usize) -> &mut Cell {
        if !self.by_key.contains_key(key) && self.by_key.len() >= most.max(1) {
            self.forget_one();
        }
        let generation = self.count;
        self.by_key.entry(key.clone()).or_insert_with(|| Cell {
            phase: Phase::Closed(Tally::default()),
            generation,
            used: generation,
        })
    }

    fn forget_one(&mut self) {
        let rank = |cell: &Cell| (!matches!(cell.phase, Phase::Closed(_)), cell.used);
        let least = self.by_key.iter().min_by_key(|(_, cell)| rank(cell));
        if let Some(key) = least.map(|(key, _)| key.clone()) {
            self.by_key.remove(&key);
        }
    }
}

impl Cell {
    fn turn(&mut self, phase: Phase, generation: u64) {
        self.phase = phase;
        self.generation = generation;
    }

    fn open(&mut self, now: Instant, retry_in: Duration, generation: u64) {
        self.turn(Phase::Open { until: now + retry_in.min(LONGEST) }, generation);
    }
}

/// No breaker stays open longer without a probe, whatever it was told.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl<K: Clone + Eq + Hash> CallPermit<K> {
    /// The service did what it should; so does one that refuses a bad request.
    pub fn succeeded(mut self) {
        self.end(Some(false));
    }

    /// The service did not do what it should.
    pub fn failed(mut self) {
        self.end(Some(true));
    }

    fn end(&mut self, failed: Option<bool>) {
        if let Some(key) = self.key.take() {
            self.breakers.settle(key, self.generation, failed);
        }
    }
}

impl<K: Clone + Eq + Hash> Drop for CallPermit<K> {
    fn drop(&mut self) {
        self.end(None);
    }
}

impl<K> Clone for Breakers<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K> fmt::Debug for Breakers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for CallPermit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPermit").field("generation", &self.generation).finish_non_exhaustive()
    }
}
