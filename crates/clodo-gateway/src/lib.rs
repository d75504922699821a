//! A proxy in front of Cloudflare's API, for everything on this machine that calls it.
//!
//! Clients point their base URL at it and keep their tokens. It paces all of them within one
//! budget per token, lets equal reads share one answer, takes 429 upon itself, refuses writes under
//! leases that are over and writes to what another lease holds, and writes a line per call.
//!
//! | you have | start at |
//! |---|---|
//! | an API to stand in front of | [`UpstreamUrl`], [`GatewayOptions`], [`Gateway`] |
//! | a port | [`serve`] |
//! | a budget to set | [`BudgetCap`] |
//! | a place for the log | [`LogFile`], or an own [`CallSink`] |
//! | a gateway that runs | [`GatewayStatus::ask`] |
//! | writes that only one may make | [`LeaseNote`] in the header [`LEASE_HEADER`], [`LEASES_PATH`] |
//!
//! # Example
//! ```
//! use clodo_gateway::{Caller, Gateway, GatewayOptions, GatewayWiring, MemoryCalls, UpstreamUrl};
//! use clodo_http::{Answer, Body, Scripted};
//! use clodo_types::ManualClock;
//! use http::StatusCode;
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! // In a program the upstream is `ReqwestHttp`, and `serve` gives the gateway a port.
//! let refused = Answer::status(StatusCode::TOO_MANY_REQUESTS).with_header("retry-after", 7.into());
//! let upstream = Arc::new(Scripted::new([refused, Answer::json(StatusCode::OK, "{}")]));
//! let log = Arc::new(MemoryCalls::default());
//! let wiring = GatewayWiring {
//!     upstream: upstream.clone(),
//!     switching: upstream,
//!     sink: log.clone(),
//!     clock: Arc::new(ManualClock::default()),
//! };
//! let gateway = Gateway::new(GatewayOptions::new(UpstreamUrl::cloudflare()), wiring);
//!
//! let request = http::Request::get("/client/v4/zones").header("host", "127.0.0.1");
//! let caller = Caller { port: 50_000, connection: 1 };
//! let answer = gateway.answer(caller, request.body(Body::empty())?).await;
//! assert_eq!(answer.status(), StatusCode::OK, "the client never saw the 429");
//! drop(answer);
//! assert_eq!(log.lines()[0].waited_ms, 7_000);
//! # Ok::<_, Box<dyn std::error::Error>>(()) })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Leases
//! A write under a lease names it: `x-clodo-lease: deploy%2Fshop; number=7; until=1800000000000;
//! holder=laptop:4711:8823`. Of one name the highest number counts, until its end or until it is
//! given back; an older one writes nothing any more. What was written to under a lease is its own
//! while it lasts: a Worker, a database and so on ([`ThingKind`]). Refusals are 409 with the code
//! [`LEASE_REFUSED`] and say who, since when, until when; nothing was sent then. Calls without a
//! lease pass wherever nobody holds anything.
//!
//! # What this crate leaves to others
//! Who gets a lease, connections to the upstream ([`clodo_http::HttpService`]), tokens (it holds none), the terminal.

mod answers;
mod budget_cap;
mod calls;
mod counts;
mod exchange;
mod flights;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod headers;
mod lease_note;
mod lease_refusal;
mod leases;
mod log_file;
mod options;
mod pacer;
mod record;
mod refusal;
mod route;
mod serve;
mod status;
mod switch;
mod target;
mod thing;
mod tokens;
mod turns;
mod upstream;

pub use budget_cap::{BudgetCap, BudgetCapError};
pub use calls::{AnswerSource, CallLine, CallSink, MemoryCalls};
pub use gateway::{Gateway, GatewayWiring};
pub use lease_note::{LEASE_HEADER, LeaseNote, LeaseNoteError};
pub use log_file::LogFile;
pub use options::GatewayOptions;
pub use refusal::LEASE_REFUSED;
pub use serve::{Caller, Drained, serve};
pub use status::{
    BudgetStatus, CacheStatus, CallCounts, ClientStatus, GatewayStatus, HeldStatus, LEASES_PATH,
    LeaseStatus, StatusError,
};
pub use thing::ThingKind;
pub use upstream::{UpstreamUrl, UpstreamUrlError};
