use crate::error::LeaseStoreError;
use async_trait::async_trait;
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// Where leases are kept: who may change something right now.
///
/// # Contract
/// - At most one lease of a name is held at any moment, as the callers' clocks tell it.
/// - Each grant has a higher number than every earlier one of that name, also after a release.
/// - `renew` and `release` of a lease that is no longer the current one change nothing.
/// - The caller's clock counts; callers on several machines keep their clocks in step to well within
///   the time to live.
#[async_trait]
pub trait LeaseStore: fmt::Debug + Send + Sync + 'static {
    /// Asks for a lease; one that expired is free.
    ///
    /// # Errors
    /// When the store fails. That another holds the lease is an answer, not an error.
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError>;

    /// Extends a lease to `until`; `false` when it is no longer this holder's.
    ///
    /// # Errors
    /// When the store fails.
    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError>;

    /// Gives a lease back, whoever's it is.
    ///
    /// # Errors
    /// When the store fails.
    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError>;

    /// The leases that somebody holds at this moment, by name.
    ///
    /// # Errors
    /// When the store fails.
    async fn held(&self, now: Timestamp) -> Result<Vec<Lease>, LeaseStoreError>;
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// What is locked, such as `deploy/storefront`.
    pub name: String,
    /// Who asks.
    pub holder: Holder,
    /// The present moment.
    pub now: Timestamp,
    /// How long the lease lasts without renewal.
    pub ttl: Duration,
}

impl LeaseRequest {
    pub(crate) fn expires_at(&self) -> Timestamp {
        after(self.now, self.ttl)
    }
}

/// The moment `ttl` after `now`.
pub(crate) fn after(now: Timestamp, ttl: Duration) -> Timestamp {
    let millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_add(millis))
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It is yours.
    Granted(Lease),
    /// Somebody has it.
    Held(Lease),
}

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is locked.
    pub name: String,
    /// By whom.
    pub holder: Holder,
    /// The fencing number.
    pub number: u64,
    /// When it ends without renewal.
    pub expires_at: Timestamp,
}

impl Lease {
    /// What writes under this lease carry.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence { name: self.name.clone(), number: self.number }
    }
}

/// The lease under which somebody writes. A store refuses the write once the name was granted
/// again, or given back: so a process that slept through the end of its lease changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// What is locked.
    pub name: String,
    /// The fencing number of the grant.
    pub number: u64,
}

/// A process: `host:pid:start time`. The start time tells a process from a later one that got the
/// same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    host: String,
    pid: u32,
    started: String,
}

impl Holder {
    /// Names a process. `started` is whatever tells two processes with the same number apart.
    #[must_use]
    pub fn new(host: &str, pid: u32, started: &str) -> Self {
        // The text form must come apart again.
        let clean = |text: &str| text.replace(':', "_");
        Self { host: clean(host), pid, started: clean(started) }
    }

    /// The machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The process number on that machine.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What tells the process from a later one with the same number.
    #[must_use]
    pub fn started(&self) -> &str {
        &self.started
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host, self.pid, self.started)
    }
}

/// Text that names no process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a holder is written as `host:pid:start time`")]
pub struct HolderError;

impl FromStr for Holder {
    type Err = HolderError;

    fn from_str(text: &str) -> Result<Self, HolderError> {
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().ok_or(HolderError);
        let (host, pid, started) = (part()?, part()?, part()?);
        let pid = pid.parse().map_err(|_| HolderError)?;
        Ok(Self { host: host.to_owned(), pid, started: started.to_owned() })
    }
}

/// What is known about the process behind a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It runs.
    Alive,
    /// It is on this machine, and it is gone.
    Dead,
    /// It cannot be told: it is on another machine.
    Unknown,
}
