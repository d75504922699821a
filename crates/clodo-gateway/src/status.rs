use crate::{
    leases::{Known, Whose},
    pacer::PacerView,
    record::written,
    thing::{Thing, ThingKind},
};
use clodo_http::{Body, HttpService, TransportError};
use clodo_resilience::BudgetView;
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a running gateway says how it stands.
pub(crate) const STATUS_PATH: &str = "/clodo/gateway/status";

/// Where a running gateway is told what becomes of a lease, which the header
/// [`LEASE_HEADER`](crate::LEASE_HEADER) names: `PUT` that it was granted or lasts longer, `DELETE`
/// that it was given back.
pub const LEASES_PATH: &str = "/clodo/gateway/leases";

/// How a gateway stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GatewayStatus {
    /// The API behind it.
    pub upstream: String,
    /// Its process.
    pub pid: u32,
    /// Calls that are in it at this moment, those that wait included.
    pub in_gateway: usize,
    /// Calls that wait for the budget.
    pub waiting: usize,
    /// Calls since it began.
    pub calls: CallCounts,
    /// The tokens that call, in the order of their first calls.
    pub budgets: Vec<BudgetStatus>,
    /// What is kept.
    pub cache: CacheStatus,
    /// Calls by what clients call themselves, the busiest first.
    pub clients: Vec<ClientStatus>,
    /// Leases that are held at this moment, by name.
    #[serde(default)]
    pub leases: Vec<LeaseStatus>,
    /// Lines of the log that could not be written.
    pub log_lines_lost: u64,
}

/// Calls since the gateway began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallCounts {
    /// All of them.
    pub total: u64,
    /// Answered by the upstream.
    pub upstream: u64,
    /// Answered with an equal call's answer that was under way.
    pub shared: u64,
    /// Answered with what an equal call got a moment ago.
    pub cache: u64,
    /// Answered by the gateway itself.
    pub refused: u64,
    /// Refusals of the upstream for too many calls, which no client saw.
    pub absorbed_429: u64,
}

/// The budget of one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BudgetStatus {
    /// Which token, in the order of their first calls.
    pub token: u64,
    /// Whether there is a limit at all: one of our own, or one that the API spoke of.
    pub limited: bool,
    /// Calls in a whole window.
    pub quota: u64,
    /// Length of a window in seconds.
    pub window_seconds: u64,
    /// Calls that are left in the present window.
    pub remaining: u64,
    /// Milliseconds until the present window ends; none when no window has begun.
    pub resets_in_ms: Option<u64>,
    /// Milliseconds for which the API still refuses everything.
    pub refused_for_ms: Option<u64>,
    /// Calls that wait.
    pub waiting: usize,
    /// Calls that the upstream is answering.
    pub under_way: usize,
    /// Calls since the token's first.
    pub calls: u64,
}

/// What is kept of earlier reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheStatus {
    /// Answers.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// One client's calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClientStatus {
    /// What it calls itself.
    pub client: String,
    /// Its calls.
    pub calls: u64,
    /// Milliseconds that they waited, together.
    pub waited_ms: u64,
}

/// A lease that is held, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeaseStatus {
    /// What is locked, such as `deploy/storefront`.
    pub name: String,
    /// Which store granted it; empty when nobody said.
    pub store: String,
    /// The fencing number.
    pub number: u64,
    /// Who has it: `host:pid:start time`.
    pub holder: String,
    /// When the gateway first heard of it, such as `2026-01-31T12:00:00.123Z`.
    pub since: String,
    /// When it ends without renewal, as far as the gateway heard.
    pub until: String,
    /// What was written under it: others may not write to that.
    pub holds: Vec<HeldStatus>,
}

/// A thing that a lease holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeldStatus {
    /// What it is.
    pub kind: ThingKind,
    /// The id of its account or zone.
    pub within: String,
    /// Its name or id there.
    pub name: String,
    /// When it was first written to under this lease.
    pub since: String,
}

impl LeaseStatus {
    pub(crate) fn new(whose: &Whose, known: &Known, holds: Vec<HeldStatus>) -> Self {
        let Known { number, holder, until, since, .. } = known;
        Self {
            name: whose.name.clone(),
            store: whose.store.clone(),
            number: *number,
            holder: holder.clone(),
            since: written(*since),
            until: written(*until),
            holds,
        }
    }
}

impl HeldStatus {
    pub(crate) fn new(thing: &Thing, since: Timestamp) -> Self {
        let Thing { kind, within, name } = thing.clone();
        Self { kind, within, name, since: written(since) }
    }
}

impl ClientStatus {
    pub(crate) fn new(client: &str) -> Self {
        Self { client: client.to_owned(), calls: 0, waited_ms: 0 }
    }
}

impl BudgetStatus {
    /// Of two budgets the one that leaves less counts.
    pub(crate) fn of(view: &PacerView) -> Self {
        let learned = Some(view.learned).filter(|learned| learned.limited);
        let tightest =
            [view.cap, learned].into_iter().flatten().min_by_key(|budget| budget.remaining);
        let BudgetView { quota, window, remaining, resets_in, limited, .. } =
            tightest.unwrap_or(view.learned);
        let millis =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            token: view.number,
            limited,
            quota,
            window_seconds: window.as_secs(),
            remaining,
            resets_in_ms: resets_in.map(millis),
            refused_for_ms: view.learned.refused_for.map(millis),
            waiting: view.waiting,
            under_way: view.under_way,
            calls: view.calls,
        }
    }
}

/// A status that is longer is none.
const LONGEST: usize = 16 << 20;

/// A gateway's status could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// Nothing answers there.
    #[error("nothing answers at port {port}")]
    NotRunning {
        /// The port of 127.0.0.1.
        port: u16,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// Something answers, and it is no gateway.
    #[error("what answers at port {port} is no clodo-gateway")]
    NotAGateway {
        /// The port of 127.0.0.1.
        port: u16,
    },
}

impl GatewayStatus {
    /// Asks the gateway at a port of 127.0.0.1.
    ///
    /// # Errors
    /// When nothing answers there, or something else.
    pub async fn ask(http: &dyn HttpService, port: u16) -> Result<Self, StatusError> {
        let other = || StatusError::NotAGateway { port };
        let url = format!("http://127.0.0.1:{port}{STATUS_PATH}");
        let request = http::Request::get(url).body(Body::empty()).map_err(|_| other())?;
        let answer = http.call(request).await;
        let answer = answer.map_err(|source| StatusError::NotRunning { port, source })?;
        let body = answer.into_body().collect(LONGEST).await.map_err(|_| other())?;
        serde_json::from_slice(&body).map_err(|_| other())
    }
}
