//! One listener.

use super::{event::notice, filter::Filters};
use crate::state::ids::Moment;
use axum::extract::ws::Utf8Bytes;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many events wait for a listener that is slow.
const MAX_WAITING: usize = 256;
/// How many bytes of events wait for it.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

const OVERLOAD: &str = "Tail is currently in sampling mode due to the high volume of messages. \
                        To prevent messages from being dropped consider adding filters.";
const OVERLOAD_STOP: &str = "Tail has exited sampling mode and is no longer dropping messages.";

/// Somebody who listens to a Worker, or is about to.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) account_id: String,
    pub(crate) script: String,
    pub(super) filters: Filters,
    pub(super) expires: Mutex<Moment>,
    /// Cancelled when it is over, whoever ended it.
    pub(crate) over: CancellationToken,
    /// Set once the listener is there.
    pub(super) joined: AtomicBool,
    events: mpsc::Sender<Utf8Bytes>,
    waiting: Mutex<Option<mpsc::Receiver<Utf8Bytes>>>,
    bytes: AtomicUsize,
    dropping: AtomicBool,
}

impl Session {
    pub(super) fn new(
        id: String,
        (account_id, script): (String, String),
        filters: Filters,
        expires: Moment,
    ) -> Self {
        let (events, waiting) = mpsc::channel(MAX_WAITING);
        Self {
            id,
            account_id,
            script,
            filters,
            expires: Mutex::new(expires),
            over: CancellationToken::new(),
            joined: AtomicBool::new(false),
            events,
            waiting: Mutex::new(Some(waiting)),
            bytes: AtomicUsize::new(0),
            dropping: AtomicBool::new(false),
        }
    }

    pub(crate) fn expires(&self) -> Moment {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event, or drops it when the listener is too slow.
    pub(super) fn tell(&self, event: Utf8Bytes) {
        let length = event.len();
        let held = self.bytes.fetch_add(length, Ordering::AcqRel) + length;
        if held > MAX_WAITING_BYTES || self.events.try_send(event).is_err() {
            self.bytes.fetch_sub(length, Ordering::AcqRel);
            self.dropping.store(true, Ordering::Release);
        }
    }

    /// What the listener reads; `None` when there is one already.
    pub(crate) fn join(&self) -> Option<Told<'_>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        self.joined.store(true, Ordering::Release);
        Some(Told { session: self, waiting, sampling: false, held: None })
    }
}

/// What one listener is told, in order.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    session: &'a Session,
    waiting: mpsc::Receiver<Utf8Bytes>,
    sampling: bool,
    /// An event that a notice goes before.
    held: Option<Utf8Bytes>,
}

impl Told<'_> {
    /// The next event or notice. Cancel-safe: what was not returned comes with the next call.
    pub(crate) async fn next(&mut self, now: impl Fn() -> i64) -> Utf8Bytes {
        if let Some(held) = self.held.take() {
            return held;
        }
        if self.sampling && self.waiting.is_empty() {
            self.sampling = false;
            return notice("overload-stop", OVERLOAD_STOP, now()).into();
        }
        let Some(event) = self.waiting.recv().await else {
            // The session owns the sender as well, so this does not happen.
            return std::future::pending().await;
        };
        self.session.bytes.fetch_sub(event.len(), Ordering::AcqRel);
        if self.session.dropping.swap(false, Ordering::AcqRel) && !self.sampling {
            self.sampling = true;
            self.held = Some(event);
            return notice("overload", OVERLOAD, now()).into();
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn session() -> Session {
        let of = ("a".to_owned(), "shop".to_owned());
        Session::new("id".into(), of, Filters::default(), Moment::default())
    }

    async fn all(told: &mut Told<'_>) -> Vec<String> {
        let mut heard = Vec::new();
        // Tokio would make a task pause that receives so much at once.
        while let Some(event) = tokio::task::unconstrained(told.next(|| 7)).now_or_never() {
            heard.push(event.to_string());
        }
        heard
    }

    #[tokio::test]
    async fn a_slow_listener_hears_that_events_were_dropped_and_when_that_is_over() {
        let session = session();
        let mut told = session.join().unwrap();
        assert!(session.join().is_none(), "one listener each");
        for n in 0..MAX_WAITING + 10 {
            session.tell(n.to_string().into());
        }
        let heard = all(&mut told).await;
        assert_eq!(heard.len(), MAX_WAITING + 2);
        assert!(heard[0].contains(r#""type":"overload""#), "{}", heard[0]);
        assert_eq!(heard[1], "0");
        assert!(heard.last().unwrap().contains(r#""type":"overload-stop""#));
        session.tell("fresh".into());
        assert_eq!(all(&mut told).await, ["fresh"]);
    }

    #[tokio::test]
    async fn the_memory_that_a_listener_takes_has_an_end() {
        let session = session();
        let large: String = "x".repeat(MAX_WAITING_BYTES / 4);
        for _ in 0..100 {
            session.tell(large.clone().into());
        }
        assert!(session.bytes.load(Ordering::Acquire) <= MAX_WAITING_BYTES);
        let mut told = session.join().unwrap();
        assert_eq!(all(&mut told).await.len(), 4 + 2);
        assert_eq!(session.bytes.load(Ordering::Acquire), 0);
    }
}
