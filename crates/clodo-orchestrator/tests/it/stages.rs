use crate::{
    strategies::PausedClock,
    world::{World, bundle, calls, desired, ids, name, target, target_id},
};
use clodo_orchestrator::{
    Approval, BatchSize, Desired, DesiredTarget, Outcome, Plan, Rolling, Strategy, Wave, deploy,
};
use clodo_saga::{Signal, SignalKind, SignalStore as _};
use clodo_types::TargetId;
use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

fn of_customer(service: &str, customer: &str) -> DesiredTarget {
    let mut target = target(&format!("{service}-{customer}"));
    target.id = TargetId { customer: Some(name(customer)), ..target_id(service) };
    target
}

fn rolling(batch: usize, max_unavailable: Option<usize>) -> Strategy {
    let mut rolling = Rolling::default();
    rolling.batch = BatchSize::Count(NonZeroUsize::new(batch).unwrap());
    rolling.max_unavailable = max_unavailable.and_then(NonZeroUsize::new);
    Strategy::Rolling(rolling)
}

fn many(count: usize, code: &str, strategy: &Strategy) -> Vec<DesiredTarget> {
    let one = |at: usize| {
        let mut one = target(&format!("s{at}"));
        one.bundle = bundle(code);
        one.strategy = strategy.clone();
        one
    };
    (0..count).map(one).collect()
}

/// Which steps, in which order, each step comes after, whatever lies between.
fn before(plan: &Plan) -> BTreeMap<&str, std::collections::BTreeSet<&str>> {
    let mut before: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
    for step in plan.steps() {
        let mut all = std::collections::BTreeSet::new();
        for need in &step.needs {
            all.insert(need.as_str());
            all.extend(before[need.as_str()].iter().copied());
        }
        before.insert(step.id.as_str(), all);
    }
    before
}

#[tokio::test]
async fn a_batch_begins_when_all_of_the_batch_before_is_healthy() {
    let world = World::new();
    world.deploy(&desired(many(5, "one", &Strategy::AllAtOnce))).await.unwrap();
    let plan = world.plan(&desired(many(5, "two", &rolling(2, None)))).await;
    let holds: Vec<_> = ids(&plan).into_iter().filter(|id| id.starts_with("hold")).collect();
    assert_eq!(holds, ["hold shop batch 1 of 3", "hold shop batch 2 of 3"]);
    let before = before(&plan);
    for (later, earlier) in [("s2", ["s0", "s1"]), ("s4", ["s2", "s3"])] {
        let needs = &before[format!("traffic main/{later}").as_str()];
        for service in earlier {
            assert!(needs.contains(format!("verify main/{service}").as_str()), "{needs:?}");
        }
    }
    assert!(!before["traffic main/s1"].contains("traffic main/s0"));
    // Uploads disturb nobody, so they need not wait.
    assert!(before["upload main/s4"].is_empty());
}

#[tokio::test]
async fn no_more_of_a_batch_is_uncertain_than_allowed() {
    let world = World::new();
    world.deploy(&desired(many(4, "one", &Strategy::AllAtOnce))).await.unwrap();
    let plan = world.plan(&desired(many(4, "two", &rolling(4, Some(1))))).await;
    let before = before(&plan);
    for (later, earlier) in [("s1", "s0"), ("s2", "s1"), ("s3", "s2")] {
        let needs = &before[format!("traffic main/{later}").as_str()];
        assert!(needs.contains(format!("verify main/{earlier}").as_str()), "{needs:?}");
    }
}

#[tokio::test]
async fn only_targets_that_change_make_up_batches() {
    let world = World::new();
    let strategy = rolling(2, None);
    world.deploy(&desired(many(6, "one", &strategy))).await.unwrap();
    let mut targets = many(6, "one", &strategy);
    for at in [1, 3] {
        targets[at].bundle = bundle("two");
    }
    let plan = world.plan(&desired(targets)).await;
    assert!(!ids(&plan).iter().any(|id| id.starts_with("hold")), "{:?}", ids(&plan));
}

#[tokio::test]
async fn the_first_bad_target_stops_the_batches_after_it() {
    let world = World::new();
    world.deploy(&desired(many(6, "one", &Strategy::AllAtOnce))).await.unwrap();
    let before = world.platform.picture();
    world.platform.forget_writes();
    world.verifier.make_sick(&target_id("s2"));
    let report = world.deploy(&desired(many(6, "two", &rolling(2, None)))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.failure.unwrap().step.as_str(), "verify main/s2");
    let writes = world.platform.writes();
    for never in ["traffic main/s4", "traffic main/s5"] {
        assert!(!writes.iter().any(|write| write == never), "{writes:?}");
    }
    assert_eq!(world.platform.picture(), before);
}

fn wave_of(name: &str, services: &[&str]) -> Wave {
    let mut wave = Wave::default();
    wave.name = name.to_owned();
    wave.targets = services.iter().map(|service| target_id(service)).collect();
    wave
}

#[tokio::test]
async fn batches_of_two_waves_have_ends_of_their_own() {
    let world = World::new();
    world.deploy(&desired(many(6, "one", &Strategy::AllAtOnce))).await.unwrap();
    let mut wanted = desired(many(6, "two", &rolling(2, None)));
    wanted.rollout.waves = vec![wave_of("first", &["s0", "s1", "s2", "s3"])];
    let mut wanted_twice = wanted.clone();
    wanted_twice.rollout.waves.push(wave_of("first", &["s4"]));
    for (wanted, want) in [
        (wanted, vec!["batch 1 of 2 of wave \"first\"", "wave \"first\""]),
        (
            wanted_twice,
            vec!["batch 1 of 2 of wave \"first\"", "wave \"first\"", "wave \"first\" (3)"],
        ),
    ] {
        let plan = world.plan(&wanted).await;
        let holds: Vec<_> =
            ids(&plan).into_iter().filter_map(|id| id.strip_prefix("hold shop ")).collect();
        assert_eq!(holds, want);
        let needs = &before(&plan)["traffic main/s5"];
        assert!(needs.contains("verify main/s3"), "{needs:?}");
    }
}

