//! What every [`Platform`] and [`Migrator`] must pass. Each function panics when the adapter breaks
//! a promise.

use crate::{
    change::{Applied, Before, Change, Inputs, Look, Traffic, Undone, Upload},
    desired::{Desired, DesiredTarget},
    inspected::BoundTo,
    mark::Mark,
    migration::{MigrationFile, MigrationTarget},
    observed::{ObservedAccount, ObservedWorkflow, Scope},
    platform::Platform,
    ports::Migrator,
    preview::Preview,
    removal::Data,
    resource::{Delivery, DesiredConsumer, OwnWorkflow},
    trigger::{Route, TrafficShare, WorkerRef, WorkersDev},
};
use clodo_bundle::{Bundle, Module, ModuleKind};
use clodo_types::{
    AccountName, DatabaseId, DeploymentId, NamespaceId, PortfolioName, QueueId, QueueName,
    TargetId, Timestamp, VersionId, WorkflowName, ZoneName,
};
use serde_json::Map;
use std::{collections::BTreeSet, sync::Arc};

/// Where the suite may work.
#[derive(Clone, Debug)]
pub struct Playground {
    /// An account in which no Worker, database, namespace or bucket begins with `conformance`.
    pub account: AccountName,
    /// A zone of that account.
    pub zone: ZoneName,
}

/// Everything about platforms. What it makes it takes away again.
pub async fn platform(platform: &dyn Platform, place: &Playground) {
    resources_are_made_once_and_go_only_if_new(platform, place).await;
    a_stub_can_be_bound_to_and_goes_again(platform, place).await;
    a_first_upload_creates_a_marked_worker(platform, place).await;
    versions_and_traffic_go_forth_and_back(platform, place).await;
    triggers_and_mark_go_forth_and_back(platform, place).await;
    a_closer_look_tells_what_runs(platform, place).await;
    remove(platform, place).await;
    removals_are_final(platform, place).await;
}

/// Everything about migrators; `database` is empty, and stays behind with two tables.
pub async fn migrator(migrator: &dyn Migrator, database: &MigrationTarget) {
    let names = async || {
        let applied = migrator.applied(database).await.expect("history can be read");
        applied.into_iter().map(|done| (done.name, done.checksum)).collect::<Vec<_>>()
    };
    assert_eq!(names().await, [], "a new database has no migrations");
    let file = |name: &str, sql: &str| MigrationFile::new(name, name, sql);
    let first = file("0001_first.sql", "CREATE TABLE first (x);\nINSERT INTO first VALUES (1);");
    migrator.apply(database, &first).await.expect("a file applies");
    migrator.apply(database, &first).await.expect("a file that is there is no error");
    let broken = file("0002_broken.sql", "CREATE TABLE lost (x); INSERT INTO nowhere VALUES (1);");
    migrator.apply(database, &broken).await.expect_err("there is no such table");
    let second = file("0003_second.sql", "CREATE TABLE lost (y);");
    migrator.apply(database, &second).await.expect("the broken file left nothing behind");
    let want = [(first.name, Some(first.checksum)), (second.name, Some(second.checksum))];
    assert_eq!(names().await, want, "names and checksums are recorded in order");
}

