//! Prints the JSON Schema of `clodo.toml`:
//! `cargo run -p clodo-config --example schema > docs/clodo.schema.json`

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "{:#}", clodo_config::schema())
}
