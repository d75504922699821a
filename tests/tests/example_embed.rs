//! The example that deploys from a program, run against the local Cloudflare.

use clodo_tests::{Run, Sandbox, get_json, program};
use std::process::Command;

fn embed(sandbox: &Sandbox, most: &str) -> Run {
    let mut command = Command::new(program("embed"));
    command.arg(sandbox.project()).arg(most);
    sandbox.clean(&mut command);
    command.output().expect("it starts").into()
}

#[test]
fn a_program_deploys_with_a_gate_a_verifier_and_a_platform_of_its_own() {
    let sandbox = Sandbox::storefront();
    let lonely = embed(&sandbox, "9");
    assert!(lonely.stderr.contains("no local Cloudflare runs"), "{lonely:?}");
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    let refused = embed(&sandbox, "5").exits(0).stdout;
    assert!(refused.contains("too-many: 6 targets would change, and at most 5 may"), "{refused}");
    assert!(refused.ends_with("Refused\n") && !refused.contains("upload"), "{refused}");
    let done = embed(&sandbox, "6").exits(0).stdout;
    assert!(done.ends_with("Done\n") && done.contains("upload web-development-acme"), "{done}");
    let url = done.split('"').find(|text| text.starts_with("http://dev.acme.test"));
    let url = url.unwrap_or_else(|| panic!("no URL of the shop: {done}"));
    assert_eq!(get_json(&format!("{url}/health"))["status"], "ok");
    // The program and `clodo-deploy` share the portfolio's state.
    let again = sandbox.deploy(&["deploy", "--platform", "local", "--yes", "--json"]).exits(0);
    assert_eq!(again.json()["outcome"], "nothing_to_do");
    assert!(embed(&sandbox, "0").exits(0).stdout.ends_with("NothingToDo\n"));
}
