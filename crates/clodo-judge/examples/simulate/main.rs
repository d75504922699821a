//! Simulates roll-outs, and prints the tables of `docs/canary.md`:
//!
//! ```sh
//! cargo run --release -p clodo-judge --example simulate -- 10000 2026
//! ```
//!
//! The first number says for how many roll-outs a line stands, the second is the seed.

#![expect(clippy::print_stdout, reason = "an example that prints tables")]

mod rivals;
mod rollout;
mod run;
mod tables;

use run::Sample;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse());
    let roll_outs = numbers.next().transpose()?.unwrap_or(1000);
    let seed = numbers.next().transpose()?.unwrap_or(2026);
    let sample = Sample { roll_outs, seed };
    println!("{roll_outs} roll-outs a line, seed {seed}.");
    tables::equal_and_worse(sample);
    tables::elsewhere(sample);
    tables::promotions(sample);
    tables::slower(sample);
    tables::changes(sample);
    Ok(())
}
