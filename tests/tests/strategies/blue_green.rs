use crate::world::{Code, ONE, World};

const BLUE_GREEN: &str = "strategy = \"blue-green\"\nblue_green = { bake = \"200ms\" }\n";

#[test]
fn the_new_version_is_proved_beside_the_old_one_before_anybody_gets_it() {
    let world = World::serving(&format!("{BLUE_GREEN}{ONE}"));
    world.code(Code::Says("two"));
    let rolled = world.deploy_under_traffic("shop.acme.test");
    assert_eq!(rolled.code, Some(0), "{:#}", rolled.document());
    let done = rolled.steps("step_done");
    let place = |step: &str| done.iter().position(|done| *done == step);
    let worker = "main/web-staging-acme";
    let order = [
        format!("traffic {worker} 0%"),
        format!("verify {worker} beside the old version"),
        format!("traffic {worker}"),
        format!("verify {worker}"),
        format!("hold {worker}"),
    ];
    let places: Vec<_> = order.iter().map(|step| place(step)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{done:?}");
    assert_eq!(rolled.count("one") + rolled.count("two"), rolled.answers.values().sum::<u32>());
    // The old version is kept warm.
    assert_eq!(world.shares("web-staging-acme"), [100.0, 0.0]);
    world.only_answers("shop.acme.test", "two");
}

#[test]
fn a_version_that_is_ill_beside_the_old_one_gets_no_traffic_at_all() {
    let world = World::serving(&format!("{BLUE_GREEN}{ONE}"));
    world.code(Code::Ill("two"));
    let rolled = world.deploy_under_traffic("shop.acme.test");
    assert_eq!(rolled.code, Some(1), "{:#}", rolled.document());
    let failed = rolled.steps("step_failed");
    assert_eq!(failed, ["verify main/web-staging-acme beside the old version"]);
    assert!(rolled.count("one") > 0);
    assert_eq!(rolled.answers.len(), 1, "nobody saw the new version: {:?}", rolled.answers);
    assert_eq!(world.shares("web-staging-acme"), [100.0]);
}
