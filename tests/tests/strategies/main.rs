//! Each strategy with the real program on the local Cloudflare: good versions and bad ones, under
//! traffic that comes while they are rolled out.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod blue_green;
mod canary;
mod probes;
mod promotion;
mod rolling;
mod world;
