use crate::world::{World, bundle, calls, database, desired, host, name, target};
use clodo_orchestrator::{
    Desired, DesiredTarget, DriftOptions, Outcome, Plan, PlanOptions, drift, plan,
};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// What one service may look like; services are `s0`, `s1` …, and each calls only earlier ones.
#[derive(Clone, Debug)]
struct Shape {
    code: u8,
    var: Option<u8>,
    calls: Vec<bool>,
    migrations: usize,
    domain: bool,
    workers_dev: bool,
    cron: Option<bool>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let cron = prop_oneof![Just(None), any::<bool>().prop_map(Some)];
    let calls = proptest::collection::vec(any::<bool>(), 0..5);
    let parts =
        (0_u8..3, proptest::option::of(0_u8..3), calls, 0_usize..3, any::<[bool; 2]>(), cron);
    parts.prop_map(|(code, var, calls, migrations, [domain, workers_dev], cron)| Shape {
        code,
        var,
        calls,
        migrations,
        domain,
        workers_dev,
        cron,
    })
}

fn portfolio() -> impl Strategy<Value = Vec<Shape>> {
    proptest::collection::vec(shape(), 1..6)
}

fn build(at: usize, shape: &Shape) -> DesiredTarget {
    const FILES: [(&str, &str); 2] =
        [("1.sql", "CREATE TABLE a (x)"), ("2.sql", "CREATE TABLE b (x)")];
    let mut target = target(&format!("s{at}"));
    target.bundle = bundle(&format!("code {}", shape.code));
    if let Some(var) = shape.var {
        target.vars.insert(name("VAR"), var.into());
    }
    for (callee, _) in shape.calls.iter().enumerate().filter(|(callee, on)| **on && *callee < at) {
        calls(&mut target, &format!("s{callee}"));
    }
    if shape.migrations > 0 {
        database(&mut target, &format!("db{at}"), &FILES[..shape.migrations]);
    }
    target.domains.clear();
    if shape.domain {
        target.domains.insert(host(&format!("s{at}")));
    }
    target.workers_dev.enabled = shape.workers_dev;
    target.crons = shape.cron.map(|on| if on { vec!["* * * * *".into()] } else { vec![] });
    target
}

fn desire(shapes: &[Shape]) -> Desired {
    desired(shapes.iter().enumerate().map(|(at, shape)| build(at, shape)).collect())
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

fn needs_come_first(plan: &Plan) -> bool {
    plan.steps().iter().enumerate().all(|(at, step)| {
        let earlier = &plan.steps()[..at];
        step.needs.iter().all(|need| earlier.iter().any(|before| before.id == *need))
    })
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn planning_twice_gives_the_same_and_needs_come_first(shapes in portfolio()) {
        let desired = desire(&shapes);
        let observed = run(World::new().observe(&desired));
        let first = plan(&desired, &observed, &PlanOptions::default()).unwrap();
        let second = plan(&desired, &observed, &PlanOptions::default()).unwrap();
        prop_assert_eq!(&first, &second);
        prop_assert!(needs_come_first(&first));
    }

    #[test]
    fn what_was_applied_needs_no_further_plan(before in portfolio(), after in portfolio()) {
        let world = World::new();
        // Migrations are forward-only: those of `before` are part of `after`.
        let mut after = after;
        for (at, shape) in after.iter_mut().enumerate() {
            let known = before.get(at).map_or(0, |shape| shape.migrations);
            shape.migrations = shape.migrations.max(known);
        }
        for shapes in [&before, &after] {
            let desired = desire(shapes);
            let report = run(world.deploy(&desired)).unwrap();
            prop_assert!(needs_come_first(&report.plan));
            prop_assert!(matches!(report.outcome, Outcome::Done | Outcome::NothingToDo));
            let again = run(World::on(world.platform.clone()).deploy(&desired)).unwrap();
            prop_assert_eq!(again.outcome, Outcome::NothingToDo);
            for cx in [&world.cx, &World::on(world.platform.clone()).cx] {
                let seen = run(drift(cx, &desired, &DriftOptions::default())).unwrap();
                prop_assert_eq!(seen.drifts, vec![], "a deployment is no drift");
            }
        }
    }
}
