//! A typed client of Cloudflare's v4 API.
//!
//! | you have | start at |
//! |---|---|
//! | a token and an HTTP service | [`Client`], [`ClientOptions`] |
//! | a call to make | a function of one of the modules below, then [`Client::send`] |
//! | a list to read | the `list_*` functions, then [`Client::stream`] or [`Client::list`] |
//! | something that must exist once | [`Client::ensure_database`] and the like, or [`Client::ensure`] |
//! | a Worker to upload | [`WorkerUpload`], then [`versions::upload_version`] or [`workers::put_script`] |
//! | static assets to upload | [`Client::upload_assets`] |
//! | SQL to move in or out | [`Client::import_database`], [`Client::export_database`] |
//! | events to follow | [`tails::create_tail`], then [`tails::TailStream`] |
//! | a call that failed | [`ApiError::kind`], [`ApiError::advice`], the page [`errors`] |
//! | many programs with one token | implement [`Pacer`] over a store |
//! | a call that is missing here | [`Endpoint::new`], [`ListEndpoint::new`] |
//!
//! # Example
//! ```
//! use clodo_cf_api::{Client, ClientOptions, d1};
//! use clodo_http::{Answer, Scripted};
//! use clodo_types::{AccountId, Secret};
//! use http::StatusCode;
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! // In a program this is `clodo_http::ReqwestHttp`.
//! let http = Arc::new(Scripted::new([Answer::json(
//!     StatusCode::OK,
//!     r#"{"success":true,"errors":[],"messages":[],
//!         "result":[{"uuid":"018f3c5e-0000-7000-8000-000000000000","name":"catalog"}]}"#,
//! )]));
//! let client = Client::new(http, ClientOptions::cloudflare(Secret::new("my-api-token")))?;
//!
//! let account: AccountId = "0123456789abcdef0123456789abcdef".parse()?;
//! let databases = client.list(d1::list_databases(&account)).await?;
//! assert_eq!(databases[0].name, "catalog");
//! # Ok::<_, Box<dyn std::error::Error>>(()) })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # A page for each area
//! Each has an example that the tests run against a local Cloudflare, a table of its calls, its errors
//! and what to do about them, and Cloudflare's limits.
//!
//! | area | page |
//! |---|---|
//! | who the token is; tokens | [`identity`], [`tokens`] |
//! | zones and DNS | [`zones`], [`dns`] |
//! | Workers | [`workers`], [`worker_settings`], [`assets`], [`secrets`], [`durable_objects`] |
//! | versions, traffic, rollback | [`versions`] |
//! | `workers.dev`, routes, custom domains, schedules | [`triggers`] |
//! | what a Worker does right now, and did | [`tails`], [`analytics`] |
//! | data | [`d1`], [`kv`], [`r2`], [`queues`] |
//! | failures, repeats, pacing, the breaker | [`errors`] |
//!
//! # How it behaves
//! - Success is what the answer's envelope says; a status of 400 or more is a failure all the same.
//! - A 429 is always repeated, up to 60 s later. Anything else is repeated when it cannot have
//!   arrived, or when the endpoint says that twice does what once does ([`Repeat`]).
//! - A group of endpoints of one account that fails ten times in a row is left alone for 30 s, then
//!   one call finds out whether it is back ([`ClientOptions::breaker`]).
//! - Answers may have new fields, new kinds and nulls: they are read all the same.
//! - Each attempt is a span of `tracing`: template, attempt, status, ray id.
//! - No error, log or `Debug` text holds a token, a secret or a body.
//!
//! # What this crate leaves to others
//! Sockets ([`clodo_http`]), what to change and in which order, and where secrets come from.
//!
//! # Features
//! - `reqwest`: [`clodo_http`]'s `ReqwestHttp`, connections for the calls.
//! - `websocket`: `tails::WebSockets`, connections for live tails.
//! - `d1`: `d1::D1Database`, a database through the API behind the seam of `clodo-db`.
//! - `conformance`: the suite that every [`Pacer`] must pass.
//!
//! Without the first three it builds for wasm32. Tokio's clock does not run on Workers: there
//! [`ClientOptions::sleeper`] and [`ClientOptions::pacer`] need another, and the breaker is off.

mod answer;
mod api_error;
mod binding;
mod breaker;
mod classify;
mod client;
mod endpoint;
mod ensure;
mod envelope;
mod ids;
mod multipart;
mod options;
mod paced;
mod pacer;
mod paging;
mod token_bucket;
mod upload;
mod url_text;
mod wire;

// Calls are grouped by what they are about, so that `d1::query` reads as what it does.
pub mod analytics;
pub mod assets;
pub mod d1;
pub mod dns;
pub mod durable_objects;
pub mod errors;
pub mod identity;
pub mod kv;
pub mod queues;
pub mod r2;
pub mod secrets;
pub mod tails;
pub mod tokens;
pub mod triggers;
pub mod versions;
pub mod worker_settings;
pub mod workers;
pub mod workflows;
pub mod zones;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use api_error::{ApiError, ApiErrorKind};
pub use binding::{Binding, BindingKind, KnownBinding, SimpleLimit};
pub use breaker::BreakerKey;
pub use client::Client;
pub use clodo_resilience::RateLimits;
pub use endpoint::{Endpoint, Repeat};
pub use ensure::{Ensured, Origin};
pub use envelope::ApiMessage;
pub use ids::{
    ConsumerId, DomainId, IdError, InstanceId, ObjectNamespaceId, PermissionGroupId, QueueId,
    RecordId, RouteId, TailId, TokenId, WorkerDeploymentId, WorkerId,
};
pub use multipart::{EncodedForm, FormError, Part, encode_form};
pub use options::{ClientOptions, ClientOptionsError, PlainHttp};
pub use pacer::{Pacer, PacerError, Unpaced};
pub use paging::{ListEndpoint, Paging};
pub use token_bucket::TokenBucket;
pub use upload::{
    AssetsConfig, Entry, Limits, MigrationStep, Migrations, ModuleKind, Observability, Placement,
    RenamedClass, RunWorkerFirst, TailConsumer, TransferredClass, UploadAssets, UploadError,
    UploadModule, WorkerUpload,
};

// What options and answers speak of.
pub use clodo_http::{Body, BodyError, HttpService, Response, RetryPolicy, Sleeper, TokioSleeper};
#[cfg(feature = "reqwest")]
pub use clodo_http::{ReqwestError, ReqwestHttp, ReqwestOptions};
pub use clodo_resilience::{BreakerOptions, BreakerState, TripRule};
pub use clodo_types::{
    AccountId, BindingName, BucketName, DatabaseId, DatabaseName, Hostname, NameError, NamespaceId,
    NamespaceTitle, Secret, SecretName, VersionId, WorkerName, ZoneId, ZoneName,
};
