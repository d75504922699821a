use crate::world::{Code, Rolled, World};

/// One target after the other; `beta` is going to be ill.
const ROLLING: &str = "strategy = \"rolling\"\nrolling = { batch = 1, bake = \"50ms\" }\n\
    [customers.alfa.domains]\nstaging.web = \"alfa.acme.test\"\n\
    [customers.beta]\nvars = { ILL = \"yes\" }\n[customers.beta.domains]\n\
    staging.web = \"beta.acme.test\"\n[customers.gamma.domains]\nstaging.web = \"gamma.acme.test\"\n";

#[test]
fn a_roll_out_stops_at_the_first_bad_target_and_the_rest_is_untouched() {
    let world = World::serving(ROLLING);
    world.code(Code::IllWhereToldTo("two"));
    let rolled = world.deploy_under_traffic("gamma.acme.test");
    assert_eq!(rolled.code, Some(1), "{:#}", rolled.document());
    assert_eq!(rolled.steps("step_failed"), ["verify main/web-staging-beta"]);
    let began = rolled.steps("step_started");
    let shifted =
        |customer: &str| began.contains(&&*format!("traffic main/web-staging-{customer}"));
    assert!(shifted("alfa") && shifted("beta"), "{began:?}");
    assert!(!shifted("gamma"), "{began:?}");
    assert_eq!(rolled.answers.keys().collect::<Vec<_>>(), ["one"], "{:?}", rolled.answers);
    for customer in ["alfa", "beta", "gamma"] {
        world.only_answers(&format!("{customer}.acme.test"), "one");
    }
}

#[test]
fn waves_come_one_after_the_other() {
    let waves = "[[waves]]\nname = \"friends\"\ncustomers = [\"gamma\"]\nbake = \"50ms\"\n";
    let world =
        World::serving(&format!("{ROLLING}{waves}").replace("ILL = \"yes\"", "ILL = \"no\""));
    world.code(Code::IllWhereToldTo("two"));
    let rolled = world.deploy_under_traffic("gamma.acme.test");
    assert_eq!(rolled.code, Some(0), "{:#}", rolled.document());
    let began = rolled.steps("step_started");
    let shifts = began.iter().filter_map(|step| step.strip_prefix("traffic main/web-staging-"));
    assert_eq!(shifts.collect::<Vec<_>>(), ["gamma", "alfa", "beta"]);
    assert_eq!(rolled.steps("waiting").first(), Some(&"hold shop wave \"friends\""));
    for customer in ["alfa", "beta", "gamma"] {
        world.only_answers(&format!("{customer}.acme.test"), "two");
    }
}

#[test]
fn environments_that_are_named_together_come_in_that_order_and_the_first_bad_one_is_the_last() {
    let both = "vars = { ILL = \"yes\" }\n[environments.production]\n[customers.acme.domains]\n\
        staging.web = \"stage.acme.test\"\nproduction.web = \"shop.acme.test\"\n";
    let world = World::serving(both);
    let words = ["deploy", "--env", "staging", "--env", "production", "--yes", "--json=events"];
    let deploy = || Rolled::of(&mut world.sandbox.command("clodo-deploy", &words));
    let first = deploy();
    assert_eq!(first.code, Some(0), "{:#}", first.document());
    world.only_answers("shop.acme.test", "one");

    world.code(Code::IllWhereToldTo("two"));
    let rolled = deploy();
    assert_eq!(rolled.code, Some(1), "{:#}", rolled.document());
    assert_eq!(rolled.steps("step_failed"), ["verify main/web-staging-acme"]);
    let began = rolled.steps("step_started");
    assert!(!began.contains(&"traffic main/web-production-acme"), "{began:?}");
    for host in ["shop.acme.test", "stage.acme.test"] {
        world.only_answers(host, "one");
    }
}
