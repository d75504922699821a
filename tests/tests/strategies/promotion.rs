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

#[test]
fn what_nobody_tested_runs_and_has_proved_nothing() {
    let world = World::serving(&format!("{PROTECTED}{BOTH}"));
    let stage = |words: &[&str]| {
        let all = [&["deploy", "--env", "staging", "--yes", "--json", "--reason", "x"], words];
        world.sandbox.deploy(&all.concat())
    };
    let promote = |words: &[&str]| {
        let all = [&["promote", "--to", "production", "--yes", "--json"], words].concat();
        world.sandbox.deploy(&all)
    };
    let _ = promote(&[]).exits(0);
    world.code(Code::Ill("two"));
    let report = stage(&["--no-tests"]).exits(0).json();
    assert_eq!(report["targets"][0]["verdict"], "skipped", "{report:#}");
    let refused = promote(&[]).exits(3).json();
    assert_eq!(refused["error"]["kind"], "not_proved", "{refused:#}");
    world.code(Code::Says("two"));
    let _ = stage(&["--no-tests"]).exits(0);
    let _ = stage(&[]).exits(0);
    let _ = promote(&[]).exits(3);
    let _ = stage(&["--redeploy"]).exits(0);
    // The other way round it is known what goes out untested, and who wanted it so.
    let report = promote(&["--no-tests"]).exits(0).json();
    let note = &report["findings"][0];
    assert_eq!((&note["rule"], &note["severity"]), (&"tests-skipped".into(), &"note".into()));
    let id = report["deployment_id"].as_str().unwrap();
    let shown = world.sandbox.deploy(&["deployments", id]).exits(0).stdout;
    assert!(shown.contains("Tests          skipped by --no-tests, by "), "{shown}");
    assert!(shown.contains("  skipped"), "{shown}");
    let listed = world.sandbox.deploy(&["deployments", "--json"]).exits(0).json();
    assert_eq!(listed["deployments"][0]["tests"], "skipped", "{listed:#}");
    assert!(listed["deployments"][1]["tests"].is_null(), "{listed:#}");
}

#[test]
fn an_environment_that_asks_for_approvals_takes_nothing_untested() {
    let world = World::serving("[environments.production]\nprotection = \"approve\"\n");
    let words = ["deploy", "--env", "production", "--yes", "--json", "--no-tests"];
    for words in [&words[..], &[&words[..], &["--dry-run"]].concat()] {
        let refused = world.sandbox.deploy(words).exits(3).json();
        assert_eq!(refused["findings"][0]["rule"], "tests-required", "{refused:#}");
        assert_eq!(refused["api_calls"]["writes"], 0, "{refused:#}");
    }
}
