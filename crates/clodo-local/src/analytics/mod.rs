//! Analytics: what happened, in minutes, and what GraphQL says of it.
//!
//! **Invariant:** every figure comes from something that happened. What is not measured (CPU time)
//! is 0, and the documentation says so.

mod cell;
mod graphql;
mod recorder;
mod sample;
mod store;

pub(crate) use graphql::{Asked, Viewing, answer};
pub(crate) use recorder::Recorder;
pub(crate) use sample::sample;
pub(crate) use store::{Dataset, Store};
