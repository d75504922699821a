//! Queues: who sends, who receives, and what becomes of them.

use crate::world::{World, bundle, deployment, desired, ids, name, target};
use clodo_orchestrator::{
    Data, Delivery, DeployError, DesiredConsumer, DesiredQueue, DesiredTarget, Fault, Outcome,
    PlanError, Platform as _, Removal, RemovalOptions, RollbackOptions, Scope, destroy, prepare,
    rollback,
};
use clodo_types::{DeploymentId, Severity};

fn sends(target: &mut DesiredTarget, queue: &str) {
    let binding = name(&queue.to_uppercase().replace('-', "_"));
    target.queues.push(DesiredQueue { binding, name: name(queue) });
}

fn receives(target: &mut DesiredTarget, queue: &str, letters: Option<&str>) {
    let dead_letter_queue = letters.map(name);
    let delivery = Delivery { dead_letter_queue, ..Delivery::default() };
    target.consumers.push(DesiredConsumer { queue: name(queue), delivery });
}

/// `web` sends mails, `mailer` delivers them, `morgue` looks at those that failed.
fn post() -> Vec<DesiredTarget> {
    let (mut web, mut mailer, mut morgue) = (target("web"), target("mailer"), target("morgue"));
    sends(&mut web, "mails");
    receives(&mut mailer, "mails", Some("dead-mails"));
    receives(&mut morgue, "dead-mails", None);
    vec![web, mailer, morgue]
}

/// The queues, and who receives from each.
async fn receivers(world: &World) -> Vec<(String, Option<String>)> {
    let scope: Scope = desired(post()).scope();
    let observed = world.platform.observe(&scope).await.unwrap();
    let account = observed.accounts.into_values().next().unwrap();
    let queues = account.queues.unwrap().into_iter();
    let shown = queues.map(|(name, queue)| {
        (name.to_string(), queue.consumer.map(|consumer| consumer.worker.to_string()))
    });
    shown.collect()
}

fn row(queue: &str, worker: Option<&str>) -> (String, Option<String>) {
    (queue.to_owned(), worker.map(str::to_owned))
}

