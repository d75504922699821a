//! Files become a desired state.

use crate::support::folder::{Ask, Folder, load_from, rules, target};
use clodo_orchestrator::{DesiredTarget, ResourceRef};
use serde_json::{Value, json};
use std::path::Path;

/// All of a target that no machine and no edit of its code changes.
fn picture(target: &DesiredTarget) -> Value {
    let mut picture = target.config();
    let migrations = |d: &clodo_orchestrator::DesiredDatabase| {
        let names: Vec<_> = d.migrations.iter().map(|file| file.name.clone()).collect();
        (d.binding.to_string(), json!(names))
    };
    picture["worker"] = json!(target.worker);
    picture["domains"] = json!(target.domains);
    picture["workers_dev"] = json!(target.workers_dev);
    picture["health"] = json!(target.health);
    let depends_on = target.depends_on.iter().map(ToString::to_string);
    picture["depends_on"] = depends_on.collect();
    picture["migration_files"] = Value::Object(target.databases.iter().map(migrations).collect());
    picture["assets"] = match &target.bundle.assets {
        Some(assets) => assets.files.iter().map(|file| file.path.as_str()).collect(),
        None => Value::Null,
    };
    sorted(json!({ target.id.to_string(): picture }))
}

/// Whether `serde_json` keeps the order of keys depends on who else is built with it.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

async fn storefront(environment: &str, customers: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/storefront");
    let ask = Ask { environments: &[environment], customers, ..Ask::default() };
    let loaded = load_from(&folder.canonicalize().unwrap(), ask).await.unwrap();
    assert_eq!(loaded.notes, []);
    let targets: Vec<Value> = loaded.desired.targets.iter().map(|target| picture(target)).collect();
    serde_json::to_string_pretty(&targets).unwrap()
}

#[tokio::test]
async fn the_storefront_in_development_is_six_workers_that_keep_to_themselves() {
    insta::assert_snapshot!(storefront("development", &[]).await);
}

#[tokio::test]
async fn the_storefront_in_production_has_what_the_layers_say() {
    insta::assert_snapshot!(storefront("production", &["acme"]).await);
}

#[tokio::test]
async fn a_service_binding_reaches_the_same_customer_and_environment() {
    let web = "name = \"web\"\nservices = [{ binding = \"API\", service = \"the-api\" }, \
               { binding = \"MAIL\", service = \"mailer\" }, \
               { binding = \"LIVE\", service = \"the-api\", environment = \"production\" }]";
    let customers = "[customers.acme]\n[customers.globex]";
    let services = [("web", web), ("api", "name = \"the-api\"")];
    let folder = Folder::with_services(customers, &services);
    let ask = Ask { environments: &["staging"], services: &["web"], ..Ask::default() };
    let loaded = folder.load(ask).await.unwrap();
    let bound = |target: &DesiredTarget| -> Vec<String> {
        target.services.iter().map(|service| service.worker.to_string()).collect()
    };
    let bound: Vec<_> = loaded.desired.targets.iter().map(|target| bound(target)).collect();
    let want = |customer: &str| {
        [
            format!("the-api-staging-{customer}"),
            "mailer".to_owned(),
            format!("the-api-production-{customer}"),
        ]
    };
    assert_eq!(bound, [want("acme"), want("globex")]);
}

