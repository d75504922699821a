//! The endpoints that the deployments do not need: their method, path and whether they may be
//! repeated.

use crate::support::{HEX, ID, account, call, list, worker};
use clodo_cf_api::{
    Repeat::{LookUp, Never, Safe},
    WorkerUpload, analytics, assets, d1, dns, durable_objects, identity, kv, queues, r2, secrets,
    tails, tokens, triggers, versions, worker_settings, workers, workflows, zones,
};
use clodo_http::Effect;
use clodo_types::Secret;

#[test]
fn tokens_of_a_person_and_of_an_account() {
    let id = "t1".parse().unwrap();
    let new = tokens::NewToken::new("ci", Vec::new());
    list(identity::list_memberships(), "/memberships");
    for (owner, base) in [
        (tokens::TokenOwner::User, "/user/tokens"),
        (tokens::TokenOwner::Account(account()), "/accounts/H/tokens"),
    ] {
        list(tokens::list_tokens(&owner), base);
        list(tokens::list_permission_groups(&owner), &format!("{base}/permission_groups"));
        call(tokens::token(&owner, &id), &format!("GET {base}/t1"), Safe);
        call(tokens::create_token(&owner, &new), &format!("POST {base}"), Never);
        call(tokens::put_token(&owner, &id, &new), &format!("PUT {base}/t1"), Safe);
        call(tokens::delete_token(&owner, &id), &format!("DELETE {base}/t1"), Safe);
        call(tokens::roll_token(&owner, &id), &format!("PUT {base}/t1/value"), Safe);
        call(tokens::verify(&owner), &format!("GET {base}/verify"), Safe);
    }
}

#[test]
fn zones_and_dns() {
    let (zone, record) = (HEX.parse().unwrap(), "r1".parse().unwrap());
    call(zones::create_zone(&account(), &"acme.test".parse().unwrap()), "POST /zones", LookUp);
    call(zones::patch_zone(&zone, &zones::ZoneChange::default()), "PATCH /zones/H", Safe);
    call(zones::delete_zone(&zone), "DELETE /zones/H", Safe);
    let new = dns::NewRecord::a("www.acme.test", [192, 0, 2, 1].into());
    let one = |method: &str| format!("{method} /zones/H/dns_records/r1");
    list(dns::list_records(&zone), "/zones/H/dns_records");
    call(dns::record(&zone, &record), &one("GET"), Safe);
    call(dns::create_record(&zone, &new), "POST /zones/H/dns_records", LookUp);
    call(dns::put_record(&zone, &record, &new), &one("PUT"), Safe);
    let change = dns::RecordChange::default();
    call(dns::patch_record(&zone, &record, &change), &one("PATCH"), Safe);
    call(dns::delete_record(&zone, &record), &one("DELETE"), Safe);
    let batch = dns::RecordBatch::default();
    call(dns::batch(&zone, &batch), "POST /zones/H/dns_records/batch", Safe);
    let makes = dns::RecordBatch { posts: vec![new], ..batch };
    call(dns::batch(&zone, &makes), "POST /zones/H/dns_records/batch", Never);
    call(dns::export(&zone), "GET /zones/H/dns_records/export", Safe);
    let import = dns::import(&zone, "", dns::ImportProxying::DnsOnly).unwrap();
    call(import, "POST /zones/H/dns_records/import", Never);
}

