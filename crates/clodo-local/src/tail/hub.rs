//! All listeners.

use super::{
    event::{self, Of},
    filter::Filters,
    session::Session,
};
use crate::state::{
    State,
    ids::{Moment, random_hex},
};
use axum::extract::ws::Utf8Bytes;
use clodo_workerd::Traces;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

/// Cloudflare's limit of listeners per Worker.
const MAX_PER_SCRIPT: usize = 10;
/// Our own limit, so that no number of Workers makes them without end.
const MAX_PER_ACCOUNT: usize = 200;
/// How long a session lasts without a heartbeat.
const LIFE: Duration = Duration::from_secs(6 * 3600);
/// How long it waits for its listener.
const PATIENCE: Duration = Duration::from_secs(600);
/// Ended sessions that are remembered, so that ending one again is no error.
const REMEMBERED: usize = 1_000;

/// All listeners of all Workers.
#[derive(Debug)]
pub(crate) struct TailHub {
    state: State,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: BTreeMap<String, Arc<Session>>,
    ended: VecDeque<(String, String)>,
}

/// What a new session is made from.
#[derive(Debug)]
pub(crate) struct NewTail {
    pub(crate) account_id: String,
    pub(crate) script: String,
    pub(crate) filters: Filters,
}

/// There are as many listeners as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TailRefused {
    #[error("A Worker may have {MAX_PER_SCRIPT} tails at most.")]
    Script,
    #[error("An account may have {MAX_PER_ACCOUNT} tails at most.")]
    Account,
}

impl TailHub {
    pub(crate) fn new(state: State) -> Self {
        Self { state, sessions: Mutex::default() }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody listen. The runtime must be told of the change.
    pub(crate) fn open(&self, new: NewTail) -> Result<Arc<Session>, TailRefused> {
        let _ = self.sweep();
        let expires = self.state.now().later(LIFE);
        let NewTail { account_id, script, filters } = new;
        let mut sessions = self.sessions();
        if sessions.of(&account_id, &script).count() >= MAX_PER_SCRIPT {
            return Err(TailRefused::Script);
        }
        if sessions.by_id.values().filter(|one| one.account_id == account_id).count()
            >= MAX_PER_ACCOUNT
        {
            return Err(TailRefused::Account);
        }
        let of = (account_id, script);
        let session = Arc::new(Session::new(random_hex(), of, filters, expires));
        sessions.by_id.insert(session.id.clone(), Arc::clone(&session));
        self.state.tailed().set(&session.account_id, &session.script, true);
        Ok(session)
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions().by_id.get(id).cloned()
    }

    /// The sessions of a Worker.
    pub(crate) fn list(&self, account_id: &str, script: &str) -> Vec<Arc<Session>> {
        let _ = self.sweep();
        self.sessions().of(account_id, script).cloned().collect()
    }

    /// Lets a session last longer; its new end.
    pub(crate) fn heartbeat(&self, session: &Session) -> Moment {
        let expires = self.state.now().later(LIFE);
        *session.expires.lock().unwrap_or_else(PoisonError::into_inner) = expires;
        expires
    }

    /// Ends a session. True when it was there now or before. The runtime must be told.
    pub(crate) fn end(&self, account_id: &str, script: &str, id: &str) -> bool {
        let mut sessions = self.sessions();
        match sessions.by_id.get(id).cloned() {
            Some(session) if session.script == script && session.account_id == account_id => {
                sessions.end(&session, &self.state);
                true
            }
            Some(_) => false,
            None => sessions.ended.iter().any(|(of, ended)| of == script && ended == id),
        }
    }

    /// Ends every session of a Worker that is deleted.
    pub(crate) fn forget(&self, account_id: &str, script: &str) {
        let mut sessions = self.sessions();
        let gone: Vec<_> = sessions.of(account_id, script).cloned().collect();
        for session in gone {
            sessions.end(&session, &self.state);
        }
    }

    /// Ends what has expired; the accounts in which that was.
    pub(crate) fn sweep(&self) -> Vec<String> {
        let now = self.state.now();
        let late = |session: &&Arc<Session>| {
            let waits = !session.joined.load(Ordering::Acquire);
            // Every session was made, or last asked for, a whole life before it expires.
            let patient_until = session.expires().micros() - micros(LIFE) + micros(PATIENCE);
            now >= session.expires() || (waits && now.micros() >= patient_until)
        };
        let mut sessions = self.sessions();
        let gone: Vec<_> = sessions.by_id.values().filter(late).cloned().collect();
        for session in &gone {
            sessions.end(session, &self.state);
        }
        gone.iter().map(|session| session.account_id.clone()).collect()
    }

    /// Tells everyone who listens. Returns the accounts whose runtime must be told that somebody
    /// has stopped to.
    pub(crate) fn tell(&self, traces: &Traces<'_>) -> Vec<String> {
        let swept = self.sweep();
        let listeners: Vec<_> =
            self.sessions().of(traces.account_id, traces.script).cloned().collect();
        if listeners.is_empty() {
            return swept;
        }
        let of = Of { script: traces.script, version: self.version(traces) };
        for event in event::events(&traces.events, &of) {
            let mut text: Option<Utf8Bytes> = None;
            for listener in listeners.iter().filter(|one| one.filters.pass(&event)) {
                listener.tell(text.get_or_insert_with(|| event.to_string().into()).clone());
            }
        }
        swept
    }

    fn version(&self, traces: &Traces<'_>) -> Value {
        let snapshot = self.state.snapshot();
        let account = snapshot.cloud.accounts.get(traces.account_id);
        let worker = account.and_then(|account| account.workers.get(traces.script));
        let version = worker.and_then(|worker| worker.version(traces.version_id));
        let mut about = json!({ "id": traces.version_id });
        for (key, name) in [("tag", "workers/tag"), ("message", "workers/message")] {
            if let Some(text) = version.and_then(|version| version.annotations.get(name)) {
                about[key] = text.as_str().into();
            }
        }
        about
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Sessions {
    fn of<'a>(
        &'a self,
        account_id: &'a str,
        script: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Session>> {
        let own = move |one: &&Arc<Session>| one.account_id == account_id && one.script == script;
        self.by_id.values().filter(own)
    }

    fn end(&mut self, session: &Session, state: &State) {
        session.over.cancel();
        self.by_id.remove(&session.id);
        if self.ended.len() >= REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((session.script.clone(), session.id.clone()));
        let others = self.of(&session.account_id, &session.script).next().is_some();
        state.tailed().set(&session.account_id, &session.script, others);
    }
}