#[tokio::test]
async fn an_unchanged_caller_pulls_nothing_into_an_earlier_wave() {
    let world = World::new();
    let targets = |code: &str| {
        let mut all = many(3, code, &Strategy::AllAtOnce);
        all[1].bundle = bundle("the same");
        calls(&mut all[1], "s2");
        all
    };
    world.deploy(&desired(targets("one"))).await.unwrap();
    let mut wanted = desired(targets("two"));
    wanted.rollout.waves = vec![wave_of("first", &["s0"])];
    let plan = world.plan(&wanted).await;
    let needs = &before(&plan)["traffic main/s2"];
    assert!(needs.contains("verify main/s0"), "{needs:?}");
}

fn two_customers() -> Desired {
    let mut targets = Vec::new();
    for customer in ["globex", "acme"] {
        let mut api = of_customer("api", customer);
        let web = of_customer("web", customer);
        calls(&mut api, &format!("web-{customer}"));
        targets.extend([api, web]);
    }
    desired(targets)
}

fn wave(customer: &str, desired: &Desired) -> Wave {
    let own = desired
        .targets
        .iter()
        .filter(|target| target.id.customer.as_ref().is_some_and(|name| name.as_str() == customer));
    Wave::new(customer, own.map(|target| target.id.clone()))
}

#[tokio::test]
async fn a_canary_customer_comes_before_the_others() {
    let world = World::new();
    let mut wanted = two_customers();
    wanted.rollout.waves = vec![wave("acme", &wanted)];
    let plan = world.plan(&wanted).await;
    let before = before(&plan);
    for service in ["api", "web"] {
        let needs = &before[format!("upload main/{service}-globex").as_str()];
        assert!(needs.contains("hold shop wave \"acme\""), "{needs:?}");
        assert!(needs.contains("verify main/api-acme") && needs.contains("verify main/web-acme"));
    }
}

#[tokio::test]
async fn what_a_wave_waits_for_comes_with_it() {
    let world = World::new();
    let mut wanted = two_customers();
    let web = &wanted.targets[1];
    let mut shared = (**web).clone();
    shared.depends_on.clear();
    // acme's API needs globex' web: then that comes with acme.
    let mut api = (*wanted.targets[2]).clone();
    calls(&mut api, "web-globex");
    wanted.targets[2] = std::sync::Arc::new(api);
    wanted.rollout.waves = vec![wave("acme", &wanted)];
    let plan = world.plan(&wanted).await;
    let before = before(&plan);
    assert!(!before["upload main/web-globex"].contains("hold shop wave \"acme\""));
    assert!(before["upload main/api-globex"].contains("hold shop wave \"acme\""));
    assert_eq!(world.deploy(&wanted).await.unwrap().outcome, Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn a_wave_is_baked_and_one_that_falls_ill_meanwhile_stops_the_rest() {
    let mut world = World::new();
    PausedClock::on(&mut world);
    let mut wanted = two_customers();
    wanted.rollout.waves = vec![wave("acme", &wanted).with_bake(Duration::from_mins(10))];
    let began = tokio::time::Instant::now();
    let sick = async {
        tokio::time::sleep(Duration::from_mins(3)).await;
        let acme = TargetId { customer: Some(name("acme")), ..target_id("web") };
        world.verifier.make_sick(&acme);
    };
    let (report, ()) = tokio::join!(world.deploy(&wanted), sick);
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.failure.unwrap();
    assert_eq!(failure.step.as_str(), "hold shop wave \"acme\"");
    assert!(failure.messages[0].contains("is no longer healthy"), "{:?}", failure.messages);
    assert!(began.elapsed() < Duration::from_mins(4));
    assert!(!world.platform.writes().iter().any(|write| write.contains("globex")));
}

#[tokio::test]
async fn nothing_is_written_before_the_yes_that_the_rollout_asks_for() {
    let world = World::new();
    let mut wanted = two_customers();
    wanted.rollout.approval = Some(Approval::SomebodyElse);
    let plan = world.plan(&wanted).await;
    let before = before(&plan);
    assert_eq!(ids(&plan)[0], "hold shop approval");
    let all = ids(&plan);
    let unasked: Vec<_> =
        all[1..].iter().filter(|id| !before[**id].contains("hold shop approval")).collect();
    assert!(unasked.is_empty(), "{unasked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_yes_makes_the_time_of_a_wave_no_shorter() {
    let mut world = World::new();
    PausedClock::on(&mut world);
    let mut wanted = two_customers();
    let first = wave("acme", &wanted).with_bake(Duration::from_mins(10));
    wanted.rollout.waves = vec![first.with_approval(Approval::Anybody)];
    let (began, options) = (tokio::time::Instant::now(), world.options());
    let yes = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let (kind, step, by, why) = (SignalKind::Continue, None, "ada@home".to_owned(), None);
        let at = world.cx.clock.now();
        let signal = Signal { kind, step, by, why, at };
        world.store.send(&options.deployment, &signal).await.unwrap();
    };
    let (report, ()) = tokio::join!(deploy(&world.cx, &wanted, &options), yes);
    assert_eq!(report.unwrap().outcome, Outcome::Done);
    assert!(began.elapsed() >= Duration::from_mins(10), "{:?}", began.elapsed());
}