#[test]
fn workers() {
    let (account, worker, version) = (account(), worker(), ID.parse().unwrap());
    let beta = "/accounts/H/workers/workers/web";
    let new = workers::NewWorker::named(worker.clone());
    call(workers::create_worker(&account, &new), "POST /accounts/H/workers/workers", LookUp);
    let change = workers::WorkerChange::default();
    call(workers::patch_worker(&account, &worker, &change), &format!("PATCH {beta}"), Safe);
    call(workers::put_worker(&account, &worker, &new), &format!("PUT {beta}"), Safe);
    let service = "GET /accounts/H/workers/services/web";
    call(workers::service(&account, &worker), service, Safe);
    let environment = workers::service_environment(&account, &worker, "production");
    call(environment, &format!("{service}/environments/production"), Safe);
    let settings = "/accounts/H/workers/account-settings";
    call(workers::account_settings(&account), &format!("GET {settings}"), Safe);
    let none = workers::AccountSettings::default();
    call(workers::put_account_settings(&account, &none), &format!("PUT {settings}"), Safe);
    list(workers::tails_into(&account, &worker), "/accounts/H/workers/tails/by-consumer/web");
    let script = "/accounts/H/workers/scripts/web";
    let at = |method: &str, tail: &str| format!("{method} {script}{tail}");
    call(workers::content(&account, &worker, Some(&version)), &at("GET", "/content/v2"), Safe);
    call(
        workers::service_content(&account, &worker, "production"),
        "GET /accounts/H/workers/services/web/environments/production/content/v2",
        Safe,
    );
    let upload = WorkerUpload::module_worker("index.js", "");
    call(workers::put_content(&account, &worker, &upload), &at("PUT", "/content"), Never);
    let change = worker_settings::SettingsChange::default();
    let patch = worker_settings::patch_settings(&account, &worker, &change);
    call(patch, &at("PATCH", "/settings"), Never);
    let deployment = "d1".parse().unwrap();
    let one = versions::deployment(&account, &worker, &deployment);
    call(one, &at("GET", "/deployments/d1"), Safe);
    let gone = versions::delete_deployment(&account, &worker, &deployment);
    call(gone, &at("DELETE", "/deployments/d1"), Safe);
    let change = versions::VersionChange::default();
    let patch = versions::patch_latest_version(&account, &worker, &change);
    call(patch, &format!("PATCH {beta}/versions/latest"), Never);
    let name = "KEY".parse().unwrap();
    call(secrets::secret(&account, &worker, &name), &at("GET", "/secrets/KEY"), Safe);
    let bulk = secrets::patch_secrets(&account, &worker, &secrets::SecretChanges::new());
    call(bulk, &at("PATCH", "/secrets-bulk"), Never);
    let file = assets::AssetUpload {
        hash: HEX.to_owned(),
        content_type: Some("text/css".to_owned()),
        body: "".into(),
    };
    let single = assets::upload_single(&account, &Secret::new("s"), &file);
    call(single, "POST /accounts/H/workers/assets/upload/H", Safe);
}

#[test]
fn triggers_and_tails() {
    let (account, worker, zone) = (account(), worker(), HEX.parse().unwrap());
    let script = "/accounts/H/workers/scripts/web";
    let at = |method: &str, tail: &str| format!("{method} {script}{tail}");
    let route = triggers::route(&zone, &"r1".parse().unwrap());
    call(route, "GET /zones/H/workers/routes/r1", Safe);
    call(triggers::delete_subdomain(&account, &worker), &at("DELETE", "/subdomain"), Safe);
    let look_up = triggers::look_up_subdomain(&account, "acme");
    call(look_up, "GET /accounts/H/workers/subdomains/acme", Safe);
    let domains = triggers::WorkerDomains::default();
    let put = triggers::put_worker_domains(&account, &worker, &domains);
    call(put, &at("PUT", "/domains/records"), Safe);
    let id = "d1".parse().unwrap();
    call(triggers::custom_domain(&account, &id), "GET /accounts/H/workers/domains/d1", Safe);
    list(triggers::list_domain_records(&account), "/accounts/H/workers/domains/records");
    let record = triggers::domain_record(&account, &id);
    call(record, "GET /accounts/H/workers/domains/records/d1", Safe);
    let id = "t1".parse().unwrap();
    call(tails::create_tail(&account, &worker, &[]), &at("POST", "/tails"), Safe);
    call(tails::open_tails(&account, &worker), &at("GET", "/tails"), Safe);
    call(tails::delete_tail(&account, &worker, &id), &at("DELETE", "/tails/t1"), Safe);
    call(tails::keep_tail(&account, &worker, &id), &at("POST", "/tails/t1/heartbeat"), Safe);
    let namespace = HEX.parse().unwrap();
    let objects = "/accounts/H/workers/durable_objects/namespaces";
    list(durable_objects::list_namespaces(&account), objects);
    list(durable_objects::list_objects(&account, &namespace), &format!("{objects}/H/objects"));
}