/// That a database can be put back to a bookmark; `database` is as [`migrator`] left it, and is so again
/// in the end.
pub async fn restores(
    platform: &dyn Platform,
    migrator: &dyn Migrator,
    database: &MigrationTarget,
) {
    let count = async || migrator.applied(database).await.expect("history can be read").len();
    let before = count().await;
    let bookmark = migrator.bookmark(database).await.expect("it can be read");
    let bookmark = bookmark.expect("a platform that restores has bookmarks");
    let file = MigrationFile::new("0009_late.sql", "0009_late.sql", "CREATE TABLE late (x);");
    migrator.apply(database, &file).await.expect("a file applies");
    let (account, id) = (database.account.clone(), database.id.clone());
    let name = id.to_string();
    let to = |bookmark: String| {
        let (account, name, id) = (account.clone(), name.clone(), id.clone());
        Change::RestoreDatabase { account, name, id, bookmark, first: None }
    };
    let change = to(bookmark);
    let now = async || {
        let look = look(platform, &change, &inputs()).await;
        assert_eq!(look.already, None, "the platform alone cannot tell whether it was put back");
        let Before::Bookmark(bookmark) = look.before else { panic!("{look:?}") };
        bookmark
    };
    let late = now().await;
    assert_eq!(now().await, late, "a moment lasts until something is written");
    let record = async || {
        let applied = migrator.applied(database).await.expect("history can be read");
        applied.into_iter().find(|done| done.name == file.name)
    };
    let first = record().await.expect("it is recorded");
    assert!(first.applied_at.is_some(), "{first:?}");
    apply(platform, &change, &inputs()).await;
    assert_ne!(now().await, late, "that it was put back makes it another moment");
    assert_eq!(record().await, None, "the record goes with the rows");
    assert_eq!(count().await, before, "what was written since is gone");
    let bookmark = late;
    apply(platform, &to(bookmark), &inputs()).await;
    assert_eq!(count().await, before + 1, "and can be had back by the bookmark from before");
    assert_eq!(record().await, Some(first), "as it was");
    apply(platform, &change, &inputs()).await;
}

fn deployment() -> DeploymentId {
    "00000000-0000-7000-8000-00000c0f0a0e".parse().expect("this is a UUID")
}

fn inputs() -> Inputs {
    Inputs::new(deployment())
}

fn target(place: &Playground, code: &str) -> DesiredTarget {
    let id = TargetId {
        service: "conformance".parse().expect("this is a name"),
        environment: "development".parse().expect("this is a name"),
        customer: None,
        account: place.account.clone(),
    };
    let body = format!(
        "{FLOW}export default {{ fetch() {{ return new Response('{code}') }}, queue() {{}} }}"
    );
    let (name, kind) = ("index.js".to_owned(), ModuleKind::EsModule);
    let module = Module { name, kind, body: body.into() };
    let bundle = Bundle::new(Some("index.js".into()), vec![module], None);
    let worker = "conformance".parse().expect("this is a name");
    let mut target = DesiredTarget::new(id, worker, Arc::new(bundle));
    target.compatibility_date = Some("2026-01-01".into());
    target.vars.insert("NOTE".parse().expect("this is a name"), "what it was".into());
    target
}

/// A Worker of a preview says so from its first moment on.
fn preview() -> Preview {
    Preview {
        name: "conformance".parse().expect("this is a name"),
        from: "staging".parse().expect("this is a name"),
        service: "conformance".parse().expect("this is a name"),
        customer: None,
        since: Timestamp::from_millis(1_764_374_400_000),
        ends: None,
        by: "conformance".to_owned(),
    }
}

/// A class that a Workflow runs.
const FLOW: &str = "import { WorkflowEntrypoint } from \"cloudflare:workers\";\n\
    export class Flow extends WorkflowEntrypoint { async run() {} }\n";

fn workflow_name() -> WorkflowName {
    "conformance-flow".parse().expect("this is a name")
}

fn queue_name() -> QueueName {
    "conformance-queue".parse().expect("this is a name")
}

fn upload(place: &Playground, code: &str, first: bool) -> (Change, Mark) {
    let target = Arc::new(target(place, code));
    let owner = "conformance".parse().ok();
    let mark = Mark { owner, hashes: Some(target.hashes()), preview: Some(preview()) };
    let upload = Upload { target, first, migrates: false, mark: mark.clone(), revision: None };
    (Change::Upload(upload), mark)
}

async fn observe(platform: &dyn Platform, place: &Playground) -> ObservedAccount {
    let mut wanted = target(place, "one");
    wanted.domains.insert(format!("conformance.{}", place.zone).parse().expect("this is a host"));
    let portfolio = "conformance".parse().expect("this is a name");
    let mut scope: Scope = Desired::new(portfolio, [wanted]).scope();
    for account in scope.accounts.values_mut() {
        (account.databases, account.namespaces, account.buckets) = (true, true, true);
        (account.routes, account.queues, account.workflows) = (true, true, true);
    }
    let mut observed = platform.observe(&scope).await.expect("the platform can be read");
    observed.accounts.remove(&place.account).expect("the account is there")
}

async fn look(platform: &dyn Platform, change: &Change, inputs: &Inputs) -> Look {
    platform.look(change, inputs).await.expect("looking works")
}

