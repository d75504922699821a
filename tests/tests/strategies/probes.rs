use crate::world::{Code, ONE, World};

/// Nobody else asks: what is judged is what Clodo sends itself.
const PROBED: &str = "strategy = \"canary\"\ntelemetry = \"probes\"\n\
    probes = { requests = 40, path = \"/\" }\n[environments.staging.canary]\nsteps = [10]\n\
    bake = \"200ms\"\nlimit = \"2m\"\ninterval = \"50ms\"\nerror_margin = 0.1\n\
    latency = []\n";

#[test]
fn probes_promote_a_good_canary_without_any_traffic() {
    let world = World::serving(&format!("{PROBED}{ONE}"));
    world.code(Code::Says("two"));
    let report = world.deploy().exits(0).json();
    assert_eq!(report["outcome"], "done");
    assert!(report["steps"].to_string().contains("judge"), "{report:#}");
    assert_eq!(world.shares("web-staging-acme"), [100.0]);
    world.only_answers("shop.acme.test", "two");
}

#[test]
fn probes_find_a_canary_that_throws() {
    let world = World::serving(&format!("{PROBED}{ONE}"));
    world.code(Code::Throws("two"));
    let failed = world.deploy().exits(1).json();
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("the canary is worse by errors"), "{message}");
    world.only_answers("shop.acme.test", "one");
}
