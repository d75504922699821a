//! Writes the lists of wrangler's commands anew.

#![expect(clippy::print_stdout, reason = "it is run by `cargo xtask wrangler-commands`")]

use clodo_tests::{ToldCommands, Wrangler, command_list};
use std::{fs, io};

fn main() -> io::Result<()> {
    let told = ToldCommands::read();
    for (version, wrangler) in [("4.86.0", Wrangler::v4_86()), ("4.164.0", Wrangler::v4_164())] {
        let commands: Vec<String> = told.walk(&wrangler).into_iter().collect();
        let path = command_list(version);
        fs::write(&path, commands.join("\n") + "\n")?;
        println!("wrote {} commands to {}", commands.len(), path.display());
    }
    Ok(())
}
