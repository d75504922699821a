//! What the record of a deployment says, and going on with one that was interrupted.

use crate::world::{World, bundle, deployment, desired, name, storefront, target_id};
use clodo_orchestrator::{
    DeploymentState, Fault, Outcome, RollbackOptions, Rolling, StepState, Strategy, Verdict, Wave,
    deploy, deployment_record, deployments, rollback,
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_record_says_who_why_what_and_how_each_step_ended() {
    let world = World::new();
    let mut options = world.options();
    options.why = Some("the first".to_owned());
    let mut targets = storefront();
    targets[0].strategy = Strategy::Rolling(Rolling::default());
    let mut wanted = desired(targets);
    wanted.rollout.waves = vec![Wave::new("first", [target_id("web")])];
    deploy(&world.cx, &wanted, &options).await.unwrap();
    let record = deployment_record(&*world.store, &options.deployment).await.unwrap().unwrap();
    let told = &record.deployment;
    assert_eq!(
        (told.by.as_deref(), told.why.as_deref()),
        (Some("process 1 on here"), Some("the first"))
    );
    assert_eq!(told.wanted.len(), 3);
    assert_eq!((told.strategies.len(), &told.rollout), (1, &wanted.rollout));
    assert!(
        record.steps.iter().all(|step| step.state == StepState::Done && !step.summary.is_empty())
    );
    assert!(record.steps.iter().all(|step| step.began_at.is_some() && step.ended_at.is_some()));
    assert_eq!(deployment_record(&*world.store, &deployment(99)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn probes_that_were_not_wanted_are_skipped_and_the_record_says_so() {
    let world = World::new();
    world.verifier.make_sick(&target_id("web"));
    let mut options = world.options();
    options.no_tests = true;
    let report = deploy(&world.cx, &desired(storefront()), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "nobody asked the sick one");
    assert!(report.targets.iter().all(|target| target.verdict == Some(Verdict::Skipped)));
    let record = deployment_record(&*world.store, &options.deployment).await.unwrap().unwrap();
    assert!(record.deployment.no_tests && record.deployment.by.is_some(), "{record:?}");
    for step in &record.steps {
        let want = if step.kind == "verify" { StepState::Skipped } else { StepState::Done };
        assert_eq!(step.state, want, "{step:?}");
    }
    assert!(record.steps.iter().any(|step| step.kind == "verify"));
    // The next one tests again.
    let mut again = world.options();
    again.redeploy.insert(target_id("web"));
    let report = deploy(&world.cx, &desired(storefront()), &again).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    let record = deployment_record(&*world.store, &again.deployment).await.unwrap().unwrap();
    assert!(!record.deployment.no_tests);
}

#[tokio::test(start_paused = true)]
async fn a_record_says_what_failed_what_was_undone_and_what_never_began() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[0].bundle = bundle("web 2");
    world.verifier.make_sick(&target_id("web"));
    let options = world.options();
    let report = deploy(&world.cx, &desired(targets), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    let record = deployment_record(&*world.store, &options.deployment).await.unwrap().unwrap();
    let of = |kind: &str| record.steps.iter().find(|step| step.kind == kind).unwrap();
    assert_eq!(of("verify").state, StepState::Failed);
    assert!(of("verify").why.as_ref().is_some_and(|why| !why.is_empty()));
    assert_eq!(of("traffic").state, StepState::Undone);
    assert_eq!((of("commit").state, of("commit").began_at), (StepState::Waiting, None));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_deployment_goes_on_only_with_the_files_that_it_began_with() {
    let world = World::new();
    world.platform.fail_at("domains main/web", Fault::HangBefore);
    let (wanted, options) = (desired(storefront()), world.options());
    let killed =
        tokio::time::timeout(Duration::from_secs(20), deploy(&world.cx, &wanted, &options));
    assert!(killed.await.is_err());
    world.platform.mend();
    let past = deployments(&*world.store, &name("shop"), 5).await.unwrap();
    assert_eq!(past[0].state, DeploymentState::Unfinished);

    let resume = |targets| {
        let (world, expected) = (&world, past[0].wanted.clone());
        async move {
            let mut options = world.options();
            options.expected = Some(expected);
            deploy(&world.cx, &desired(targets), &options).await.unwrap()
        }
    };
    let mut edited = storefront();
    edited[1].bundle = bundle("another");
    for other in [edited, storefront().split_off(1)] {
        let refused = resume(other).await;
        assert_eq!(refused.outcome, Outcome::Refused);
        assert_eq!(refused.findings.last().unwrap().rule, "files-changed");
    }
    let done = resume(storefront()).await;
    assert_eq!((done.outcome, done.superseded), (Outcome::Done, vec![past[0].id.clone()]));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_deployment_that_had_changed_nothing_is_over_with_its_rollback() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[0].bundle = bundle("web 2");
    world.platform.fail_at("upload main/web", Fault::HangBefore);
    let (wanted, options) = (desired(targets), world.options());
    let killed =
        tokio::time::timeout(Duration::from_secs(20), deploy(&world.cx, &wanted, &options));
    assert!(killed.await.is_err());
    world.platform.mend();
    let mut back = RollbackOptions::new(deployment(9));
    back.of = Some(options.deployment.clone());
    let report = rollback(&world.cx, &name("shop"), &back).await.unwrap();
    assert_eq!(
        (report.outcome, report.superseded),
        (Outcome::NothingToDo, vec![options.deployment])
    );
}
