//! Writes that are at the upstream.

use crate::{
    leases::{Whose, Write},
    thing::Thing,
};
use std::collections::HashMap;
use tokio::time::Instant;

/// One write that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(u64);

/// Writes that may still take effect.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    last: u64,
    all: HashMap<Ticket, Sent>,
}

#[derive(Debug)]
struct Sent {
    lease: Option<(Whose, u64)>,
    thing: Option<Thing>,
    /// Set when nobody waits for its answer any more: until when it may take effect.
    doubtful_until: Option<Instant>,
}

impl Flights {
    pub(crate) fn begin(&mut self, lease: Option<(Whose, u64)>, thing: Option<Thing>) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.all.insert(ticket, Sent { lease, thing, doubtful_until: None });
        ticket
    }

    pub(crate) fn end(&mut self, ticket: Ticket) {
        self.all.remove(&ticket);
    }

    pub(crate) fn doubt(&mut self, ticket: Ticket, until: Instant) {
        if let Some(sent) = self.all.get_mut(&ticket) {
            sent.doubtful_until = Some(until);
        }
    }

    /// Forgets what can have no effect any more.
    pub(crate) fn forget(&mut self) {
        let now = Instant::now();
        self.all.retain(|_, sent| sent.doubtful_until.is_none_or(|until| now < until));
    }

    /// None when nothing is on its way that this write must not overtake; else until when to wait
    /// at most, where that is known.
    pub(crate) fn before(&self, write: &Write) -> Option<Option<Instant>> {
        let now = Instant::now();
        let over = |sent: &Sent| sent.doubtful_until.is_some_and(|until| until <= now);
        let mut ahead =
            self.all.values().filter(|sent| !over(sent) && sent.is_ahead_of(write)).peekable();
        ahead.peek()?;
        // A write whose answer is awaited comes first: its end is told.
        ahead.map(|sent| sent.doubtful_until).min()
    }
}

impl Sent {
    /// A write under an older number of the same lease, whatever it is about: what a create makes
    /// is not in its path. Of others only what is about the same thing.
    fn is_ahead_of(&self, write: &Write) -> bool {
        let Some(note) = &write.note else { return false };
        match &self.lease {
            Some((whose, number)) if whose.store == note.store && whose.name == note.name => {
                *number < note.number
            }
            _ => self.thing.is_some() && self.thing == write.thing,
        }
    }
}