async fn apply(platform: &dyn Platform, change: &Change, inputs: &Inputs) -> Applied {
    platform.apply(change, inputs).await.expect("the change can be made")
}

async fn resources_are_made_once_and_go_only_if_new(platform: &dyn Platform, place: &Playground) {
    let account = &place.account;
    let changes = [
        Change::CreateDatabase {
            account: account.clone(),
            name: "conformance-db".parse().expect("this is a name"),
        },
        Change::CreateNamespace {
            account: account.clone(),
            title: "conformance kv".parse().expect("this is a title"),
        },
        Change::CreateBucket {
            account: account.clone(),
            name: "conformance-bucket".parse().expect("this is a name"),
            jurisdiction: None,
        },
        Change::CreateQueue { account: account.clone(), name: queue_name() },
    ];
    for change in changes {
        assert_eq!(look(platform, &change, &inputs()).await, Look::pending(Before::Absent));
        let applied = apply(platform, &change, &inputs()).await;
        let again = look(platform, &change, &inputs()).await;
        assert_eq!(again, Look::done(Before::Present, applied.clone()), "it is found again");
        let undo = async |before: Before| {
            let undone = platform.undo(&change, &before, Some(&applied), &inputs()).await;
            assert_eq!(undone.expect("undoing works"), Undone::Restored);
        };
        undo(Before::Present).await;
        let seen = observe(platform, place).await;
        let listed = seen.databases.keys().any(|name| name.as_str().starts_with("conformance"))
            || seen.namespaces.keys().any(|title| title.as_str().starts_with("conformance"))
            || seen.buckets.iter().any(|name| name.as_str().starts_with("conformance"))
            || seen.queues.is_some_and(|queues| queues.contains_key(&queue_name()));
        assert!(listed, "what was there before stays, and listings show it");
        undo(Before::Absent).await;
        undo(Before::Absent).await;
        assert_eq!(look(platform, &change, &inputs()).await, Look::pending(Before::Absent));
    }
}

/// A removal of each kind.
fn removals(
    place: &Playground,
    id: DatabaseId,
    namespace: NamespaceId,
    queue: QueueId,
) -> [Change; 6] {
    let account = place.account.clone();
    [
        Change::RemoveWorker { worker: target(place, "three").worker_ref() },
        Change::RemoveDatabase {
            account: account.clone(),
            name: "conformance-lost".parse().expect("this is a name"),
            id,
        },
        Change::RemoveNamespace {
            account: account.clone(),
            title: "conformance lost".parse().expect("this is a title"),
            id: namespace,
        },
        Change::RemoveBucket {
            account: account.clone(),
            name: "conformance-lost".parse().expect("this is a name"),
        },
        Change::RemoveQueue { account: account.clone(), name: queue_name(), id: queue },
        Change::RemoveWorkflow {
            account,
            name: workflow_name(),
            worker: target(place, "three").worker,
            data: Data::Keep,
        },
    ]
}

async fn removals_are_final(platform: &dyn Platform, place: &Playground) {
    let account = place.account.clone();
    let (change, _) = upload(place, "three", true);
    apply(platform, &change, &inputs()).await;
    let name = "conformance-lost".parse().expect("this is a name");
    let made = apply(platform, &Change::CreateDatabase { account, name }, &inputs()).await;
    let Applied::Database(id) = made else { panic!("a database has an id: {made:?}") };
    let account = place.account.clone();
    let title = "conformance lost".parse().expect("this is a title");
    let made = apply(platform, &Change::CreateNamespace { account, title }, &inputs()).await;
    let Applied::Namespace(namespace) = made else { panic!("a namespace has an id: {made:?}") };
    let bucket = Change::CreateBucket {
        account: place.account.clone(),
        name: "conformance-lost".parse().expect("this is a name"),
        jurisdiction: None,
    };
    apply(platform, &bucket, &inputs()).await;
    let queues = observe(platform, place).await.queues.expect("queues were asked for");
    let queue = queues.get(&queue_name()).expect("the one made for the triggers").clone();
    assert_eq!(queue.consumer, None, "nobody receives for a Worker that is gone");
    let removals = removals(place, id, namespace, queue.id);
    for change in removals {
        let inputs = live_inputs(platform, place).await;
        assert_eq!(look(platform, &change, &inputs).await, Look::pending(Before::Present));
        for _ in 0..2 {
            let applied = apply(platform, &change, &inputs).await;
            assert_eq!(applied, Applied::Done, "what is gone already is no error");
        }
        let undone = platform.undo(&change, &Before::Present, None, &inputs).await;
        assert!(matches!(undone.expect("it says so"), Undone::Kept(_)), "{change:?} is final");
    }
    let seen = observe(platform, place).await;
    let left = seen.queues.as_ref().is_some_and(|queues| queues.contains_key(&queue_name()))
        || seen.workflows_of(&target(place, "three").worker).next().is_some()
        || seen.workers.contains_key(&target(place, "three").worker)
        || seen.databases.keys().any(|name| name.as_str().starts_with("conformance"))
        || seen.namespaces.keys().any(|title| title.as_str().starts_with("conformance"))
        || seen.buckets.iter().any(|name| name.as_str().starts_with("conformance"));
    assert!(!left, "all is gone: {seen:?}");
}

