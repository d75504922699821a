//! Each kind of fault × each write: nothing twice, nothing lost, and an error says honestly whether
//! the write may have happened. Whoever gets an error looks before doing it again.

use crate::cloud::{Cloud, hello, parsed};
use clodo_cf_api::{
    ApiError, d1, dns, kv, queues, r2, secrets, triggers,
    versions::{self, NewDeployment},
    workers, zones,
};
use clodo_types::{DatabaseId, NamespaceId, Secret, VersionId, WorkerName, ZoneId, ZoneName};
use serde_json::json;

/// A write, and the route at which it goes wrong.
const WRITES: [(Write, &str); 19] = [
    (Write::Database, "POST /accounts/*/d1/database"),
    (Write::Namespace, "POST /accounts/*/storage/kv/namespaces"),
    (Write::Bucket, "POST /accounts/*/r2/buckets"),
    (Write::Queue, "POST /accounts/*/queues"),
    (Write::Zone, "POST /zones"),
    (Write::Value, "PUT /accounts/*/storage/kv/namespaces/*/values/*"),
    (Write::Values, "PUT /accounts/*/storage/kv/namespaces/*/bulk"),
    (Write::Object, "PUT /accounts/*/r2/buckets/*/objects/**"),
    (Write::Row, "POST /accounts/*/d1/database/*/query"),
    (Write::DropDatabase, "DELETE /accounts/*/d1/database/*"),
    (Write::Secret, "PUT /accounts/*/workers/scripts/*/secrets"),
    (Write::Script, "PUT /accounts/*/workers/scripts/*"),
    (Write::Version, "POST /accounts/*/workers/scripts/*/versions"),
    (Write::Traffic, "POST /accounts/*/workers/scripts/*/deployments"),
    (Write::Schedules, "PUT /accounts/*/workers/scripts/*/schedules"),
    (Write::Record, "POST /zones/*/dns_records"),
    (Write::Route, "POST /zones/*/workers/routes"),
    (Write::Domain, "PUT /accounts/*/workers/domains"),
    (Write::DropWorker, "DELETE /accounts/*/workers/services/*"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Database,
    Namespace,
    Bucket,
    Queue,
    Zone,
    Value,
    Values,
    Object,
    Row,
    DropDatabase,
    Secret,
    Script,
    Version,
    Traffic,
    Schedules,
    Record,
    Route,
    Domain,
    DropWorker,
}

/// What the writes are made to.
struct World {
    cloud: Cloud,
    zone: ZoneId,
    database: DatabaseId,
    doomed: DatabaseId,
    namespace: NamespaceId,
    worker: WorkerName,
    doomed_worker: WorkerName,
    first: VersionId,
}

const NEW: &str = "suite-new";

impl World {
    async fn new() -> Self {
        let cloud = Cloud::open().await;
        let (client, account) = (&cloud.client, &cloud.account);
        let database = async |name: &str| {
            let new = d1::NewDatabase::named(parsed(name));
            client.ensure_database(account, &new).await.unwrap().resource.id
        };
        let (one, two) = (database("base").await, database("doomed").await);
        let sql = d1::Sql::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)");
        client.send(d1::query(account, &one, &sql)).await.unwrap();
        let namespace = client.ensure_namespace(account, &parsed("base")).await.unwrap();
        client.ensure_bucket(account, &r2::NewBucket::named(parsed("base"))).await.unwrap();
        let (worker, doomed_worker) = (cloud.worker("base").await, cloud.worker("doomed").await);
        let upload = versions::upload_version(account, &worker, &hello("two")).unwrap();
        let first = client.send(upload).await.unwrap().id;
        let zone = cloud.zone().unwrap();
        let (namespace, database) = (namespace.resource.id, one);
        Self { zone, database, doomed: two, namespace, worker, doomed_worker, first, cloud }
    }

    async fn data(&self, write: Write) -> Result<(), ApiError> {
        let (client, account) = (&self.cloud.client, &self.cloud.account);
        match write {
            Write::Database => {
                let new = d1::NewDatabase::named(parsed(NEW));
                client.ensure_database(account, &new).await.map(drop)
            }
            Write::Namespace => client.ensure_namespace(account, &parsed(NEW)).await.map(drop),
            Write::Bucket => {
                client.ensure_bucket(account, &r2::NewBucket::named(parsed(NEW))).await.map(drop)
            }
            Write::Queue => client.ensure_queue(account, NEW).await.map(drop),
            Write::Zone => client.ensure_zone(account, &parsed("new.test")).await.map(drop),
            Write::Value => {
                let new = kv::NewValue::new("k", "v");
                client.send(kv::put_value(account, &self.namespace, new)).await
            }
            Write::Values => {
                let values = [kv::BulkValue::text("a", "1"), kv::BulkValue::text("b", "2")];
                client.put_values(account, &self.namespace, &values).await.map(drop)
            }
            Write::Object => {
                let new = r2::NewObject::new("o", "content");
                client.send(r2::put_object(account, &parsed("base"), new)).await.map(drop)
            }
            Write::Row => {
                // A key of the caller's own makes a second one impossible.
                let sql = d1::Sql::new("INSERT INTO t (id, a) VALUES (1, 'x')");
                client.send(d1::query(account, &self.database, &sql)).await.map(drop)
            }
            _ => client.send(d1::delete_database(account, &self.doomed)).await,
        }
    }

    async fn workers(&self, write: Write) -> Result<(), ApiError> {
        let (client, account, worker) = (&self.cloud.client, &self.cloud.account, &self.worker);
        match write {
            Write::Secret => {
                let new = secrets::NewSecret { name: parsed("KEY"), text: Secret::new("s") };
                // The other Worker's latest version gets no traffic, which forbids it there.
                let put = secrets::put_secret(account, &self.doomed_worker, &new);
                client.send(put).await.map(drop)
            }
            Write::Script => {
                let upload = workers::put_script(account, &parsed(NEW), &hello("new")).unwrap();
                client.send(upload).await.map(drop)
            }
            Write::Version => {
                let upload = hello("three").with_message("the third");
                let upload = versions::upload_version(account, worker, &upload).unwrap();
                client.send(upload).await.map(drop)
            }
            Write::Traffic => {
                let new = NewDeployment::all_to(self.first.clone());
                client.send(versions::deploy(account, worker, &new)).await.map(drop)
            }
            Write::Schedules => {
                let crons = ["0 0 1 1 *".to_owned()];
                client.send(triggers::put_schedules(account, worker, &crons)).await.map(drop)
            }
            _ => {
                let how = workers::Removal::Forced;
                client.send(workers::delete_worker(account, &self.doomed_worker, how)).await
            }
        }
    }

    async fn zones(&self, write: Write) -> Result<(), ApiError> {
        let (client, account) = (&self.cloud.client, &self.cloud.account);
        match write {
            Write::Record => {
                let new = dns::NewRecord::txt("note.acme.test", "text");
                let look = || async {
                    let all = client.list(dns::list_records(&self.zone)).await?;
                    Ok(all.into_iter().find(|record| record.name == new.name))
                };
                client.ensure(|| dns::create_record(&self.zone, &new), look).await.map(drop)
            }
            Write::Route => {
                let pattern = "acme.test/new/*".to_owned();
                let new = triggers::NewRoute { pattern, worker: Some(self.worker.clone()) };
                let look = || async {
                    let all = client.list(triggers::list_routes(&self.zone)).await?;
                    Ok(all.into_iter().find(|route| route.pattern == new.pattern))
                };
                client.ensure(|| triggers::create_route(&self.zone, &new), look).await.map(drop)
            }
            _ => {
                let new = triggers::NewDomain {
                    hostname: parsed("new.acme.test"),
                    worker: self.worker.clone(),
                    zone: self.zone.clone(),
                };
                client.send(triggers::put_domain(account, &new)).await.map(drop)
            }
        }
    }

    async fn act(&self, write: Write) -> Result<(), ApiError> {
        match write {
            Write::Secret
            | Write::Script
            | Write::Version
            | Write::Traffic
            | Write::Schedules
            | Write::DropWorker => self.workers(write).await,
            Write::Record | Write::Route | Write::Domain => self.zones(write).await,
            _ => self.data(write).await,
        }
    }

    /// How often the effect is there; for a removal, how much of it is gone.
    async fn effect(&self, write: Write) -> usize {
        let (client, account) = (&self.cloud.client, &self.cloud.account);
        match write {
            Write::Database => {
                let all = client.list(d1::list_databases(account)).await.unwrap();
                all.iter().filter(|one| one.name == NEW).count()
            }
            Write::Namespace => {
                let all = client.list(kv::list_namespaces(account)).await.unwrap();
                all.iter().filter(|one| one.title == NEW).count()
            }
            Write::Bucket => {
                let all = client.list(r2::list_buckets(account)).await.unwrap();
                all.iter().filter(|one| one.name.as_str() == NEW).count()
            }
            Write::Queue => {
                let all = client.list(queues::list_queues(account)).await.unwrap();
                all.iter().filter(|one| one.name == NEW).count()
            }
            Write::Zone => {
                let name: ZoneName = parsed("new.test");
                client.list(zones::list_zones_named(account, &name)).await.unwrap().len()
            }
            Write::Value => {
                let read = client.find(kv::value(account, &self.namespace, "k")).await.unwrap();
                let Some(read) = read else { return 0 };
                usize::from(read.into_body().collect(9).await.unwrap() == "v")
            }
            Write::Values => {
                let keys = ["a".to_owned(), "b".to_owned()];
                let read = client.values(account, &self.namespace, &keys).await.unwrap();
                usize::from(read.len() == 2)
            }
            Write::Object => {
                client.list(r2::list_objects(account, &parsed("base"), "")).await.unwrap().len()
            }
            Write::Row => {
                let sql = d1::Sql::new("SELECT id FROM t");
                let read = client.send(d1::read(account, &self.database, &sql)).await.unwrap();
                read[0].results.len()
            }
            Write::DropDatabase => {
                let found = client.find(d1::database(account, &self.doomed)).await.unwrap();
                usize::from(found.is_none())
            }
            Write::Secret => client
                .list(secrets::list_secrets(account, &self.doomed_worker))
                .await
                .unwrap()
                .len(),
            Write::Script => {
                let all = client.list(workers::list_scripts(account)).await.unwrap();
                all.iter().filter(|one| one.id.as_str() == NEW).count()
            }
            _ => self.effect_of_rest(write).await,
        }
    }

    async fn effect_of_rest(&self, write: Write) -> usize {
        let (client, account, worker) = (&self.cloud.client, &self.cloud.account, &self.worker);
        match write {
            Write::Version => {
                let all = client.list(versions::list_versions(account, worker)).await.unwrap();
                all.iter().filter(|one| one.message() == Some("the third")).count()
            }
            Write::Traffic => {
                let all = client.list(versions::list_deployments(account, worker)).await.unwrap();
                let [share] = &all[0].versions[..] else { return 0 };
                usize::from(share.version_id == self.first && share.percentage == 100.0)
            }
            Write::Schedules => {
                client.list(triggers::list_schedules(account, worker)).await.unwrap().len()
            }
            Write::Record => {
                let all = client.list(dns::list_records(&self.zone)).await.unwrap();
                all.iter().filter(|one| one.name == "note.acme.test").count()
            }
            Write::Route => client.list(triggers::list_routes(&self.zone)).await.unwrap().len(),
            Write::Domain => client.list(triggers::list_domains(account)).await.unwrap().len(),
            _ => {
                let look = workers::service(account, &self.doomed_worker);
                usize::from(client.find(look).await.unwrap().is_none())
            }
        }
    }
}