#[tokio::test]
async fn a_binding_that_may_mean_an_unreadable_service_is_not_guessed() {
    let web = "name = \"web\"\nservices = [{ binding = \"API\", service = \"api\" }]";
    let folder = Folder::with_services("", &[("web", web), ("api", "name = 7")]);
    let ask = || Ask { services: &["web"], ..Ask::default() };
    let said = folder.refused(ask()).await;
    assert!(said.contains("binds `api`, which may be service `api`"), "{said}");
    folder.write("web/wrangler.toml", "name = \"web\"\nmain = \"index.js\"\nno_bundle = true\ncompatibility_date = \"2026-04-01\"");
    folder.load(ask()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused_and_not_left_out() {
    let rows = [
        (
            "[[workflows]]\nbinding = \"W\"\nname = \"w\"\nclass_name = \"W\"\nschedules = []",
            "`schedules` cannot be deployed by Clodo yet",
        ),
        ("[[unsafe.bindings]]\nname = \"U\"\ntype = \"odd\"", "`unsafe` cannot"),
        (
            "[[queues.consumers]]\nqueue = \"q\"\nmax_batch_timeout = 0.0005",
            "`max_batch_timeout` is 0.0005",
        ),
        (
            "[[r2_buckets]]\nbinding = \"B\"\nbucket_name = \"files\"\njurisdiction = \"eu\"",
            "`jurisdiction` cannot be kept",
        ),
        (
            "services = [{ binding = \"X\", service = \"x\", environment = \"staging\" }]",
            "no service of this portfolio (hint: leave `environment` out and name the Worker itself, such as `x-staging`)",
        ),
    ];
    for (config, want) in rows {
        let folder = Folder::of_wrangler(&format!("name = \"shop\"\n{config}"));
        let said = folder.refused(Ask::default()).await;
        assert!(said.contains(want), "{config}: {said}");
    }
    let folder = Folder::new(&[("wrangler.toml", "name = \"shop\"\nmain = \"index.js\"")]);
    let said = folder.refused(Ask::default()).await;
    assert!(said.contains("`compatibility_date` is missing"), "{said}");
}

const IDS: &str = r#"
d1_databases = [{ binding = "DB", database_name = "main", database_id = "018f3c5e-0000-7000-8000-000000000000" }]
kv_namespaces = [{ binding = "KV", id = "0123456789abcdef0123456789abcdef" }]
"#;

/// How D1 and KV are found.
fn resources(target: &DesiredTarget) -> [String; 2] {
    let database = match &target.databases[0].resource {
        ResourceRef::Id(id) => format!("id {id}"),
        ResourceRef::Name(name) => name.to_string(),
    };
    let namespace = match &target.namespaces[0].resource {
        ResourceRef::Id(id) => format!("id {id}"),
        ResourceRef::Name(title) => title.to_string(),
    };
    [database, namespace]
}

const BY_ID: [&str; 2] =
    ["id 018f3c5e-0000-7000-8000-000000000000", "id 0123456789abcdef0123456789abcdef"];

#[tokio::test]
async fn a_folder_with_only_a_wrangler_config_is_deployed_as_wrangler_would() {
    let config = format!(
        "name = \"shop\"\nroutes = [\"shop.acme.test/*\"]\n{IDS}\
         [secrets]\nrequired = [\"KEY\"]\n[vars]\nA = \"top\"\n[env.preview]\nvars = {{ A = \"p\" }}\n",
    );
    let folder = Folder::of_wrangler(&config);
    let ask = || Ask { cloudflare: true, secrets_file: "KEY=k3y", ..Ask::default() };
    let loaded = folder.load(ask()).await.unwrap();
    let shop = target(&loaded, "shop");
    assert_eq!((shop.worker.as_str(), resources(shop)), ("shop", BY_ID.map(str::to_owned)));
    assert_eq!(shop.routes[0].pattern, "shop.acme.test/*");
    assert_eq!(shop.secrets.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["KEY"]);
    let key = "KEY".parse().unwrap();
    assert_eq!(loaded.secrets.given(&shop.id, &key).unwrap().expose(), "k3y");
    assert_eq!(rules(&loaded.notes), Vec::<&str>::new());

    let local = folder.load(Ask::default()).await.unwrap();
    assert_eq!(resources(target(&local, "shop")), ["main", "shop-kv"]);

    let preview = folder.load(Ask { environments: &["preview"], ..ask() }).await.unwrap();
    let preview = target(&preview, "shop");
    assert_eq!((preview.worker.as_str(), &preview.vars["A"]), ("shop-preview", &json!("p")));

    let staging = folder.load(Ask { environments: &["staging"], ..ask() }).await.unwrap();
    assert_eq!(target(&staging, "shop").worker.as_str(), "shop-staging", "not the one above");
}

#[tokio::test]
async fn a_section_for_the_environment_is_complete_and_others_share_nothing() {
    let section = format!("[env.production]\nroutes = [\"live.acme.test/*\"]\n{IDS}");
    let config = format!("name = \"shop\"\nroutes = [\"shop.acme.test/*\"]\n{IDS}{section}");
    let folder = Folder::with_services("", &[("shop", &config)]);
    let load = async |environment, cloudflare| {
        let ask = Ask { environments: &[environment], cloudflare, ..Ask::default() };
        folder.load(ask).await.unwrap()
    };
    let production = load("production", true).await;
    let shop = target(&production, "shop");
    assert_eq!(
        (shop.worker.as_str(), resources(shop)),
        ("shop-production", BY_ID.map(str::to_owned))
    );
    assert_eq!(shop.routes[0].pattern, "live.acme.test/*");
    assert_eq!(rules(&production.notes), Vec::<&str>::new());

    let staging = load("staging", true).await;
    let shop = target(&staging, "shop");
    assert_eq!(resources(shop), ["main-staging", "shop-staging-kv"]);
    assert_eq!(shop.routes, [], "production's routes stay production's");
    assert!(shop.workers_dev.enabled);
    assert_eq!(rules(&staging.notes), ["routes-not-used", "id-not-used"]);

    assert_eq!(rules(&load("staging", false).await.notes), ["routes-not-used"]);
    let local = load("production", false).await;
    assert_eq!(resources(target(&local, "shop")), ["main", "shop-production-kv"]);
}

#[tokio::test]
async fn settings_follow_wrangler() {
    let config = "name = \"shop\"\nkeep_vars = true\nlogpush = true\nlimits = { cpu_ms = 50 }";
    let loaded = Folder::of_wrangler(config).load(Ask::default()).await.unwrap();
    let shop = target(&loaded, "shop");
    let worker = Value::Object(shop.worker_settings.clone());
    assert_eq!(worker, json!({ "logpush": true, "observability": null }));
    let version = Value::Object(shop.version_settings.clone());
    assert_eq!(version, json!({ "keep_vars": true, "limits": { "cpu_ms": 50 } }));
}

#[tokio::test]
async fn secrets_are_declared_once_and_slips_of_the_pen_are_told() {
    let toml = "[customers.acme]\n[services.shop.secrets]\nKEY = {}\n";
    let folder = Folder::with_services(toml, &[]);
    folder.write(
        "clodo.toml",
        "[portfolio]\nname = \"shop\"\n[customers.acme]\n[services.shop]\npath = \"shop\"\n[services.shop.secrets]\nKEY = {}\n",
    );
    let config = |more: &str| {
        format!(
            "name = \"shop\"\nmain = \"index.js\"\nno_bundle = true\ncompatibility_date = \"2026-04-01\"\n{more}"
        )
    };
    folder.write("shop/index.js", "export default {}");
    folder.write("shop/wrangler.toml", &config(""));
    let secrets_file = "ACME_KEY=1\nKYE=2\nKEY=3\n";
    let loaded = folder.load(Ask { secrets_file, ..Ask::default() }).await.unwrap();
    let shop = target(&loaded, "shop");
    let given = loaded.secrets.given(&shop.id, &"KEY".parse().unwrap()).unwrap();
    assert_eq!(given.expose(), "1", "the customer's own");
    assert_eq!(rules(&loaded.notes), ["secret-not-declared"]);
    assert_eq!(loaded.notes[0].message, "the secrets file has KYE, which no service declares");

    folder.write("shop/wrangler.toml", &config("[vars]\nKEY = \"in the open\""));
    let said = folder.refused(Ask::default()).await;
    assert!(said.contains("`KEY` is a secret and a variable"), "{said}");
}

#[tokio::test]
async fn two_services_with_one_name_are_refused() {
    let folder = Folder::with_services("", &[("a", "name = \"same\""), ("b", "name = \"same\"")]);
    let said = folder.refused(Ask::default()).await;
    assert!(said.contains("are both called `same-development`"), "{said}");
}

#[tokio::test]
async fn migrations_that_two_databases_share_are_pointed_out() {
    let two = "name = \"shop\"\nd1_databases = [{ binding = \"A\" }, { binding = \"B\" }]";
    let folder = Folder::of_wrangler(two);
    assert_eq!(rules(&folder.load(Ask::default()).await.unwrap().notes), Vec::<&str>::new());
    folder.write("migrations/0001.sql", "CREATE TABLE t (x);");
    let loaded = folder.load(Ask::default()).await.unwrap();
    assert_eq!(rules(&loaded.notes), ["migrations-shared"]);
}

#[tokio::test]
async fn a_strategy_is_followed_as_the_file_says() {
    let toml = "[environments.production]\nstrategy = \"canary\"\nprotection = \"approve\"\n\
                [environments.production.canary]\nsteps = [1, { percentage = 20, bake = \"1h\" }]\n\
                bake = \"2m\"\nlimit = \"3h\"\ninconclusive = \"ask\"\ninterval = \"1s\"\n\
                minimum_requests = 7\nerror_margin = 0.02\nerror_margin_relative = 0.5\n\
                error_tolerance = 0.1\nlatency = [\"p99\"]\nlatency_tolerance = 0.3\n\
                latency_margin = 0.4\nalpha_worse = 0.002\nalpha_promote = 0.03\n\
                [environments.staging]\nstrategy = \"rolling\"\n\
                rolling = { batch = 3, max_unavailable = 2, bake = \"5s\" }\n\
                [environments.development]\nstrategy = \"blue-green\"\nblue_green = { bake = \"1m\" }\n\
                [[waves]]\nname = \"first\"\ncustomers = [\"b\"]\nbake = \"9s\"\n\
                approval = \"anybody\"\n[[waves]]\nenvironments = [\"staging\"]\n\
                [customers.a]\n[customers.b]";
    let folder = Folder::with_services(toml, &[("web", "name = \"web\"")]);
    let of = async |environment| {
        let ask = Ask { environments: &[environment], ..Ask::default() };
        let loaded = folder.load(ask).await.unwrap();
        assert_eq!(rules(&loaded.notes), Vec::<&str>::new());
        loaded.desired
    };
    let mut all = Vec::new();
    for environment in ["production", "staging", "development"] {
        let desired = of(environment).await;
        all.push(json!({ "strategy": desired.targets[0].strategy, "rollout": desired.rollout }));
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&sorted(json!(all))).unwrap());
}

#[tokio::test]
async fn environments_that_were_named_together_come_one_after_the_other() {
    let toml = "[environments.staging]\n[environments.production]\n[environments.canary]\n\
                [[waves]]\nname = \"first\"\ncustomers = [\"b\"]\n[customers.a]\n[customers.b]";
    let folder = Folder::with_services(toml, &[("web", "name = \"web\"")]);
    let environments = &["staging", "production", "canary"];
    let loaded = folder.load(Ask { environments, ..Ask::default() }).await.unwrap();
    let waves: Vec<(&str, String)> = loaded
        .desired
        .rollout
        .waves
        .iter()
        .map(|wave| {
            let targets: Vec<String> = wave.targets.iter().map(ToString::to_string).collect();
            (wave.name.as_str(), targets.join(" "))
        })
        .collect();
    let first = "web@canary/b web@production/b web@staging/b".to_owned();
    let staging = ("staging", "web@staging/a".to_owned());
    let production = ("production", "web@production/a".to_owned());
    assert_eq!(waves, [("first", first), staging, production]);
    folder.write(
        "web/wrangler.toml",
        "name = \"web\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n\
         [env.staging]\nname = \"stage\"\n[env.production]\nvars = { LIVE = \"yes\" }",
    );
    let loaded = folder.load(Ask { environments, ..Ask::default() }).await.unwrap();
    let named = loaded.desired.targets.iter().map(|one| (one.worker.to_string(), one.vars.len()));
    assert_eq!(
        named.collect::<Vec<_>>(),
        [
            ("stage-a".to_owned(), 0),
            ("stage-b".to_owned(), 0),
            ("web-production-a".to_owned(), 1),
            ("web-production-b".to_owned(), 1),
            ("web-canary-a".to_owned(), 0),
            ("web-canary-b".to_owned(), 0),
        ]
    );
}

#[tokio::test]
async fn a_canary_that_cannot_be_judged_is_refused() {
    let toml = "[environments.production]\nstrategy = \"canary\"\n\
                canary = { error_tolerance = 0.5, error_margin = 0.1 }";
    let folder = Folder::with_services(toml, &[("web", "name = \"web\"")]);
    let ask = Ask { environments: &["production"], ..Ask::default() };
    let said = folder.refused(ask).await;
    assert!(
        said.starts_with(
            "the canary of web@production cannot be judged: `error_tolerance` must be at least 0 \
             and within the margin (hint: "
        ),
        "{said}"
    );
}
