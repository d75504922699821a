//! Compares Clodo with wrangler and Miniflare, side by side in one run, and prints Markdown for
//! `docs/performance.md`.
//!
//! `cargo run --release -p clodo-benches` after `cargo build --release --workspace --bins`; names
//! after `--` choose parts: `help`, `start`, `throughput`, `swap`, `many`, `rest`, `large`, `deploy`,
//! `fleet`, `plans`, `budget`, `databases`, `backups`.
//! The load tool is `wrk` (Debian package `wrk`); without it the throughput rows say so.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]
#![expect(clippy::disallowed_methods, reason = "it measures wall-clock time")]

mod backups;
mod budget;
mod calls;
mod databases;
mod deploy;
mod fleet;
mod many;
mod measure;
mod memory;
mod rest;
mod site;
mod start;
mod swap;
mod table;
mod throughput;

use table::Table;

/// A part of the comparison and its name.
type Part = (&'static str, fn(&mut Table));

const PARTS: [Part; 13] = [
    ("help", deploy::help),
    ("start", start::run),
    ("throughput", throughput::run),
    ("swap", swap::run),
    ("many", many::run),
    ("rest", rest::run),
    ("large", many::large),
    ("deploy", deploy::run),
    ("fleet", fleet::run),
    ("plans", fleet::plans),
    ("budget", budget::run),
    ("databases", databases::run),
    ("backups", backups::run),
];

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let mut table = Table::default();
    for (name, part) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            part(&mut table);
        }
    }
    println!("{table}");
}