async fn a_stub_can_be_bound_to_and_goes_again(platform: &dyn Platform, place: &Playground) {
    let worker = WorkerRef {
        account: place.account.clone(),
        worker: "conformance-stub".parse().expect("this is a name"),
    };
    let owner: PortfolioName = "conformance".parse().expect("this is a name");
    let change = Change::CreateStub {
        worker: worker.clone(),
        owner: owner.clone(),
        preview: Some(preview()),
    };
    assert_eq!(look(platform, &change, &inputs()).await, Look::pending(Before::Absent));
    apply(platform, &change, &inputs()).await;
    let seen = observe(platform, place).await.workers.remove(&worker.worker);
    let unfinished = Mark { owner: Some(owner), hashes: None, preview: Some(preview()) };
    assert_eq!(seen.expect("it is there").mark(), unfinished, "it has an owner, and no hashes");
    for _ in 0..2 {
        let undone = platform.undo(&change, &Before::Absent, None, &inputs()).await;
        assert_eq!(undone.expect("undoing works"), Undone::Restored);
    }
    assert!(!observe(platform, place).await.workers.contains_key(&worker.worker), "it is gone");
}

async fn a_first_upload_creates_a_marked_worker(platform: &dyn Platform, place: &Playground) {
    let (change, mark) = upload(place, "one", true);
    let worker = change.worker().expect("an upload has a worker").clone();
    assert!(!observe(platform, place).await.workers.contains_key(&worker), "it is not there yet");
    assert_eq!(look(platform, &change, &inputs()).await, Look::pending(Before::Absent));
    let applied = apply(platform, &change, &inputs()).await;
    assert!(matches!(applied, Applied::Version(_)), "an upload makes a version");
    let seen = observe(platform, place).await.workers.remove(&worker).expect("it is there");
    let unfinished = Mark { hashes: None, ..mark };
    assert_eq!(seen.mark(), unfinished, "it has an owner from the first moment, and no hashes");
    let again = look(platform, &upload(place, "one", false).0, &inputs()).await;
    assert_eq!(again, Look::done(Before::Present, applied), "the version is found again");
}

fn version(applied: Option<&Applied>) -> VersionId {
    match applied {
        Some(Applied::Version(version)) => version.clone(),
        other => panic!("a version was expected, not {other:?}"),
    }
}

fn all_to(version: &VersionId) -> Vec<TrafficShare> {
    vec![TrafficShare { version: version.clone(), percentage: 100.0 }]
}