/// One kind of fault at every write, once each.
async fn survives(kind: &str) {
    let world = World::new().await;
    if world.cloud.is_live() {
        return;
    }
    let mut leftovers = Vec::new();
    for (write, route) in WRITES {
        let fault = match kind {
            "too-many-requests" => {
                json!({"kind": kind, "route": route, "times": 1, "retry_after": 0})
            }
            "slow" => json!({"kind": kind, "route": route, "times": 1, "delay": "200ms"}),
            _ => json!({"kind": kind, "route": route, "times": 1}),
        };
        world.cloud.control("POST", "faults", fault).await;
        for attempt in 1..=3 {
            let outcome = world.act(write).await;
            let effect = world.effect(write).await;
            if let Err(error) = &outcome {
                // An error that says "nothing was done" must be right; twice delivered, the second
                // answer may complain about what the first one did.
                let honest = effect == 0 || error.may_have_happened() || kind == "duplicate";
                assert!(honest, "{kind} × {write:?}: {error}, and yet it was done");
            }
            if effect != 0 {
                break;
            }
            assert!(outcome.is_err(), "{kind} × {write:?}: success, and yet nothing was done");
            assert!(attempt < 3, "{kind} × {write:?}: lost: {outcome:?}");
        }
        let effect = world.effect(write).await;
        if write == Write::Version && effect == 2 {
            // Only what delivers a request twice makes an upload twice; nothing refers to it.
            assert_eq!(kind, "duplicate");
            leftovers.push("one version that gets no traffic");
            continue;
        }
        assert_eq!(effect, 1, "{kind} × {write:?}");
        world.cloud.control("DELETE", "faults", json!({})).await;
    }
    assert_eq!(leftovers.len(), usize::from(kind == "duplicate"), "{kind}: {leftovers:?}");
}

macro_rules! fault_matrix {
    ($($test:ident = $kind:literal,)+) => {
        $(#[tokio::test]
        async fn $test() {
            survives($kind).await;
        })+
    };
}

fault_matrix! {
    a_call_too_many_loses_nothing = "too-many-requests",
    an_error_before_the_effect_loses_nothing = "error-before",
    slowness_changes_nothing = "slow",
    a_connection_cut_before_the_effect_loses_nothing = "cut-before",
    a_connection_cut_after_the_effect_doubles_nothing = "cut-after",
    an_answer_cut_off_doubles_nothing = "cut-body",
    a_call_delivered_twice_doubles_nothing_but_a_version = "duplicate",
    a_page_instead_of_an_answer_loses_nothing = "html",
    a_broken_answer_doubles_nothing = "malformed",
}

// conformance: limits and faults | each kind of fault at each write: nothing twice, nothing lost | documented
#[tokio::test]
async fn an_error_after_the_effect_doubles_nothing() {
    survives("error-after").await;
}
