//! Compares Clodo with wrangler and Miniflare, side by side in one run, and prints Markdown for
//! `docs/performance.md`.
//!
//! `cargo run --release -p clodo-benches` after `cargo build --release --workspace --bins`. The load
//! tool is `wrk` (Debian package `wrk`); without it the throughput rows say so.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]
#![expect(clippy::disallowed_methods, reason = "it measures wall-clock time")]

mod calls;
mod deploy;
mod hello;
mod measure;
mod memory;
mod table;

use table::Table;

fn main() {
    let mut table = Table::default();
    deploy::help(&mut table);
    hello::run(&mut table);
    deploy::run(&mut table);
    println!("{table}");
}