async fn versions_and_traffic_go_forth_and_back(platform: &dyn Platform, place: &Playground) {
    let one = look(platform, &upload(place, "one", false).0, &inputs()).await.already;
    let one = version(one.as_ref());
    let (change, _) = upload(place, "two", false);
    let pending = look(platform, &change, &inputs()).await;
    assert_eq!(pending, Look::pending(Before::Present), "other code is another version");
    let two = version(Some(&apply(platform, &change, &inputs()).await));
    assert_ne!(one, two);
    let worker = target(place, "two").worker_ref();
    let traffic = Change::SetTraffic { worker: worker.clone(), to: Traffic::Uploaded };
    let uploaded = Inputs { version: Some(two.clone()), ..inputs() };
    let before = Before::Traffic(all_to(&one));
    splits_go_back_to_where_the_first_began(platform, &worker, &uploaded, &one).await;
    assert_eq!(look(platform, &traffic, &uploaded).await, Look::pending(before.clone()));
    apply(platform, &traffic, &uploaded).await;
    assert!(look(platform, &traffic, &uploaded).await.already.is_some(), "it has the traffic");
    let shares = Change::SetTraffic { worker, to: Traffic::Shares(all_to(&two)) };
    assert!(look(platform, &shares, &inputs()).await.already.is_some(), "so say its shares");
    let undone = platform.undo(&traffic, &before, None, &uploaded).await.expect("undoing works");
    assert_eq!(undone, Undone::Restored);
    assert_eq!(look(platform, &traffic, &uploaded).await, Look::pending(before));
    apply(platform, &traffic, &uploaded).await;
}

async fn splits_go_back_to_where_the_first_began(
    platform: &dyn Platform,
    worker: &WorkerRef,
    uploaded: &Inputs,
    one: &VersionId,
) {
    let mut inputs = uploaded.clone();
    let before = Before::Traffic(all_to(one));
    for part in [0.0, 10.0, 60.0, 100.0] {
        let change = Change::SetTraffic { worker: worker.clone(), to: Traffic::Split(part) };
        assert_eq!(look(platform, &change, &inputs).await, Look::pending(before.clone()));
        let applied = apply(platform, &change, &inputs).await;
        assert_eq!(applied, Applied::Split(all_to(one)), "it says who had the traffic before");
        let again = look(platform, &change, uploaded).await;
        assert_eq!(again, Look::done(before.clone(), applied), "it is found again");
        inputs.before = Some(all_to(one));
    }
    let last = Change::SetTraffic { worker: worker.clone(), to: Traffic::Split(10.0) };
    let undone = platform.undo(&last, &before, None, &inputs).await.expect("undoing works");
    assert_eq!(undone, Undone::Restored);
}

async fn triggers_and_mark_go_forth_and_back(platform: &dyn Platform, place: &Playground) {
    let wanted = target(place, "two");
    let worker = wanted.worker_ref();
    let hosts = ["a", "b"].map(|label| format!("conformance-{label}.{}", place.zone));
    let hosts = hosts.map(|host| host.parse().expect("this is a host"));
    let pattern = format!("conformance-c.{}/*", place.zone);
    let route = Route { pattern, zone_name: Some(place.zone.clone()), zone_id: None };
    let owner = "conformance".parse().ok();
    let mark = Mark { owner, hashes: Some(wanted.hashes()), preview: Some(preview()) };
    let settings = Map::from_iter([("logpush".to_owned(), true.into())]);
    let account = place.account.clone();
    let queue = Change::CreateQueue { account, name: queue_name() };
    apply(platform, &queue, &inputs()).await;
    let delivery = Delivery { max_retries: Some(5), ..Delivery::default() };
    let consumer = DesiredConsumer { queue: queue_name(), delivery };
    let (name, class_name, steps) = (workflow_name(), "Flow".to_owned(), Some(9));
    let flow = OwnWorkflow { name, class_name, steps };
    let changes = [
        Change::SetWorkersDev {
            worker: worker.clone(),
            to: WorkersDev { enabled: true, previews: false },
        },
        Change::SetDomains { worker: worker.clone(), to: hosts.iter().cloned().collect() },
        Change::SetRoutes { worker: worker.clone(), to: vec![route] },
        Change::SetSchedules { worker: worker.clone(), to: vec!["*/5 * * * *".into()] },
        Change::SetConsumers { worker: worker.clone(), to: vec![consumer] },
        Change::SetWorkflows { worker: worker.clone(), to: vec![flow] },
        Change::Commit { worker: worker.clone(), mark: mark.clone(), settings },
    ];
    for change in changes {
        let inputs = live_inputs(platform, place).await;
        let pending = look(platform, &change, &inputs).await;
        assert_eq!(pending.already, None, "{change:?} is not in place yet");
        apply(platform, &change, &inputs).await;
        let inputs = live_inputs(platform, place).await;
        let done = look(platform, &change, &inputs).await;
        assert!(done.already.is_some(), "{change:?} is in place, and looking says so");
        apply(platform, &change, &inputs).await;
        let undone = platform.undo(&change, &pending.before, None, &inputs).await;
        assert_eq!(undone.expect("undoing works"), Undone::Restored);
        let inputs = live_inputs(platform, place).await;
        assert_eq!(look(platform, &change, &inputs).await, pending, "all is as it was");
        apply(platform, &change, &inputs).await;
    }
    let seen = observe(platform, place).await;
    assert_eq!(seen.domains_of(&worker.worker), BTreeSet::from(hosts), "listings show domains");
    let received = seen.consumed_by(&worker.worker).expect("queues were asked for");
    let retries = received.get(&queue_name()).map(|consumer| consumer.delivery.max_retries);
    assert_eq!(retries, Some(Some(5)), "listings show who receives, and how");
    let own: Vec<_> = seen.workflows_of(&worker.worker).collect();
    let flow = ObservedWorkflow {
        worker: Some(worker.worker.clone()),
        class_name: "Flow".to_owned(),
        ..ObservedWorkflow::default()
    };
    assert_eq!(own, [(&workflow_name(), &flow)], "listings show Workflows");
    let seen = seen.workers.get(&worker.worker).expect("it is there").clone();
    assert_eq!(seen.mark(), mark, "listings show the mark");
    assert!(seen.workers_dev.is_none_or(|now| now.enabled), "listings tell no lie");
}

