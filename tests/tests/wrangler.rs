//! Real wrangler, in all three dialects, against the local Cloudflare.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Run, Sandbox, Wrangler, get_json};
use serde_json::Value;
use std::path::PathBuf;

/// One wrangler, one sandbox with a running cloud, one service's folder.
struct Session {
    sandbox: Sandbox,
    wrangler: Wrangler,
}

impl Session {
    fn new(wrangler: Wrangler) -> Self {
        let sandbox = Sandbox::storefront();
        let _ = sandbox.local(&["up", "--detach"]).exits(0);
        Self { sandbox, wrangler }
    }

    fn folder(&self, service: &str) -> PathBuf {
        self.sandbox.project().join("services").join(service)
    }

    #[track_caller]
    fn run(&self, service: &str, words: &[&str]) -> Run {
        self.wrangler.run(&self.sandbox, &self.folder(service), words).exits(0)
    }

    /// The URL of a Worker by its `workers.dev` name.
    fn url(&self, worker: &str) -> String {
        let status = self.sandbox.status();
        let port = status["port"].as_u64().expect("a port");
        format!("http://{worker}.local.workers.dev.localhost:{port}")
    }
}

#[test]
fn wrangler_4_86_deploys_lists_rolls_back_and_puts_a_secret() {
    works_with(Wrangler::v4_86());
}

// conformance: versions | what wrangler 4.125 says otherwise than the two beside it | accepted by wrangler 4.125
#[test]
fn wrangler_4_125_deploys_lists_rolls_back_and_puts_a_secret() {
    let session = Session::new(Wrangler::v4_125());
    let id = creates_database(&session, "catalog");
    let binding = "\"binding\": \"DB\",";
    let named = format!("{binding} \"database_name\": \"catalog-db\", \"database_id\": \"{id}\",");
    session.sandbox.edit("services/catalog/wrangler.jsonc", binding, &named);
    let apply = ["d1", "migrations", "apply", "catalog-db", "--remote"];
    let applied = session.run("catalog", &apply);
    assert!(applied.stdout.contains("0002_first_products.sql"), "{applied:?}");
    let _ = session.run("catalog", &["deploy"]);
    assert_eq!(get_json(&format!("{}/health", session.url("catalog")))["products"], 3);
    keeps_secrets_in_its_own_words(&session);
    lists_and_rolls_back(&session);
    let words = ["versions", "secret", "bulk", "secrets.json", "--message", "both again"];
    let _ = session.run("catalog", &words);
    let versions = session.run("catalog", &["versions", "list"]);
    assert!(versions.stdout.contains("both again"), "{versions:?}");
    uses_kv(&session);
    let _ = session.run("catalog", &["delete", "--force"]);
    let list = session.run("catalog", &["d1", "list"]);
    assert!(list.stdout.contains("catalog-db"), "the data outlives the Worker: {list:?}");
}

