//! Prints the page about exit codes:
//! `cargo run -p clodo-cli --example exit_codes > docs/exit-codes.md`

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    write!(io::stdout(), "{}", clodo_cli::Exit::documentation())
}
