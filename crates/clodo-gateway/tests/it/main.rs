//! The public API: with a scripted upstream under a paused clock, and over real connections.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod door;
mod draining;
mod hostile;
mod lease_races;
mod leases;
mod log;
mod many;
mod pacing;
mod sharing;
mod streaming;
mod websockets;
mod wire;
mod world;
