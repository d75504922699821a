//! One seam for HTTP: a request in, a response out, bodies stream.
//!
//! | you have | start at |
//! |---|---|
//! | something to send | [`Request`], [`Body`], any [`HttpService`] |
//! | a process with sockets | `ReqwestHttp` (feature `reqwest`) |
//! | a test | `Scripted` (feature `fake`) |
//! | a service that fails now and then | wrap it: [`Retry`], [`Timeout`] |
//! | a wish to see what is sent | wrap it: [`Trace`], [`Counted`] |
//! | a service with a rate limit | [`rate_limits`] reads what an answer says of it |
//! | an own loop of attempts | [`RetryPolicy::delays`] |
//! | no clock of tokio's | [`Sleeper`] |
//! | an own implementation | the suite in `conformance` (feature `conformance`) |
//!
//! # Example
//! ```
//! use clodo_http::{Answer, Body, Counted, Counter, HttpService, Retry, RetryPolicy, Scripted};
//! use http::StatusCode;
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! // A service that is overloaded at first; in a program this is `ReqwestHttp`.
//! let wire = Arc::new(Scripted::new([
//!     Answer::status(StatusCode::SERVICE_UNAVAILABLE),
//!     Answer::json(StatusCode::OK, r#"{"up":true}"#),
//! ]));
//! let counter = Counter::default();
//! let http = Retry::new(Counted::new(wire, counter.clone()), RetryPolicy::default());
//!
//! let request = http::Request::get("http://api.test/health").body(Body::empty())?;
//! let response = http.call(request).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(response.into_body().collect(1024).await?, r#"{"up":true}"#);
//! assert_eq!(counter.counts().reads, 2);
//! # Ok::<_, Box<dyn std::error::Error>>(()) })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! What a status or a body means, tokens, rate limits, and which requests are repeatable: a
//! request says that itself, by [`Repeatable`]. Names are resolved by the system; who wants a
//! hostname on loopback writes `127.0.0.1` into the URL and the name into the `Host` header.
//!
//! # Features
//! - `reqwest`: `ReqwestHttp`, real connections with rustls on ring.
//! - `fake`: `Scripted`, which answers from a script and remembers what it was asked.
//! - `conformance`: the suite that every [`HttpService`] must pass.
//!
//! Without features it builds for wasm32. Tokio's clock does not run on Workers: give [`Timeout`] a
//! [`Sleeper`] that does; [`Retry`] cannot wait there.

mod body;
mod counted;
mod http_date;
mod rate_limits;
mod retry;
mod retry_policy;
mod service;
mod sleeper;
mod timeout;
mod trace;
mod transport_error;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "reqwest")]
mod reqwest_http;
#[cfg(feature = "fake")]
mod scripted;

pub use body::{Body, BodyError, BodyStream};
pub use counted::{Counted, Counter, Counts};
pub use rate_limits::rate_limits;
#[cfg(feature = "reqwest")]
pub use reqwest_http::{ReqwestError, ReqwestHttp, ReqwestOptions};
pub use retry::Retry;
pub use retry_policy::{Delays, Fault, RetryPolicy, retry_after};
#[cfg(feature = "fake")]
pub use scripted::{Answer, Asked, Scripted};
pub use service::{Effect, HttpService, Repeatable, Request, Response, TimeLimit};
pub use sleeper::{Sleeper, TokioSleeper};
pub use timeout::Timeout;
pub use trace::Trace;
pub use transport_error::{TransportError, TransportKind};
