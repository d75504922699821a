use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::Future,
    hash::Hash,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// A caller follows this many failed flights; then it goes on its own. Without a bound a hundred
/// callers of a service that hangs would wait for each other one after the other.
const FOLLOWS: u32 = 2;

/// How much [`SharedReads`] keeps.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SharedReadsOptions {
    /// Values that are kept at most.
    pub entries: usize,
    /// What they may weigh together.
    pub weight: usize,
}

impl SharedReadsOptions {
    /// At most so many values, which together weigh at most so much.
    #[must_use]
    pub fn new(entries: usize, weight: usize) -> Self {
        Self { entries, weight }
    }
}

/// A value that was read.
#[derive(Clone, Debug)]
pub struct Made<V> {
    /// The value.
    pub value: V,
    /// How long it is good for whoever asks later; zero: only for those who wait for it now.
    pub keep: Duration,
    /// What it weighs, such as its bytes.
    pub weight: usize,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This caller read it.
    Made,
    /// Another caller was reading it already.
    Shared,
    /// It was kept from an earlier read.
    Kept,
}

/// How [`SharedReads`] stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedReadsView {
    /// Values that are kept.
    pub entries: usize,
    /// What they weigh.
    pub weight: usize,
    /// Reads under way.
    pub flights: usize,
}

/// Reads that equal callers share: one of them reads, those who ask meanwhile get its value, and
/// for a while so do those who ask later.
///
/// - A read that fails is its caller's own: those who waited read again, one for all of them.
/// - When the caller that reads is dropped, one of those who wait takes over.
/// - After [`SharedReads::forget`] nobody gets a value whose read began before.
/// - Memory is bounded by the options; the longest unused values go first.
pub struct SharedReads<K, V> {
    options: SharedReadsOptions,
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    kept: HashMap<K, Kept<V>>,
    /// Keys by their last use.
    order: BTreeMap<u64, K>,
    weight: usize,
    flights: HashMap<K, Flight<V>>,
    count: u64,
}

struct Kept<V> {
    value: V,
    weight: usize,
    until: Instant,
    used: u64,
}

struct Flight<V> {
    number: u64,
    landing: watch::Receiver<Landing<V>>,
}

#[derive(Clone)]
enum Landing<V> {
    UnderWay,
    Landed(V),
    Failed,
}

enum Turn<V> {
    Kept(V),
    Follow(watch::Receiver<Landing<V>>),
    Lead { number: u64, landing: watch::Sender<Landing<V>> },
}

impl<K: Clone + Eq + Hash, V: Clone> SharedReads<K, V> {
    /// Nothing is kept yet.
    #[must_use]
    pub fn new(options: SharedReadsOptions) -> Self {
        let state = State {
            kept: HashMap::new(),
            order: BTreeMap::new(),
            weight: 0,
            flights: HashMap::new(),
            count: 0,
        };
        Self { options, state: Mutex::new(state) }
    }

    /// The value of `key`: kept, shared, or read by `make`, which runs at most once.
    ///
    /// # Errors
    /// What this caller's own `make` failed with; never another caller's failure.
    pub async fn get<E, F, R>(&self, key: K, make: F) -> Result<(V, Source), E>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Made<V>, E>>,
    {
        let mut failed = 0;
        loop {
            match self.turn(&key) {
                Turn::Kept(value) => return Ok((value, Source::Kept)),
                Turn::Lead { number, landing } => {
                    let lead = Lead { reads: self, key, number, landing };
                    return lead.fly(make).await;
                }
                Turn::Follow(mut landing) => {
                    let ended = landing.wait_for(|state| !matches!(state, Landing::UnderWay)).await;
                    match ended.as_deref() {
                        Ok(Landing::Landed(value)) => return Ok((value.clone(), Source::Shared)),
                        Ok(_) => failed += 1,
                        // The leader was dropped: that says nothing about the service.
                        Err(_) => {}
                    }
                }
            }
            if failed >= FOLLOWS {
                return make().await.map(|made| (made.value, Source::Made));
            }
        }
    }

