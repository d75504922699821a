use crate::world::{Code, ONE, World};

const PROTECTED: &str = "[environments.production]\npromote_from = \"staging\"\n";

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
