//! Every endpoint: its method, path, query and whether it may be repeated.

use crate::support::{HEX, ID, account, call, list, worker};
use clodo_cf_api::{
    Entry, Repeat, UploadModule, WorkerUpload, assets, d1, identity, kv, r2, secrets, triggers,
    versions, worker_settings, workers, zones,
};
use clodo_http::Effect;
use clodo_types::Secret;

fn upload() -> WorkerUpload {
    let module = UploadModule {
        name: "index.js".to_owned(),
        content_type: "application/javascript+module".to_owned(),
        body: "export default {}".into(),
    };
    let entry = Entry::MainModule("index.js".to_owned());
    WorkerUpload { entry, modules: vec![module], ..WorkerUpload::default() }
}

#[test]
fn identity_and_zones() {
    use Repeat::Safe;
    let (account, zone) = (account(), HEX.parse().unwrap());
    list(identity::list_accounts(), "/accounts");
    call(identity::account(&account), "GET /accounts/H", Safe);
    call(identity::verify_token(), "GET /user/tokens/verify", Safe);
    call(identity::verify_account_token(&account), "GET /accounts/H/tokens/verify", Safe);
    call(identity::user(), "GET /user", Safe);
    list(zones::list_zones(&account), "/zones");
    list(zones::list_zones_named(&account, &"acme.test".parse().unwrap()), "/zones");
    call(zones::zone(&zone), "GET /zones/H", Safe);
    call(zones::purge_cache(&zone, &zones::Purge::Everything), "POST /zones/H/purge_cache", Safe);
}

#[test]
fn workers_and_versions() {
    use Repeat::{LookUp, Safe};
    let (account, worker, version) = (account(), worker(), ID.parse().unwrap());
    let script = "/accounts/H/workers/scripts/web";
    let at = |method: &str, tail: &str| format!("{method} {script}{tail}");
    list(workers::list_workers(&account), "/accounts/H/workers/workers");
    list(workers::list_scripts(&account), "/accounts/H/workers/scripts");
    call(workers::worker(&account, &worker), "GET /accounts/H/workers/workers/web", Safe);
    call(workers::put_script(&account, &worker, &upload()).unwrap(), &at("PUT", ""), LookUp);
    let forced = workers::Removal::Forced;
    let service = "DELETE /accounts/H/workers/services/web";
    call(workers::delete_worker(&account, &worker, forced), service, Safe);
    call(workers::delete_script(&account, &worker, forced), &at("DELETE", ""), Safe);
    call(workers::dependents(&account, &worker), &at("GET", "/references"), Safe);
    list(versions::list_versions(&account, &worker), &format!("{script}/versions"));
    list(versions::list_deployable_versions(&account, &worker), &format!("{script}/versions"));
    call(versions::version(&account, &worker, &version), &at("GET", "/versions/U"), Safe);
    let new = versions::upload_version(&account, &worker, &upload()).unwrap();
    call(new, &at("POST", "/versions"), LookUp);
    list(versions::list_deployments(&account, &worker), &format!("{script}/deployments"));
    let new = versions::NewDeployment::all_to(version);
    let deploy = versions::deploy(&account, &worker, &new);
    call(deploy, &at("POST", "/deployments"), Safe);
}

#[test]
fn settings_secrets_and_assets() {
    use Repeat::{Never, Safe};
    let (account, worker, secret) = (account(), worker(), "KEY".parse().unwrap());
    let script = "/accounts/H/workers/scripts/web";
    let at = |method: &str, tail: &str| format!("{method} {script}{tail}");
    call(worker_settings::settings(&account, &worker), &at("GET", "/settings"), Safe);
    call(worker_settings::script_settings(&account, &worker), &at("GET", "/script-settings"), Safe);
    let change = worker_settings::ScriptSettings::default();
    let patch = worker_settings::patch_script_settings(&account, &worker, &change);
    call(patch, &at("PATCH", "/script-settings"), Safe);
    list(secrets::list_secrets(&account, &worker), &format!("{script}/secrets"));
    let text = Secret::new("x");
    let new = secrets::NewSecret { name: secret, text: text.clone() };
    let put = secrets::put_secret(&account, &worker, &new);
    call(put, &at("PUT", "/secrets"), Never);
    let delete = secrets::delete_secret(&account, &worker, &new.name);
    call(delete, &at("DELETE", "/secrets/KEY"), Safe);
    let session = assets::start_session(&account, &worker, &assets::Manifest::new());
    call(session, &at("POST", "/assets-upload-session"), Safe);
    let bucket = assets::upload_bucket(&account, &text, &[]).unwrap();
    call(bucket, "POST /accounts/H/workers/assets/upload", Safe);
}