/// Several secrets at once and secrets of a version are what each dialect says otherwise.
fn keeps_secrets_in_its_own_words(session: &Session) {
    session
        .sandbox
        .write("services/catalog/secrets.json", r#"{"ONE":"1-secret","TWO":"2-secret"}"#);
    let _ = session.run("catalog", &["secret", "bulk", "secrets.json"]);
    let list = session.run("catalog", &["secret", "list"]);
    assert!(list.stdout.contains("ONE") && list.stdout.contains("TWO"), "{list:?}");
    let _ = session.run("catalog", &["secret", "delete", "ONE"]);
    let list = session.run("catalog", &["secret", "list"]);
    assert!(!list.stdout.contains("ONE") && !list.stdout.contains("-secret"), "{list:?}");
}

#[test]
fn wrangler_4_164_deploys_lists_rolls_back_and_puts_a_secret() {
    works_with(Wrangler::v4_164());
}

fn works_with(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    let who = session.run("catalog", &["whoami"]);
    assert!(who.stdout.contains("main"), "{who:?}");
    migrates(&session);
    deploys_in_order(&session);
    lists_and_rolls_back(&session);
    keeps_a_secret(&session);
    uses_kv(&session);
    deletes(&session);
}

/// The databases are made and migrated before the first deploy, as wrangler users do it.
fn migrates(session: &Session) {
    let id = creates_database(session, "catalog");
    let binding = "\"binding\": \"DB\",";
    let named = format!("{binding} \"database_name\": \"catalog-db\", \"database_id\": \"{id}\",");
    session.sandbox.edit("services/catalog/wrangler.jsonc", binding, &named);
    let id = creates_database(session, "orders");
    let binding = "binding = \"DB\"\n";
    let named = format!("{binding}database_name = \"orders-db\"\ndatabase_id = \"{id}\"\n");
    session.sandbox.edit("services/orders/wrangler.toml", binding, &named);

    let list = session.run("catalog", &["d1", "list"]);
    assert!(list.stdout.contains("catalog-db"), "{list:?}");
    let apply =
        |service, name| session.run(service, &["d1", "migrations", "apply", name, "--remote"]);
    let applied = apply("catalog", "catalog-db");
    assert!(applied.stdout.contains("0002_first_products.sql"), "{applied:?}");
    let _ = apply("orders", "orders-db");
    let count = ["--json", "--command", "SELECT count(*) AS n FROM products"];
    let count = [&["d1", "execute", "catalog-db", "--remote"][..], &count].concat();
    let rows: Value = session.run("catalog", &count).json();
    assert_eq!(rows[0]["results"][0]["n"], 3);
}

fn creates_database(session: &Session, service: &str) -> String {
    let created = session.run(service, &["d1", "create", &format!("{service}-db")]);
    let is_id = |part: &&str| part.len() == 36 && part.matches('-').count() == 4;
    let id = created.stdout.split('"').find(is_id);
    id.unwrap_or_else(|| panic!("{created:?}")).to_owned()
}

fn deploys_in_order(session: &Session) {
    for service in ["catalog", "orders", "web"] {
        let run = session.run(service, &["deploy"]);
        assert!(run.stdout.contains("Current Version ID"), "{run:?}");
    }
    let health = get_json(&format!("{}/health", session.url("catalog")));
    assert_eq!(
        (&health["products"], &health["environment"]),
        (&Value::from(3), &Value::from("plain"))
    );
    let page = clodo_tests::fetch(&format!("{}/", session.url("web")));
    assert!(page.body.contains("<title>Storefront</title>"), "{page:?}");
}

fn lists_and_rolls_back(session: &Session) {
    let path = "services/catalog/src/index.ts";
    session.sandbox.edit(path, "status: \"ok\"", "status: \"better\"");
    let _ = session.run("catalog", &["deploy", "--message", "a better one"]);
    let health = format!("{}/health", session.url("catalog"));
    assert_eq!(get_json(&health)["status"], "better");
    let versions = session.run("catalog", &["versions", "list"]);
    assert!(versions.stdout.matches("Version ID").count() >= 2, "{versions:?}");
    let list = session.run("catalog", &["deployments", "list"]);
    assert!(list.stdout.contains("a better one"), "{list:?}");
    let _ = session.run("catalog", &["rollback", "--yes", "--message", "not better"]);
    assert_eq!(get_json(&health)["status"], "ok");
    let _ = session.run("catalog", &["deployments", "status"]);
}

fn keeps_a_secret(session: &Session) {
    let mut put = session.wrangler.command(
        &session.sandbox,
        &session.folder("orders"),
        &["secret", "put", "ORDER_SIGNING_KEY"],
    );
    let file = session.sandbox.project().join("value");
    std::fs::write(&file, "a-signing-key-of-some-length").unwrap();
    let put: Run = put.stdin(std::fs::File::open(&file).unwrap()).output().unwrap().into();
    let _ = put.exits(0);
    let list = session.run("orders", &["secret", "list"]);
    assert!(list.stdout.contains("ORDER_SIGNING_KEY"), "{list:?}");
    assert!(!list.stdout.contains("a-signing-key"), "a value is never returned");
    let health = get_json(&format!("{}/health", session.url("orders")));
    assert_eq!(health["can_sign"], true);
    let _ = session.run("orders", &["secret", "delete", "ORDER_SIGNING_KEY"]);
}

fn uses_kv(session: &Session) {
    let made = session.run("catalog", &["kv", "namespace", "create", "notes"]);
    let id = made
        .stdout
        .split('"')
        .find(|part| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit()));
    let id = id.unwrap_or_else(|| panic!("{made:?}"));
    let key = |words: &[&str]| {
        session.run(
            "catalog",
            &[&["kv", "key"][..], words, &["--namespace-id", id, "--remote"]].concat(),
        )
    };
    let _ = key(&["put", "a/b c", "some value"]);
    assert!(key(&["list"]).stdout.contains("a/b c"));
    assert!(key(&["get", "a/b c"]).stdout.contains("some value"));
}

fn deletes(session: &Session) {
    let _ = session.run("web", &["delete", "--force"]);
    let url = format!("{}/", session.url("web"));
    let answer = Request { method: "GET", url: &url, headers: &[], body: "" }.send().unwrap();
    assert_ne!(answer.status, 200, "{answer:?}");
}