async fn a_closer_look_tells_what_runs(platform: &dyn Platform, place: &Playground) {
    let wanted = target(place, "two");
    let worker = wanted.worker_ref();
    let seen = platform.inspect(&worker).await.expect("it can be read").expect("it is there");
    let [serving] = &seen.serving[..] else { panic!("one version serves, not {seen:?}") };
    assert_eq!(seen.traffic, all_to(&serving.head.id), "it has all traffic");
    let message = seen.traffic_message.as_deref().unwrap_or_default();
    assert!(message.starts_with("clodo "), "who set the traffic is told: {message:?}");
    let says = serving.head.of_clodo().expect("the version says what it is");
    assert!(says.fits(&wanted.hashes()), "and it is what was uploaded last");
    assert_eq!(seen.newest.as_ref(), Some(&serving.head), "it is the newest one as well");
    assert_eq!(serving.compatibility_date, wanted.compatibility_date);
    let var = BoundTo::Var("what it was".into());
    assert_eq!(serving.bindings.get("NOTE"), Some(&var), "bindings are told: {serving:?}");
    assert_eq!(seen.schedules, ["*/5 * * * *"]);
    let routes = observe(platform, place).await.routes_of(&worker.worker);
    let routes: Vec<String> = routes.expect("routes were asked for").into_iter().collect();
    assert_eq!(routes, [format!("conformance-c.{}/*", place.zone)]);
    let nobody = "conformance-nobody".parse().expect("this is a name");
    let nobody = WorkerRef { worker: nobody, ..worker };
    assert_eq!(platform.inspect(&nobody).await.expect("it can be asked"), None);
}

/// Inputs as the orchestrator makes them for a Worker that exists.
async fn live_inputs(platform: &dyn Platform, place: &Playground) -> Inputs {
    let seen = observe(platform, place).await;
    let worker = seen.workers.get(&target(place, "two").worker).cloned();
    Inputs { worker, domains: seen.domains, ..inputs() }
}

async fn remove(platform: &dyn Platform, place: &Playground) {
    let (change, _) = upload(place, "two", false);
    // A Worker that receives from a queue may not go.
    let worker = target(place, "two").worker_ref();
    apply(platform, &Change::SetConsumers { worker, to: Vec::new() }, &inputs()).await;
    for _ in 0..2 {
        let undone = platform.undo(&change, &Before::Absent, None, &inputs()).await;
        assert_eq!(undone.expect("undoing works"), Undone::Restored);
    }
    let seen = observe(platform, place).await;
    let worker = target(place, "two").worker;
    assert!(!seen.workers.contains_key(&worker), "a worker that was new is gone");
    assert!(seen.domains_of(&worker).is_empty(), "and so are its domains");
}
