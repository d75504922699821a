//! Which leases there are, and what they hold.

use crate::{
    flights::{Flights, Ticket},
    lease_note::LeaseNote,
    lease_refusal::LeaseRefusal,
    refusal::Refusal,
    status::{HeldStatus, LeaseStatus},
    thing::Thing,
};
use clodo_types::{Clock, Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A lease that ends later than this after now is a clock's mistake.
const FARTHEST: Duration = Duration::from_secs(3600);
/// How long the highest number of a name is known after its lease ended. Until then a process that
/// was stopped under an older number is refused even if its own clock was ahead by nearly that.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How often what is over is looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// Names that are known, and things that are held, at most.
const MOST: usize = 10_000;

/// Whose lease it is: numbers can be compared within one store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Whose {
    pub(crate) store: String,
    pub(crate) name: String,
}

/// The newest lease of a name.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) number: u64,
    pub(crate) holder: String,
    pub(crate) until: Timestamp,
    /// When the gateway heard of it.
    pub(crate) since: Timestamp,
    /// When it was given back.
    pub(crate) released: Option<Timestamp>,
}

impl Known {
    fn of(note: &LeaseNote, now: Timestamp) -> Self {
        let (holder, until) = (note.holder.clone(), note.until);
        Self { number: note.number, holder, until, since: now, released: None }
    }

    fn is_held(&self, now: Timestamp) -> bool {
        self.released.is_none() && now < self.until
    }
}

/// A thing that is held.
#[derive(Clone, Debug)]
struct Hold {
    by: Arc<Whose>,
    since: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Arc<Whose>, Known>,
    holds: HashMap<Thing, Hold>,
    flights: Flights,
    swept: Option<Timestamp>,
}

/// A write, as leases see it.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) note: Option<LeaseNote>,
    pub(crate) thing: Option<Thing>,
}

/// Leases that clients named, what they hold, and which writes are at the upstream.
#[derive(Debug)]
pub(crate) struct Leases {
    clock: Arc<dyn Clock>,
    /// How long a write that was given up may still be carried out.
    doubt: Duration,
    state: Mutex<State>,
    changed: Notify,
}

/// A write that is at the upstream. Dropped without [`Flight::ended`], nobody knows what becomes of
/// it, and newer holders wait until that cannot matter any more.
#[derive(Debug)]
pub(crate) struct Flight {
    leases: Arc<Leases>,
    ticket: Ticket,
    sent: Instant,
    streamed: bool,
    ended: bool,
}

impl Leases {
    pub(crate) fn new(clock: Arc<dyn Clock>, doubt: Duration) -> Self {
        Self { clock, doubt, state: Mutex::default(), changed: Notify::new() }
    }

    /// Learns of a lease, or that it lasts longer.
    pub(crate) fn announce(&self, note: &LeaseNote) -> Result<(), Refusal> {
        self.state().learn(note, self.clock.now()).map(drop)
    }

    /// A lease was given back: nothing is written under its number any more.
    pub(crate) fn release(&self, note: &LeaseNote) -> Result<(), Refusal> {
        self.state().release(note, self.clock.now())
    }