    /// Drops the values of the keys that `which` chooses, those of reads under way included.
    pub fn forget(&self, mut which: impl FnMut(&K) -> bool) {
        let mut state = self.locked();
        let keys: Vec<K> = state.kept.keys().filter(|key| which(key)).cloned().collect();
        for key in &keys {
            state.remove(key);
        }
        // Those who wait already still get theirs; it is not kept, and nobody joins any more.
        state.flights.retain(|key, _| !which(key));
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> SharedReadsView {
        let state = self.locked();
        SharedReadsView {
            entries: state.kept.len(),
            weight: state.weight,
            flights: state.flights.len(),
        }
    }

    fn turn(&self, key: &K) -> Turn<V> {
        let mut state = self.locked();
        if let Some(value) = state.fresh(key) {
            return Turn::Kept(value);
        }
        if let Some(flight) = state.flights.get(key) {
            return Turn::Follow(flight.landing.clone());
        }
        let (landing, receiver) = watch::channel(Landing::UnderWay);
        let number = state.next();
        state.flights.insert(key.clone(), Flight { number, landing: receiver });
        Turn::Lead { number, landing }
    }

    fn locked(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().expect("no holder panics")
    }
}

/// The caller that reads for the others.
struct Lead<'a, K: Clone + Eq + Hash, V: Clone> {
    reads: &'a SharedReads<K, V>,
    key: K,
    number: u64,
    landing: watch::Sender<Landing<V>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Lead<'_, K, V> {
    async fn fly<E, F, R>(self, make: F) -> Result<(V, Source), E>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Made<V>, E>>,
    {
        let made = make().await;
        self.land(made.as_ref().ok());
        made.map(|made| (made.value, Source::Made))
    }

    /// Ends the flight: nobody joins any more, and those who wait hear how it ended.
    fn land(&self, made: Option<&Made<V>>) {
        let landed = made.map_or(Landing::Failed, |made| Landing::Landed(made.value.clone()));
        let mut state = self.reads.locked();
        // Another number: the key was forgotten meanwhile, so the value may be older than that.
        if state.end(&self.key, self.number)
            && let Some(made) = made
        {
            state.keep(&self.key, made, &self.reads.options);
        }
        drop(state);
        self.landing.send_replace(landed);
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Drop for Lead<'_, K, V> {
    fn drop(&mut self) {
        self.reads.locked().end(&self.key, self.number);
    }
}

impl<K: Clone + Eq + Hash, V: Clone> State<K, V> {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn fresh(&mut self, key: &K) -> Option<V> {
        if self.kept.get(key)?.until <= Instant::now() {
            self.remove(key);
            return None;
        }
        let next = self.next();
        let kept = self.kept.get_mut(key)?;
        self.order.remove(&kept.used);
        self.order.insert(next, key.clone());
        kept.used = next;
        Some(kept.value.clone())
    }

    fn end(&mut self, key: &K, number: u64) -> bool {
        let ours = self.flights.get(key).is_some_and(|flight| flight.number == number);
        if ours {
            self.flights.remove(key);
        }
        ours
    }

    fn keep(&mut self, key: &K, made: &Made<V>, options: &SharedReadsOptions) {
        self.remove(key);
        if made.keep.is_zero() || made.weight > options.weight || options.entries == 0 {
            return;
        }
        let now = Instant::now();
        while let Some((_, oldest)) = self.order.first_key_value() {
            let over = self.kept.len() >= options.entries
                || self.weight > options.weight - made.weight
                || self.kept.get(oldest).is_none_or(|kept| kept.until <= now);
            if !over {
                break;
            }
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
        let used = self.next();
        let until = now + made.keep.min(LONGEST);
        self.order.insert(used, key.clone());
        self.weight += made.weight;
        let kept = Kept { value: made.value.clone(), weight: made.weight, until, used };
        self.kept.insert(key.clone(), kept);
    }

    fn remove(&mut self, key: &K) {
        if let Some(kept) = self.kept.remove(key) {
            self.order.remove(&kept.used);
            self.weight -= kept.weight;
        }
    }
}

/// No value is kept longer, whatever its maker says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl<K, V> fmt::Debug for SharedReads<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedReads").field("options", &self.options).finish_non_exhaustive()
    }
}
