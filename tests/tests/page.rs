//! The read-only page, in headless Chromium: every figure on it is what the API says.

use clodo_tests::{Browser, Request, Sandbox, Wrangler, get_json};
use serde_json::{Value, json};

struct World {
    sandbox: Sandbox,
    url: String,
    account: String,
    token: String,
}

impl World {
    /// A cloud with a Worker in two versions, a database, a namespace and a bucket.
    fn new() -> Self {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach", "--zone", "acme.test"]).exits(0);
        let settings = sandbox.settings();
        let of = |name: &str| {
            let found = settings.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).expect("a setting")
        };
        let url = of("CLOUDFLARE_API_BASE_URL").replace("/client/v4", "");
        let (account, token) = (of("CLOUDFLARE_ACCOUNT_ID"), of("CLOUDFLARE_API_TOKEN"));
        Self { sandbox, url, account, token }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let url = format!("{}/client/v4/accounts/{}{path}", self.url, self.account);
        let token = format!("authorization: Bearer {}", self.token);
        let request = Request { method, url: &url, headers: &[&token], body };
        let answer = request.send().expect("the cloud answers").json();
        assert_eq!(answer["success"], true, "{method} {path}: {answer}");
        answer["result"].clone()
    }

    /// Two versions, 90 to 10.
    fn worker(&self) {
        let code =
            "export default { fetch() { console.log('<b>hello</b>'); return new Response('1') } };";
        self.sandbox.write("index.js", code);
        let config = "name = \"shop\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n";
        self.sandbox.write("wrangler.toml", config);
        let wrangler = Wrangler::v4_86();
        let run = |words: &[&str]| {
            let _ = wrangler.run(&self.sandbox, &self.sandbox.project(), words).exits(0);
        };
        run(&["deploy"]);
        self.sandbox.write("index.js", code.replace("'1'", "'2'"));
        run(&["versions", "upload", "--tag", "two"]);
        let versions = self.call("GET", "/workers/scripts/shop/versions", "");
        let id = |at: usize| versions["items"][at]["id"].as_str().expect("an id").to_owned();
        let split = json!({ "strategy": "percentage", "versions": [
            { "version_id": id(1), "percentage": 90 }, { "version_id": id(0), "percentage": 10 },
        ] });
        self.call("POST", "/workers/scripts/shop/deployments", &split.to_string());
    }

    /// Who has the traffic, by the API: versions and percentages as the page writes them.
    fn split(&self) -> Vec<Vec<String>> {
        let deployments = self.call("GET", "/workers/scripts/shop/deployments", "");
        let now = deployments["deployments"][0]["versions"].as_array().expect("a split").clone();
        let row = |one: &Value| {
            let percentage = one["percentage"].to_string();
            let version = one["version_id"].as_str().expect("an id").to_owned();
            vec![version, percentage.trim_end_matches(".0").to_owned()]
        };
        now.iter().map(row).collect()
    }
}