    /// Lets a write in: it may be made now, and nothing older is on its way any more.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        write: &Write,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        self.turn(write, deadline, |_| ()).await
    }

    /// Looks once more and notes that the write is sent now.
    pub(crate) async fn depart(
        self: &Arc<Self>,
        write: &Write,
        streamed: bool,
        deadline: Instant,
    ) -> Result<Flight, Refusal> {
        let note = |state: &mut State| {
            let lease = write.note.as_ref().map(|note| (whose(note), note.number));
            state.flights.begin(lease, write.thing.clone())
        };
        let ticket = self.turn(write, deadline, note).await?;
        let sent = Instant::now();
        Ok(Flight { leases: Arc::clone(self), ticket, sent, streamed, ended: false })
    }

    async fn turn<T>(
        &self,
        write: &Write,
        deadline: Instant,
        then: impl Fn(&mut State) -> T,
    ) -> Result<T, Refusal> {
        loop {
            // Before the state is looked at, so that no end is missed.
            let changed = self.changed.notified();
            let wake = {
                let mut state = self.state();
                state.check(write, self.clock.now())?;
                match state.flights.before(write) {
                    None => return Ok(then(&mut state)),
                    Some(until) => until.unwrap_or(deadline).min(deadline),
                }
            };
            tokio::select! {
                () = changed => {}
                () = sleep_until(wake) => {}
            }
            if deadline <= Instant::now() {
                return Err(Refusal::OlderWrites);
            }
        }
    }

    /// Whether a lease holds this at this moment.
    pub(crate) fn holds(&self, thing: &Thing) -> bool {
        self.state().holder(thing, self.clock.now()).is_some()
    }

    /// The leases that are held, by name.
    pub(crate) fn view(&self) -> Vec<LeaseStatus> {
        let (now, state) = (self.clock.now(), self.state());
        let mut held: Vec<_> = state.known.iter().filter(|(_, known)| known.is_held(now)).collect();
        held.sort_unstable_by_key(|(whose, _)| *whose);
        held.into_iter().map(|(whose, known)| state.status(whose, known)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl Flight {
    /// The upstream has answered, or cannot have been reached, or its time is over.
    pub(crate) fn ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // A stream may have been under way until now; anything else was sent at once.
        let last = if self.streamed { Instant::now() } else { self.sent };
        let mut state = self.leases.state();
        match self.ended {
            true => state.flights.end(self.ticket),
            false => state.flights.doubt(self.ticket, last + self.leases.doubt),
        }
        drop(state);
        self.leases.changed.notify_waiters();
    }
}

impl State {
    /// Whether a write may be made at this moment. A lease that writes to a thing holds it.
    fn check(&mut self, write: &Write, now: Timestamp) -> Result<(), Refusal> {
        let own = write.note.as_ref().map(|note| self.learn(note, now)).transpose()?;
        let Some(thing) = &write.thing else { return Ok(()) };
        if let Some((by, known, since)) = self.holder(thing, now)
            && own.as_ref() != Some(by)
        {
            return Err(LeaseRefusal::held(thing, by, known, since).into());
        }
        let Some(own) = own else { return Ok(()) };
        if self.holds.get(thing).is_none_or(|hold| hold.by != own) {
            if self.holds.len() >= MOST {
                return Err(Refusal::TooMany);
            }
            self.holds.insert(thing.clone(), Hold { by: own, since: now });
        }
        Ok(())
    }

    fn holder(&self, thing: &Thing, now: Timestamp) -> Option<(&Arc<Whose>, &Known, Timestamp)> {
        let hold = self.holds.get(thing)?;
        let known = self.known.get(&hold.by).filter(|known| known.is_held(now))?;
        Some((&hold.by, known, hold.since))
    }

    fn learn(&mut self, note: &LeaseNote, now: Timestamp) -> Result<Arc<Whose>, Refusal> {
        self.sweep(now);
        if after(now, FARTHEST) < note.until {
            return Err(LeaseRefusal::too_far(note, now).into());
        }
        let whose = self.newest(note, now)?;
        let known = self.known.get_mut(&whose).expect("it was just put there");
        if let Some(released) = known.released {
            return Err(LeaseRefusal::released(note, released).into());
        }
        known.until = known.until.max(note.until);
        if note.until <= now {
            return Err(LeaseRefusal::expired(note, now).into());
        }
        Ok(whose)
    }

    /// Makes this the newest lease of its name, unless there is a newer one.
    fn newest(&mut self, note: &LeaseNote, now: Timestamp) -> Result<Arc<Whose>, Refusal> {
        let whose = Arc::new(whose(note));
        let Some((kept, known)) = self.known.get_key_value(&whose) else {
            if self.known.len() >= MOST {
                return Err(Refusal::TooMany);
            }
            self.known.insert(Arc::clone(&whose), Known::of(note, now));
            return Ok(whose);
        };
        let (kept, known) = (Arc::clone(kept), known.clone());
        let other = known.number == note.number && known.holder != note.holder;
        if note.number < known.number || other {
            return Err(LeaseRefusal::superseded(note, &known).into());
        }
        if known.number < note.number {
            // What the one before held is held by nobody until the new one writes to it.
            self.holds.retain(|_, hold| hold.by != kept);
            self.known.insert(Arc::clone(&kept), Known::of(note, now));
        }
        Ok(kept)
    }

    fn release(&mut self, note: &LeaseNote, now: Timestamp) -> Result<(), Refusal> {
        self.sweep(now);
        let whose = self.newest(note, now)?;
        let known = self.known.get_mut(&whose).expect("it was just put there");
        known.released.get_or_insert(now);
        known.until = known.until.min(now);
        self.holds.retain(|_, hold| hold.by != whose);
        Ok(())
    }

    /// Forgets what cannot matter any more.
    fn sweep(&mut self, now: Timestamp) {
        let due = self.swept.is_none_or(|swept| SWEEP <= now.since(swept) || now < swept);
        let full = self.known.len() >= MOST || self.holds.len() >= MOST;
        if due || full {
            self.known.retain(|_, known| now <= after(known.until, KEPT));
            let held = |by: &Arc<Whose>| self.known.get(by).is_some_and(|known| known.is_held(now));
            self.holds.retain(|_, hold| held(&hold.by));
            self.flights.forget();
        }
        self.swept = if due { Some(now) } else { self.swept };
    }

    fn status(&self, whose: &Arc<Whose>, known: &Known) -> LeaseStatus {
        let own = self.holds.iter().filter(|(_, hold)| hold.by == *whose);
        let mut holds: Vec<HeldStatus> =
            own.map(|(thing, hold)| HeldStatus::new(thing, hold.since)).collect();
        holds.sort_unstable_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        LeaseStatus::new(whose, known, holds)
    }
}

fn whose(note: &LeaseNote) -> Whose {
    Whose { store: note.store.clone(), name: note.name.clone() }
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_add(millis))
}