#[tokio::test]
async fn who_receives_is_ready_before_who_sends_and_receives_only_then() {
    let world = World::new();
    let report = world.deploy(&desired(post())).await.unwrap();
    insta::assert_snapshot!(ids(&report.plan).join("\n"), @r"
    create-queue main/dead-mails
    upload main/morgue
    domains main/morgue
    consumers main/morgue
    verify main/morgue
    commit main/morgue
    create-queue main/mails
    upload main/mailer
    domains main/mailer
    consumers main/mailer
    verify main/mailer
    commit main/mailer
    upload main/web
    domains main/web
    verify main/web
    commit main/web
    ");
    let all = [row("dead-mails", Some("morgue")), row("mails", Some("mailer"))];
    assert_eq!(receivers(&world).await, all);
    let again = World::on(world.platform);
    let report = again.deploy(&desired(post())).await.unwrap();
    assert!(report.plan.is_empty(), "{:?}", ids(&report.plan));
}

#[tokio::test]
async fn how_messages_are_delivered_is_no_reason_to_upload() {
    let world = World::new();
    world.deploy(&desired(post())).await.unwrap();
    let mut targets = post();
    targets[1].consumers[0].delivery.max_retries = Some(7);
    let report = world.deploy(&desired(targets.clone())).await.unwrap();
    assert_eq!(ids(&report.plan), ["consumers main/mailer", "commit main/mailer"]);
    // What the platform chooses by itself is the same as saying it.
    targets[1].consumers[0].delivery.batch_size = Some(10);
    let plan = world.plan(&desired(targets)).await;
    assert_eq!(ids(&plan), ["commit main/mailer"]);
    let plan = world.plan(&desired(post())).await;
    assert_eq!(ids(&plan), ["consumers main/mailer", "commit main/mailer"], "and back");
}

#[tokio::test]
async fn a_worker_stops_receiving_before_it_loses_its_handler() {
    let world = World::new();
    world.deploy(&desired(post())).await.unwrap();
    let mut targets = post();
    targets[1].consumers.clear();
    targets[1].bundle = bundle("no handler any more");
    let report = world.deploy(&desired(targets.clone())).await.unwrap();
    let steps = ids(&report.plan);
    assert_eq!(steps[..2], ["consumers main/mailer", "upload main/mailer"]);
    assert_eq!(receivers(&world).await[1], row("mails", None));
    // One that was set by hand since is left alone, as long as no file speaks of it.
    let plan = world.plan(&desired(targets)).await;
    assert!(plan.is_empty(), "{:?}", ids(&plan));
}

#[tokio::test]
async fn a_queue_that_is_there_goes_from_one_receiver_to_another_and_back() {
    let world = World::new();
    world.deploy(&desired(post())).await.unwrap();
    let mut targets = post();
    targets[1].consumers.clear();
    receives(&mut targets[2], "mails", None);
    let before = receivers(&world).await;
    world.platform.fail_at("commit main/morgue", Fault::Refuse);
    let report = world.deploy(&desired(targets.clone())).await.unwrap();
    let step = |id: &str| report.plan.steps().iter().find(|step| step.id.as_str() == id).unwrap();
    let taken = step("consumers main/morgue").id.clone();
    assert!(step("consumers main/mailer").needs.contains(&taken), "somebody receives all the time");
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(receivers(&world).await, before, "all is taken back");
    world.platform.mend();
    let report = world.deploy(&desired(targets)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    let after = [row("dead-mails", Some("morgue")), row("mails", Some("morgue"))];
    assert_eq!(receivers(&world).await, after);
    let id: DeploymentId = report.deployment.unwrap();
    let mut options = RollbackOptions::new(deployment(99));
    options.of = Some(id);
    let report = rollback(&world.cx, &name("shop"), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    assert_eq!(receivers(&world).await, before);
}

#[tokio::test]
async fn workers_that_send_to_each_other_need_no_stub() {
    let (mut one, mut two) = (target("one"), target("two"));
    sends(&mut one, "to-two");
    receives(&mut two, "to-two", None);
    sends(&mut two, "to-one");
    receives(&mut one, "to-one", None);
    let world = World::new();
    let report = world.deploy(&desired(vec![one, two])).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert!(!ids(&report.plan).iter().any(|id| id.starts_with("stub")), "{:?}", ids(&report.plan));
}

#[tokio::test]
async fn who_receives_events_is_there_first_and_is_named_if_not() {
    let (mut web, tail) = (target("web"), target("tail"));
    web.tails.insert(name("tail"));
    let world = World::new();
    let plan = world.plan(&desired(vec![web.clone(), tail])).await;
    let place = |id: &str| ids(&plan).iter().position(|one| *one == id).unwrap();
    assert!(place("verify main/tail") < place("upload main/web"), "{:?}", ids(&plan));
    let alone = prepare(&world.cx, &desired(vec![web]), &world.options()).await.unwrap_err();
    assert!(matches!(alone, DeployError::Plan(PlanError::NoWorker { .. })), "{alone}");
}

#[tokio::test]
async fn a_queue_has_one_receiver_who_is_not_somebody_elses() {
    let world = World::new();
    let mut targets = post();
    receives(&mut targets[0], "mails", None);
    let observed = world.observe(&desired(targets.clone())).await;
    let error = clodo_orchestrator::plan(&desired(targets), &observed, &Default::default());
    let error = error.unwrap_err();
    assert!(matches!(error, PlanError::QueueClaimedTwice { .. }), "{error}");
    assert_eq!(error.to_string(), "web@staging and mailer@staging both receive from queue `mails`");

    let mut others = desired(post());
    others.portfolio = name("others");
    world.deploy(&others).await.unwrap();
    let mut other = target("other");
    receives(&mut other, "mails", None);
    let plan = world.plan(&desired(vec![other.clone()])).await;
    let [finding] = plan.findings() else { panic!("{:?}", plan.findings()) };
    assert_eq!((finding.rule.as_str(), finding.severity), ("queue-taken", Severity::Block));
    other.adopt = true;
    assert!(world.plan(&desired(vec![other])).await.findings().is_empty());
}

#[tokio::test]
async fn queues_go_only_with_data_and_only_when_nobody_else_uses_them() {
    let world = World::new();
    world.deploy(&desired(post())).await.unwrap();
    let [web, mailer, morgue] = post().try_into().unwrap();
    let mut options = RemovalOptions::new(deployment(50));
    options.data = Data::Remove;
    let removal = Removal::new(name("shop"), [mailer], [web, morgue]);
    let report = destroy(&world.cx, &removal, &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let steps = ["domains main/mailer", "consumers main/mailer", "remove-worker main/mailer"];
    assert_eq!(ids(&report.plan), steps);
    let [web, _, morgue] = post().try_into().unwrap();
    options.deployment = deployment(51);
    let removal = Removal::new(name("shop"), [web, morgue], []);
    let report = destroy(&world.cx, &removal, &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    assert!(receivers(&world).await.is_empty());
}

#[tokio::test]
async fn a_rollback_gives_a_queue_back_to_who_was_no_part_of_the_deployment() {
    let world = World::new();
    world.deploy(&desired(post())).await.unwrap();
    let before = receivers(&world).await;
    let mut taker = target("web");
    sends(&mut taker, "mails");
    receives(&mut taker, "mails", None);
    let report = world.deploy(&desired(vec![taker])).await.unwrap();
    assert_ne!(receivers(&world).await, before);
    let mut options = RollbackOptions::new(deployment(99));
    options.of = report.deployment;
    let report = rollback(&world.cx, &name("shop"), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let place = |id: &str| ids(&report.plan).iter().position(|one| *one == id).unwrap();
    let (deaf, back) = (place("consumers main/web"), place("consumers main/mailer"));
    assert!(deaf < back, "{:?}", ids(&report.plan));
    assert_eq!(receivers(&world).await, before);
}

#[tokio::test]
async fn a_rollback_takes_a_queue_away_before_the_old_version_serves() {
    let world = World::new();
    let mut deaf = post();
    deaf[1].consumers.clear();
    world.deploy(&desired(deaf)).await.unwrap();
    let mut targets = post();
    targets[1].bundle = bundle("a handler at last");
    let report = world.deploy(&desired(targets)).await.unwrap();
    let mut options = RollbackOptions::new(deployment(99));
    options.of = report.deployment;
    let report = rollback(&world.cx, &name("shop"), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let traffic = report.plan.steps().iter().find(|step| step.id.as_str() == "traffic main/mailer");
    let needs: Vec<&str> = traffic.unwrap().needs.iter().map(|need| need.as_str()).collect();
    assert_eq!(needs, ["consumers main/mailer"]);
}

#[tokio::test]
async fn a_queue_from_which_another_worker_receives_is_nobody_s_to_remove() {
    let world = World::new();
    world.deploy(&desired(post())).await.unwrap();
    let web = post().remove(0);
    let mut options = RemovalOptions::new(deployment(50));
    options.data = Data::Remove;
    let report =
        destroy(&world.cx, &Removal::new(name("shop"), [web], []), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let said =
        report.findings.iter().any(|finding| finding.message.contains("another Worker receives"));
    assert!(said, "{:?}", report.findings);
    assert_eq!(receivers(&world).await.len(), 2);
}

#[tokio::test]
async fn two_workers_swap_their_queues() {
    let world = World::new();
    let both = |first: &str, second: &str| {
        let (mut one, mut two) = (target("one"), target("two"));
        receives(&mut one, first, None);
        receives(&mut two, second, None);
        desired(vec![one, two])
    };
    world.deploy(&both("a", "b")).await.unwrap();
    let report = world.deploy(&both("b", "a")).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(receivers(&world).await, [row("a", Some("two")), row("b", Some("one"))]);
}
