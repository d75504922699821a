//! What there is before the first write.

use super::world::World;
use crate::cloud::{eventually, hello, parsed};
use clodo_cf_api::{
    Endpoint, InstanceId, QueueId, Repeat, WorkerUpload,
    assets::{self, Manifest, ManifestEntry},
    d1::{self, ImportStep},
    dns, kv, queues, r2, secrets, tails,
    tokens::{self, NewToken, Policy, TokenOwner},
    triggers::{self, NewDomain, NewRoute, SubdomainChange},
    versions,
    workers::{self, NewWorker},
    workflows::{self, InstanceStatus, NewInstance, WorkflowRegistration},
    zones,
};
use clodo_types::{BucketName, DatabaseId, NamespaceId, Secret, WorkerName};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

/// The file that a D1 import runs, and its MD5.
const IMPORT: &str = "INSERT INTO t (id, a) VALUES (3, 'imported');";
pub(super) const IMPORT_MD5: &str = "2ffac8fa42697aa268eee569867176da";

/// A Workflow that waits until it is told to go on.
const WAITS: &str = r#"
    import { WorkflowEntrypoint } from "cloudflare:workers";
    export class Waits extends WorkflowEntrypoint {
      async run(event, step) { await step.waitForEvent("wait", { type: "go", timeout: "1 hour" }); }
    }
    export default { fetch() { return new Response("") }, queue() {} };"#;

pub(super) async fn fill(world: &mut World) {
    tokens(world).await;
    databases(world).await;
    stores(world).await;
    workers(world).await;
    zones(world).await;
    queues(world).await;
    workflows(world).await;
}

impl World {
    async fn make<A>(&self, endpoint: Endpoint<A>) -> A {
        let what = format!("{endpoint:?}");
        self.client.send(endpoint).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// A token that may read databases.
    pub(super) fn token_called(&self, name: &str) -> NewToken {
        NewToken::new(name, vec![Policy::for_account(&self.account, [self.the("group")])])
    }
}

async fn tokens(world: &mut World) {
    let groups = tokens::list_permission_groups(&TokenOwner::User);
    let groups = world.client.list(groups).await.unwrap();
    let group = groups.into_iter().find(|group| group.name == "D1 Read").unwrap();
    world.knows("group", group.id);
    let account = TokenOwner::Account(world.account.clone());
    for (owner, kept, rolled, value, doomed) in [
        (TokenOwner::User, "user_token", "user_rolled", "user_value", "user_doomed"),
        (account, "account_token", "account_rolled", "account_value", "account_doomed"),
    ] {
        let create = |name| tokens::create_token(&owner, &world.token_called(name));
        let (one, two, three) = (create("kept"), create("rolled"), create("doomed"));
        let (one, two, three) =
            (world.make(one).await, world.make(two).await, world.make(three).await);
        world.knows(kept, one.token.id);
        world.knows(rolled, two.token.id);
        world.knows(value, two.value.expose());
        world.knows(doomed, three.token.id);
    }
}

async fn databases(world: &mut World) {
    let account = world.account.clone();
    for name in ["database", "doomed_database", "past_database", "set_database"] {
        let new = d1::NewDatabase::named(parsed(name));
        let made: DatabaseId = world.make(d1::create_database(&account, &new)).await.id;
        let sql = d1::Sql::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)");
        world.make(d1::query(&account, &made, &sql)).await;
        world.knows(name, made);
    }
    let past: DatabaseId = world.the("past_database");
    let bookmark = world.make(d1::bookmark(&account, &past)).await.bookmark;
    world.knows("past", bookmark);
    let sql = d1::Sql::new("INSERT INTO t (id, a) VALUES (9, 'too much')");
    world.make(d1::query(&account, &past, &sql)).await;
    let init = ImportStep::Init { etag: IMPORT_MD5.to_owned() };
    let begun = world.make(d1::import(&account, &world.the("database"), &init)).await;
    world.make(d1::put_import_file(&begun.upload_url.unwrap(), IMPORT)).await;
    world.knows("import", begun.filename.unwrap());
}

