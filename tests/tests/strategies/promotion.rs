use crate::world::{Code, ONE, World};

const PROTECTED: &str = "[environments.production]\npromote_from = \"staging\"\n";
const BOTH: &str = "[customers.acme.domains]\nstaging.web = \"stage.acme.test\"\nproduction.web = \"shop.acme.test\"\n";

#[test]
fn production_takes_only_what_staging_has_proved() {
    let world = World::serving(&format!("{PROTECTED}{ONE}"));
    let words = ["deploy", "--env", "production", "--yes", "--json"];
    let production = || world.sandbox.deploy(&words);
    let _ = production().exits(0);
    world.code(Code::Says("two"));
    let refused = production().exits(3).json();
    assert_eq!(refused["findings"][0]["rule"], "not-proved", "{refused:#}");
    // What failed in staging has proved nothing.
    world.code(Code::Ill("two"));
    let _ = world.deploy().exits(1);
    let _ = production().exits(3);
    world.code(Code::Says("two"));
    let _ = world.deploy().exits(0);
    let _ = production().exits(0);
    // The way back needs no proof.
    let back = ["rollback", "--platform", "local", "--yes", "--json"];
    let _ = world.sandbox.deploy(&back).exits(0);
}

#[test]
fn what_staging_has_proved_goes_to_production_as_it_was_built() {
    let world = World::serving(&format!("{PROTECTED}{BOTH}"));
    let promote = |words: &[&str]| {
        let all = [&["promote", "--to", "production", "--yes", "--json"], words].concat();
        world.sandbox.deploy(&all)
    };
    let shown = promote(&["--dry-run"]).exits(0).json();
    assert_eq!(shown["targets"][0]["fate"], "create", "{shown:#}");
    assert_eq!(promote(&[]).exits(0).json()["outcome"], "done");
    world.only_answers("shop.acme.test", "one");
    // What failed in staging is not what production gets, nor what only the files say.
    world.code(Code::Says("two"));
    let _ = world.deploy().exits(0);
    world.code(Code::Ill("three"));
    let _ = world.deploy().exits(1);
    world.sandbox.write("web/index.js", "this does not even parse");
    let promoted = promote(&["web", "--reason", "it is Tuesday"]).exits(0).json();
    assert_eq!(promoted["targets"][0]["environment"], "production", "{promoted:#}");
    world.only_answers("shop.acme.test", "two");
    world.only_answers("stage.acme.test", "two");
    assert_eq!(promote(&[]).exits(0).json()["outcome"], "nothing_to_do");
}

#[test]
fn a_promotion_says_what_it_lacks() {
    let world = World::serving(&format!("[environments.production]\n[environments.lab]\n{BOTH}"));
    let promote = |words: &[&str]| {
        let all = [&["promote", "--yes", "--json"], words].concat();
        world.sandbox.deploy(&all)
    };
    let kind = |words: &[&str], exit: i32| {
        promote(words).exits(exit).json()["error"]["kind"].as_str().unwrap_or_default().to_owned()
    };
    let _ = kind(&["--to", "production"], 2);
    let _ = kind(&["--from", "production", "--to", "production"], 2);
    let _ = kind(&["--from", "stagging", "--to", "production"], 2);
    assert_eq!(kind(&["--from", "lab", "--to", "production"], 3), "not_proved");
    // Nobody had said that anybody would want its code.
    assert_eq!(kind(&["--from", "staging", "--to", "production"], 3), "not_kept");
}