#[test]
fn data() {
    let (account, database, namespace) = (account(), ID.parse().unwrap(), HEX.parse().unwrap());
    let replication = d1::ReadReplication { mode: d1::ReplicationMode::Auto };
    let at = |method: &str, tail: &str| format!("{method} /accounts/H/d1/database/U{tail}");
    call(d1::put_database(&account, &database, &replication), &at("PUT", ""), Safe);
    call(d1::patch_database(&account, &database, &replication), &at("PATCH", ""), Safe);
    let sql = d1::Sql::new("select 1");
    let batch = std::slice::from_ref(&sql);
    call(d1::raw_batch(&account, &database, batch), &at("POST", "/raw"), Never);
    assert_eq!(d1::read_raw(&account, &database, &sql).repeat(), Safe);
    let export = d1::export(&account, &database, &d1::ExportOptions::default(), None);
    assert_eq!((export.repeat(), export.effect()), (Safe, Effect::Read));
    let bookmark = at("GET", "/time_travel/bookmark");
    call(d1::bookmark_at(&account, &database, "2026-11-20T00:00:00Z"), &bookmark, Safe);
    let restore = at("POST", "/time_travel/restore");
    call(d1::restore_at(&account, &database, "2026-11-20T00:00:00Z"), &restore, Never);
    let kv = "/accounts/H/storage/kv/namespaces/H";
    call(kv::namespace(&account, &namespace), &format!("GET {kv}"), Safe);
    let title = "t".parse().unwrap();
    call(kv::rename_namespace(&account, &namespace, &title), &format!("PUT {kv}"), Safe);
    call(kv::metadata(&account, &namespace, "k"), &format!("GET {kv}/metadata/k"), Safe);
    let get = kv::get_bulk(&account, &namespace, &[]);
    assert_eq!(
        (get.effect(), get.path().replace(HEX, "H")),
        (Effect::Read, format!("{kv}/bulk/get"))
    );
    let bucket = "media".parse().unwrap();
    let at = |method: &str, tail: &str| format!("{method} /accounts/H/r2/buckets/media{tail}");
    call(r2::set_storage_class(&account, &bucket, "Standard"), &at("PATCH", ""), Safe);
    list(r2::list_objects(&account, &bucket, "p"), "/accounts/H/r2/buckets/media/objects");
    let object = at("GET", "/objects/a%2Fb");
    call(r2::object(&account, &bucket, "a/b"), &object, Safe);
    call(r2::object_range(&account, &bucket, "a/b", r2::ByteRange::Last(1)), &object, Safe);
    let put = r2::put_object(&account, &bucket, r2::NewObject::new("a/b", ""));
    call(put, &at("PUT", "/objects/a%2Fb"), Safe);
    let delete = r2::delete_object(&account, &bucket, "a/b");
    call(delete, &at("DELETE", "/objects/a%2Fb"), Safe);
    list(r2::cors(&account, &bucket), "/accounts/H/r2/buckets/media/cors");
    call(r2::put_cors(&account, &bucket, &[]), &at("PUT", "/cors"), Safe);
    call(r2::delete_cors(&account, &bucket), &at("DELETE", "/cors"), Safe);
    list(r2::lifecycle(&account, &bucket), "/accounts/H/r2/buckets/media/lifecycle");
    call(r2::put_lifecycle(&account, &bucket, &[]), &at("PUT", "/lifecycle"), Safe);
}