async fn stores(world: &mut World) {
    let account = world.account.clone();
    for name in ["namespace", "doomed_namespace", "renamed_namespace"] {
        let made = world.make(kv::create_namespace(&account, &parsed(name))).await;
        world.knows(name, made.id);
    }
    let namespace: NamespaceId = world.the("namespace");
    for key in ["doomed", "doomed-1", "doomed-2", "doomed-3"] {
        world.make(kv::put_value(&account, &namespace, kv::NewValue::new(key, "v"))).await;
    }
    for name in ["base", "doomed", "ruled"] {
        world.make(r2::create_bucket(&account, &r2::NewBucket::named(parsed(name)))).await;
    }
    let base: BucketName = parsed("base");
    world.make(r2::put_object(&account, &base, r2::NewObject::new("doomed", "x"))).await;
    let rule = json!({ "rules": [{ "allowed": { "methods": ["GET"], "origins": ["*"] } }] });
    let cors = "/accounts/{account}/r2/buckets/base/cors";
    world.make(world.other((Method::PUT, Repeat::Safe), cors, &rule)).await;
    for domain in ["kept", "doomed"] {
        let new = json!({
            "domain": format!("{domain}-files.acme.test"),
            "zoneId": world.name("zone"), "enabled": true,
        });
        let at = "/accounts/{account}/r2/buckets/base/domains/custom";
        world.make(world.other((Method::POST, Repeat::LookUp), at, &new)).await;
    }
}

async fn workers(world: &mut World) {
    let account = world.account.clone();
    let put = |name: &str, upload: &WorkerUpload| {
        let endpoint = workers::put_script(&account, &parsed(name), upload).unwrap();
        world.send(endpoint)
    };
    // Uploads that wait for one another are tried together.
    let coded =
        ["base", "history", "coded", "set", "latest", "secrets-1", "secrets-2", "secrets-3"];
    let mut uploads: Vec<_> = coded.iter().map(|name| put(name, &hello("one"))).collect();
    let waits = WorkerUpload::module_worker("index.js", WAITS).compatible_with("2026-01-01");
    uploads.push(put("flow", &waits));
    for done in join_all(uploads).await {
        done.unwrap();
    }
    let old = secrets::NewSecret { name: parsed("OLD"), text: Secret::new("s") };
    let old = secrets::put_secret(&account, &parsed("secrets-2"), &old);
    let (history, second) = (put("history", &hello("two")), hello("two").keeping_secrets());
    let version = versions::upload_version(&account, &parsed("base"), &second).unwrap();
    let (history, old, version) =
        tokio::join!(history, world.send(old), world.client.send(version));
    history.and(old).unwrap();
    let base: WorkerName = parsed("base");
    let deployments = versions::list_deployments(&account, &parsed("history"));
    let deployments = world.client.list(deployments).await.unwrap();
    let tail = world.make(tails::create_tail(&account, &base, &[])).await;
    for name in BARE {
        world.make(workers::create_worker(&account, &NewWorker::named(parsed(name)))).await;
    }
    let on = SubdomainChange { enabled: true, previews_enabled: Some(true) };
    world.make(triggers::set_subdomain(&account, &parsed("undev"), on)).await;
    let session = assets::start_session(&account, &parsed("assets"), &manifest());
    let session = world.make(session).await;
    world.knows("second", version.unwrap().id);
    world.knows("old_deployment", &deployments.last().unwrap().id);
    world.knows("doomed_tail", tail.id);
    world.knows("session", session.jwt.expose());
    world.knows("manifest", json!({ "manifest": manifest() }));
}

/// Workers without code: much of what can be done to a Worker needs none.
const BARE: [&str; 12] = [
    "doomed-service",
    "doomed-script",
    "doomed-worker",
    "patched",
    "replaced",
    "settled",
    "dev",
    "undev",
    "scheduled",
    "routed",
    "domains",
    "assets",
];

/// Two files of which neither is there yet.
pub(super) fn manifest() -> Manifest {
    let entry = |text: &str, ending| ManifestEntry {
        hash: crate::assets::asset_hash(text, ending),
        size: text.len() as u64,
    };
    [("/index.html".to_owned(), entry("hello", "html")), ("/a.css".to_owned(), entry("a{}", "css"))]
        .into()
}

