//! Simulates roll-outs, and prints the tables of `docs/canary.md`:
//!
//! ```sh
//! cargo run --release -p clodo-judge --example simulate -- 10000 2026
//! ```
//!
//! The first number says how many roll-outs a line stands for, the second is the seed.

#![expect(clippy::print_stdout, reason = "an example that prints a table")]

mod rivals;
mod rollout;
mod tables;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse());
    let roll_outs = numbers.next().transpose()?.unwrap_or(1000);
    let seed = numbers.next().transpose()?.unwrap_or(2026);
    let run = tables::Run { roll_outs, seed };
    println!("{roll_outs} roll-outs a line, seed {seed}\n");
    run.print_errors()?;
    run.print_rivals()?;
    run.print_promotions()?;
    run.print_latencies()?;
    run.print_late()?;
    Ok(())
}