#[test]
fn triggers() {
    use Repeat::{LookUp, Safe};
    let (account, worker, zone) = (account(), worker(), HEX.parse().unwrap());
    let (route, domain) = ("r1".parse().unwrap(), "d1".parse().unwrap());
    let host = "shop.acme.test".parse().unwrap();
    let script = "/accounts/H/workers/scripts/web";
    let at = |method: &str, tail: &str| format!("{method} {script}{tail}");
    call(triggers::subdomain(&account, &worker), &at("GET", "/subdomain"), Safe);
    let change = triggers::SubdomainChange { enabled: true, previews_enabled: None };
    call(triggers::set_subdomain(&account, &worker, change), &at("POST", "/subdomain"), Safe);
    call(triggers::account_subdomain(&account), "GET /accounts/H/workers/subdomain", Safe);
    let name = triggers::AccountSubdomain { subdomain: "acme".to_owned() };
    let set = triggers::set_account_subdomain(&account, &name);
    call(set, "PUT /accounts/H/workers/subdomain", Safe);
    list(triggers::list_schedules(&account, &worker), &format!("{script}/schedules"));
    call(triggers::put_schedules(&account, &worker, &[]), &at("PUT", "/schedules"), Safe);
    list(triggers::list_routes(&zone), "/zones/H/workers/routes");
    let new = triggers::NewRoute { pattern: "a.test/*".to_owned(), worker: None };
    let create = triggers::create_route(&zone, &new);
    call(create, "POST /zones/H/workers/routes", LookUp);
    let put = triggers::put_route(&zone, &route, &new);
    call(put, "PUT /zones/H/workers/routes/r1", Safe);
    call(triggers::delete_route(&zone, &route), "DELETE /zones/H/workers/routes/r1", Safe);
    call(triggers::put_worker_routes(&account, &worker, &[]), &at("PUT", "/routes"), Safe);
    list(triggers::list_domains(&account), "/accounts/H/workers/domains");
    let new = triggers::NewDomain { hostname: host, worker: worker.clone(), zone };
    let put = triggers::put_domain(&account, &new);
    call(put, "PUT /accounts/H/workers/domains", Safe);
    let delete = triggers::delete_domain(&account, &domain);
    call(delete, "DELETE /accounts/H/workers/domains/d1", Safe);
    let changeset = triggers::domain_changeset(&account, &worker, &[new.hostname]);
    call(changeset, &at("POST", "/domains/changeset"), Safe);
}

#[test]
fn data() {
    use Repeat::{LookUp, Never, Safe};
    let (account, database, namespace) = (account(), ID.parse().unwrap(), HEX.parse().unwrap());
    let sql = d1::Sql::new("select 1");
    list(d1::list_databases(&account), "/accounts/H/d1/database");
    call(d1::database(&account, &database), "GET /accounts/H/d1/database/U", Safe);
    let new = d1::NewDatabase::named("catalog".parse().unwrap());
    call(d1::create_database(&account, &new), "POST /accounts/H/d1/database", LookUp);
    call(d1::delete_database(&account, &database), "DELETE /accounts/H/d1/database/U", Safe);
    let query = "POST /accounts/H/d1/database/U/query";
    call(d1::query(&account, &database, &sql), query, Never);
    call(d1::batch(&account, &database, std::slice::from_ref(&sql)), query, Never);
    assert_eq!(d1::read(&account, &database, &sql).repeat(), Safe);
    assert_eq!(d1::read(&account, &database, &sql).effect(), Effect::Read);
    call(d1::raw(&account, &database, &sql), "POST /accounts/H/d1/database/U/raw", Never);
    let ingest = d1::ImportStep::Ingest { filename: "f".to_owned(), etag: "e".to_owned() };
    let import = d1::import(&account, &database, &ingest);
    call(import, "POST /accounts/H/d1/database/U/import", Never);
    let bookmark = "GET /accounts/H/d1/database/U/time_travel/bookmark";
    call(d1::bookmark(&account, &database), bookmark, Safe);
    let restore = "POST /accounts/H/d1/database/U/time_travel/restore";
    call(d1::restore(&account, &database, "b"), restore, Never);
    list(kv::list_namespaces(&account), "/accounts/H/storage/kv/namespaces");
    let title = "cache".parse().unwrap();
    let create = kv::create_namespace(&account, &title);
    call(create, "POST /accounts/H/storage/kv/namespaces", LookUp);
    let delete = kv::delete_namespace(&account, &namespace);
    call(delete, "DELETE /accounts/H/storage/kv/namespaces/H", Safe);
    let keys = "/accounts/H/storage/kv/namespaces/H";
    list(kv::list_keys(&account, &namespace, ""), &format!("{keys}/keys"));
    call(kv::value(&account, &namespace, "k"), &format!("GET {keys}/values/k"), Safe);
    let put = kv::put_value(&account, &namespace, kv::NewValue::new("k", "v"));
    call(put, &format!("PUT {keys}/values/k"), Safe);
    call(kv::delete_value(&account, &namespace, "k"), &format!("DELETE {keys}/values/k"), Safe);
    call(kv::put_bulk(&account, &namespace, &[]), &format!("PUT {keys}/bulk"), Safe);
    let delete = kv::delete_bulk(&account, &namespace, &[]);
    call(delete, &format!("POST {keys}/bulk/delete"), Safe);
    list(r2::list_buckets(&account), "/accounts/H/r2/buckets");
    let media = "media".parse().unwrap();
    call(r2::bucket(&account, &media), "GET /accounts/H/r2/buckets/media", Safe);
    let new = r2::NewBucket::named(media.clone());
    call(r2::create_bucket(&account, &new), "POST /accounts/H/r2/buckets", LookUp);
    call(r2::delete_bucket(&account, &media), "DELETE /accounts/H/r2/buckets/media", Safe);
}