async fn zones(world: &mut World) {
    let account = world.account.clone();
    for (name, zone) in [("doomed_zone", "doomed.test"), ("paused_zone", "paused.test")] {
        let made = world.make(zones::create_zone(&account, &parsed(zone))).await;
        world.knows(name, made.id);
    }
    let zone = world.the("zone");
    for name in ["record", "replaced_record", "doomed_record"] {
        let new = dns::NewRecord::txt(format!("{name}.acme.test"), "text");
        let made = world.make(dns::create_record(&zone, &new)).await;
        world.knows(name, made.id);
    }
    for name in ["route", "doomed_route"] {
        let pattern = format!("acme.test/{name}/*");
        let new = NewRoute { pattern, worker: Some(parsed("base")) };
        let made = world.make(triggers::create_route(&zone, &new)).await;
        world.knows(name, made.id);
    }
    let new = NewDomain { hostname: parsed("doomed.acme.test"), worker: parsed("base"), zone };
    let made = world.make(triggers::put_domain(&account, &new)).await;
    world.knows("doomed_domain", made.id);
}

/// The queue `left` hears of the bucket `base`.
pub(super) const HEARS: &str =
    "/accounts/{account}/event_notifications/r2/base/configuration/queues/{left}";

async fn queues(world: &mut World) {
    let account = world.account.clone();
    for name in [
        "queue",
        "patched_queue",
        "doomed_queue",
        "letters",
        "parcels",
        "leased",
        "emptied",
        "picked",
        "consumed",
        "served",
        "left",
    ] {
        let made = world.make(queues::create_queue(&account, &name.replace('_', "-"))).await;
        world.knows(name, made.id);
    }
    let pull = queues::NewConsumer::http_pull();
    for (queue, name) in [("leased", ""), ("served", "consumer"), ("left", "doomed_consumer")] {
        let made = queues::create_consumer(&account, &world.the(queue), &pull);
        let made = world.make(made).await;
        if !name.is_empty() {
            world.knows(name, made.id.unwrap());
        }
    }
    for queue in ["leased", "emptied", "picked"] {
        let message = queues::NewMessage::text("hello");
        world.make(queues::push(&account, &world.the(queue), &message)).await;
    }
    let leased: QueueId = world.the("leased");
    let lease = eventually(async || {
        let pulled = world.make(queues::pull(&account, &leased, 1, 3_600_000)).await;
        pulled.messages.into_iter().next()
    });
    let lease = lease.await.lease_id;
    world.knows("lease", lease);
    let peek = "/accounts/{account}/queues/{queue}/messages/peek";
    let peek = Endpoint::<Value>::new(Method::POST, peek, Repeat::Safe)
        .at("account", &account)
        .at("queue", world.name("picked"));
    let peeked = world.make(peek).await;
    world.knows("message", peeked["messages"][0]["ref"].as_str().unwrap());
    let rule = json!({ "rules": [{ "actions": ["PutObject"] }] });
    world.make(world.other((Method::PUT, Repeat::LookUp), HEARS, &rule)).await;
}

/// An instance whose id the caller chose, so that there is one at most.
pub(super) fn instance(id: &str) -> NewInstance {
    NewInstance { id: Some(parsed(id)), ..NewInstance::default() }
}

async fn workflows(world: &mut World) {
    let account = world.account.clone();
    for name in ["flows", "ended", "doomed"] {
        let new = WorkflowRegistration::new(parsed("flow"), "Waits");
        world.make(workflows::put_workflow(&account, &parsed(name), &new)).await;
    }
    let waiting = [("flows", "steered"), ("flows", "told"), ("ended", "one")];
    for (workflow, id) in waiting.into_iter().chain([("flows", "old-1"), ("flows", "old-2")]) {
        let made = workflows::create_instance(&account, &parsed(workflow), &instance(id));
        world.make(made).await;
    }
    for (workflow, id) in waiting {
        let id: InstanceId = parsed(id);
        eventually(async || {
            let logs = world.make(workflows::logs(&account, &parsed(workflow), &id)).await;
            (logs.status == InstanceStatus::Waiting).then_some(())
        })
        .await;
    }
}
