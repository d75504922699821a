//! For tests: a PostgreSQL server of one's own on loopback, gone when the test is.
//!
//! | you have | start at |
//! |---|---|
//! | a test that needs PostgreSQL | [`PostgresServer::start`] |
//! | a server, and a test that wants a database of its own | [`PostgresServer::database`] |
//! | a server that is to vanish in the middle | [`PostgresServer::stop`], [`PostgresServer::restart`] |
//!
//! The server listens on a free port of 127.0.0.1 and keeps its data in a temporary folder. As root
//! it runs as another user, since PostgreSQL refuses root. A small shell beside it ends it and
//! removes the folder as soon as the test's process is gone, however that ended.
//!
//! # What this crate leaves to others
//! Installing PostgreSQL: where there is none, [`PostgresServer::start`] says so and the test is
//! skipped.

mod find;
#[cfg(unix)]
mod server;
#[cfg(not(unix))]
#[path = "elsewhere.rs"]
mod server;

pub use server::PostgresServer;
