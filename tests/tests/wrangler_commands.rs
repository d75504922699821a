//! Nothing that wrangler's own help lists is missing from `docs/conformance.md`: each command is
//! proved by a test, or there with the reason why not. The lists are checked in, for wrangler takes a
//! second for each help; the pinned versions do not change.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Sandbox, ToldCommands, Wrangler, command_list};
use std::{collections::BTreeSet, fs};

fn is_told(version: &str, wrangler: &Wrangler) {
    let listed = fs::read_to_string(command_list(version)).unwrap();
    let listed: BTreeSet<&str> = listed.lines().collect();
    assert!(listed.len() > 100, "only {} commands are listed", listed.len());
    let told = ToldCommands::read();
    let missing: Vec<_> = listed.iter().filter(|command| !told.tell(command)).collect();
    assert!(missing.is_empty(), "docs/conformance.md does not speak of: {missing:#?}");
    let top = wrangler.listed(&Sandbox::empty(), "");
    let begun = listed.iter().map(|command| command.split(' ').next().unwrap().to_owned());
    let (top, begun): (BTreeSet<String>, BTreeSet<String>) =
        (top.into_iter().collect(), begun.collect());
    assert_eq!(top, begun, "the list is stale: run `cargo xtask wrangler-commands`");
}

#[test]
fn every_command_of_wrangler_4_86_is_proved_or_explained() {
    is_told("4.86.0", &Wrangler::v4_86());
}

#[test]
fn every_command_of_wrangler_4_164_is_proved_or_explained() {
    is_told("4.164.0", &Wrangler::v4_164());
}
