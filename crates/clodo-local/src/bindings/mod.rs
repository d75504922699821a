//! The HTTP service that workerd's D1, KV and R2 bindings talk to.
//!
//! Each binding is an `external` server whose `injectRequestHeaders` adds [`RESOURCE_HEADER`] with
//! a [`Resource`] as its text; the service speaks the protocol of that kind.

mod resource;

pub use resource::{RESOURCE_HEADER, Resource, ResourceError};

use crate::data::Data;
use axum::Router;

/// The service, to be mounted on the socket that only workerd reaches.
pub fn router(_data: Data) -> Router {
    Router::new()
}