#[test]
fn workflows_and_their_instances() {
    let (account, orders, id) = (account(), "orders".parse().unwrap(), "i1".parse().unwrap());
    let at = |method: &str, tail: &str| format!("{method} /accounts/H/workflows/orders{tail}");
    list(workflows::list_workflows(&account), "/accounts/H/workflows");
    call(workflows::workflow(&account, &orders), &at("GET", ""), Safe);
    let new = workflows::WorkflowRegistration::new(worker(), "Orders");
    call(workflows::put_workflow(&account, &orders, &new), &at("PUT", ""), Never);
    call(workflows::delete_workflow(&account, &orders), &at("DELETE", ""), Safe);
    list(workflows::list_versions(&account, &orders), "/accounts/H/workflows/orders/versions");
    call(workflows::version(&account, &orders, "v1"), &at("GET", "/versions/v1"), Safe);
    list(
        workflows::list_instances(&account, &orders, None),
        "/accounts/H/workflows/orders/instances",
    );
    let mut new = workflows::NewInstance::default();
    let made = at("POST", "/instances");
    call(workflows::create_instance(&account, &orders, &new), &made, Never);
    new.id = Some("i1".parse().unwrap());
    call(workflows::create_instance(&account, &orders, &new), &made, LookUp);
    let batch = at("POST", "/instances/batch");
    call(workflows::create_instances(&account, &orders, &[new]), &batch, Never);
    let delete = at("POST", "/instances/batch/delete");
    call(workflows::delete_instances(&account, &orders, &[]), &delete, Never);
    let terminate = at("PUT", "/instances/terminate");
    call(workflows::terminate_instances(&account, &orders), &terminate, Safe);
    call(workflows::logs(&account, &orders, &id), &at("GET", "/instances/i1"), Safe);
    let step = workflows::step_output(&account, &orders, &id, "one-1");
    call(step, &at("GET", "/instances/i1/step"), Safe);
    let order = |order| workflows::order(&account, &orders, &id, &order);
    let status = at("PATCH", "/instances/i1/status");
    call(order(workflows::InstanceOrder::Pause), &status, Safe);
    call(order(workflows::InstanceOrder::Resume), &status, Never);
    call(order(workflows::InstanceOrder::Restart(None)), &status, Never);
    let event = workflows::send_event(&account, &orders, &id, ("paid", &serde_json::json!(1)));
    call(event, &at("POST", "/instances/i1/events/paid"), Never);
}

#[test]
fn queues_and_analytics() {
    let (account, queue, consumer) = (account(), HEX.parse().unwrap(), "c1".parse().unwrap());
    let at = |method: &str, tail: &str| format!("{method} /accounts/H/queues/H{tail}");
    list(queues::list_queues(&account), "/accounts/H/queues");
    call(queues::create_queue(&account, "jobs"), "POST /accounts/H/queues", LookUp);
    call(queues::queue(&account, &queue), &at("GET", ""), Safe);
    let change = queues::QueueChange::default();
    call(queues::put_queue(&account, &queue, &change), &at("PUT", ""), Safe);
    call(queues::patch_queue(&account, &queue, &change), &at("PATCH", ""), Safe);
    call(queues::delete_queue(&account, &queue), &at("DELETE", ""), Safe);
    call(queues::metrics(&account, &queue), &at("GET", "/metrics"), Safe);
    list(queues::list_consumers(&account, &queue), "/accounts/H/queues/H/consumers");
    let new = queues::NewConsumer::worker(worker());
    call(queues::create_consumer(&account, &queue, &new), &at("POST", "/consumers"), LookUp);
    let one = |method: &str| at(method, "/consumers/c1");
    call(queues::consumer(&account, &queue, &consumer), &one("GET"), Safe);
    call(queues::put_consumer(&account, &queue, &consumer, &new), &one("PUT"), Safe);
    call(queues::delete_consumer(&account, &queue, &consumer), &one("DELETE"), Safe);
    let message = queues::NewMessage::text("m");
    call(queues::push(&account, &queue, &message), &at("POST", "/messages"), Never);
    let batch = queues::push_batch(&account, &queue, &[message]);
    call(batch, &at("POST", "/messages/batch"), Never);
    call(queues::pull(&account, &queue, 1, 1000), &at("POST", "/messages/pull"), Never);
    call(queues::ack(&account, &queue, &[], &[]), &at("POST", "/messages/ack"), Safe);
    call(queues::purge(&account, &queue), &at("POST", "/purge"), Safe);
    call(queues::purge_status(&account, &queue), &at("GET", "/purge"), Safe);
    let time = analytics::TimeRange::new("2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z");
    let asked = analytics::d1_queries(&account, &time);
    assert_eq!(
        (asked.path().as_str(), asked.repeat(), asked.effect()),
        ("/graphql", Safe, Effect::Read)
    );
}