// conformance: front | the read-only page | documented
#[test]
fn every_figure_on_the_page_is_the_apis() {
    let world = World::new();
    world.worker();
    let database = world.call("POST", "/d1/database", r#"{"name":"books"}"#);
    let database = database["uuid"].as_str().expect("an id").to_owned();
    let sql = "CREATE TABLE \"odd \"\"name\" (id INTEGER PRIMARY KEY, t TEXT); \
               INSERT INTO \"odd \"\"name\" (t) VALUES ('<script>x</script>'), (NULL);";
    let query = json!({ "sql": sql }).to_string();
    world.call("POST", &format!("/d1/database/{database}/query"), &query);
    let space = world.call("POST", "/storage/kv/namespaces", r#"{"title":"notes"}"#);
    let space = space["id"].as_str().expect("an id").to_owned();
    world.call("PUT", &format!("/storage/kv/namespaces/{space}/values/a%2Fb"), "value of a/b");
    world.call("POST", "/r2/buckets", r#"{"name":"pictures"}"#);
    world.call("PUT", "/r2/buckets/pictures/objects/cat.txt", "meow");

    world.call("POST", "/queues", r#"{"queue_name":"jobs"}"#);

    let printed = world.sandbox.local(&["page", "--json"]).exits(0).json();
    let address = printed["url"].as_str().expect("an address").to_owned();
    let browser = Browser::start(&world.sandbox);
    browser.open(&address);
    let _ = browser.wait_for("h1", "Accounts");
    let accounts = browser.table("accounts");
    assert_eq!(
        accounts[0][1..],
        [&world.account, "1", "0", "1", "1", "1", "1", "0"].map(str::to_owned)
    );

    let at = |path: &str| format!("{}/#/{}{path}", world.url, world.account);
    browser.open(&at(""));
    let _ = browser.wait_for("h1", "Account ");
    let port = world.url.rsplit(':').next().expect("a port");
    let answers_at = format!("http://shop.local.workers.dev.localhost:{port}/");
    assert_eq!(browser.table("workers")[0][..2], ["shop", answers_at.as_str()]);
    assert_eq!(browser.table("queues")[0][0], "jobs");
    assert_eq!(browser.table("databases"), [["books", database.as_str()]]);
    assert_eq!(browser.table("namespaces"), [["notes", space.as_str()]]);
    assert_eq!(browser.table("buckets")[0][0], "pictures");

    browser.open(&at("/worker/shop"));
    let _ = browser.wait_for("h1", "Worker shop");
    assert_eq!(browser.wait_for("#urls", "http"), format!("Answers at {answers_at}"));
    assert_eq!(browser.table("traffic"), world.split());
    assert_eq!(browser.table("versions").len(), 2);
    assert_eq!(browser.table("versions")[0][3], "two");

    browser.open(&at(&format!("/d1/{database}/odd%20%22name/0")));
    let _ = browser.wait_for("h2", "odd \"name");
    assert_eq!(browser.table("tables"), [["odd \"name", "2"]]);
    assert_eq!(browser.table("rows"), [["1", "<script>x</script>"], ["2", "NULL"]]);
    browser.open(&at(&format!("/kv/{space}/a%2Fb")));
    assert_eq!(browser.wait_for("#value", "value"), "value of a/b");
    browser.open(&at("/r2/pictures"));
    let _ = browser.wait_for("h1", "R2 pictures");
    assert_eq!(browser.table("objects")[0][..2], ["cat.txt", "4"]);
    browser.open(&format!("{}/#/requests", world.url));
    let _ = browser.wait_for("h1", "API calls");
    assert!(!browser.table("requests").iter().any(|row| row[2].starts_with("/clodo/")));
    assert!(browser.table("requests").iter().any(|row| row[2].contains("/objects")));
}

// conformance: front | live tail on the page | documented
#[test]
fn the_page_shows_what_a_worker_logs_while_it_runs() {
    let world = World::new();
    world.worker();
    let printed = world.sandbox.local(&["page", "--json"]).exits(0).json();
    let browser = Browser::start(&world.sandbox);
    browser.open(printed["url"].as_str().expect("an address"));
    let _ = browser.wait_for("h1", "Accounts");
    browser.open(&format!("{}/#/{}/tail/shop", world.url, world.account));
    let _ = browser.wait_for("#tail", "Live");
    let port = world.url.rsplit(':').next().expect("a port").to_owned();
    let asked = format!("http://shop.local.workers.dev.localhost:{port}/seen");
    let answer = clodo_tests::fetch(&asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    let event = browser.wait_for(".event", "/seen");
    assert!(event.contains("log: <b>hello</b>"), "{event}");
}

// conformance: security | the page shows nothing without the token | documented
#[test]
fn without_the_token_the_page_asks_for_it_and_shows_nothing() {
    let world = World::new();
    let browser = Browser::start(&world.sandbox);
    browser.open(&format!("{}/", world.url));
    let _ = browser.wait_for("h1", "Token");
    browser.open(&format!("{}/#token=wrong", world.url));
    browser.open(&format!("{}/#/{}", world.url, world.account));
    let said = browser.wait_for("#error", "[");
    assert!(!said.contains(&world.token), "{said}");
    assert!(get_json(&format!("{}/clodo/status", world.url))["result"]["program"].is_string());
}
