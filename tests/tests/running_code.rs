//! Migrations that break the code which is deployed, on the local Cloudflare: named by `lint --deployed`,
//! refused by `up` and by a deployment, allowed with a reason.

use clodo_tests::{Request, Run, Sandbox, Schema};
use serde_json::{Value, json};

const CONFIG: &str = "name = \"shop\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\nno_bundle = true\n\
    [[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"shop\"\n";
const FIRST: &str = "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT, born INTEGER);\n\
    INSERT INTO authors VALUES (1, 'Ada', 1815);\n";
const READS_BORN: &str = "\
    const oldest = 'SELECT name, born FROM authors ORDER BY born LIMIT 1';\n\
    export default {\n  async fetch(request, env) {\n    \
    if (request.method === 'POST') await env.DB.prepare('INSERT INTO authors (name) VALUES (?)').bind('x').run();\n    \
    return Response.json(await env.DB.prepare(oldest).first());\n  }\n};\n";
const READS_NAMES: &str = "export default {\n  async fetch(request, env) {\n    \
    return Response.json(await env.DB.prepare('SELECT name FROM authors').first());\n  }\n};\n";
const CONTRACTS: &str = "CREATE TABLE shelves (id INTEGER PRIMARY KEY);\n\
    -- clodo:allow drop-column nobody asks for it any more\n\
    ALTER TABLE authors DROP COLUMN born;\n";

/// A Worker that reads a column, deployed with its database; then a file drops that column.
fn shop() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("wrangler.toml", CONFIG);
    sandbox.write("index.js", READS_BORN);
    sandbox.write("migrations/0001_first.sql", FIRST);
    let _ = deploy(&sandbox).exits(0);
    sandbox.write("migrations/0002_contract.sql", CONTRACTS);
    sandbox
}

fn deploy(sandbox: &Sandbox) -> Run {
    sandbox.deploy(&["deploy", "--platform", "local", "--yes", "--json"])
}

fn db(sandbox: &Sandbox, words: &[&str]) -> Run {
    sandbox.db(&[words, &["--platform", "local", "--json"]].concat())
}

#[track_caller]
fn names_the_column(sandbox: &Sandbox, document: &Value, whose: &str) {
    let findings = document["findings"].as_array().expect("findings");
    let found: Vec<&Value> =
        findings.iter().filter(|one| one["rule"] == "breaks-running-code").collect();
    let [finding] = found[..] else { panic!("{document:#}") };
    // Files come with the path by which the project was given.
    let plain = |value: &Value| {
        let text = value.as_str().expect("a text").to_owned();
        text.replace(&format!("{}/", sandbox.project().display()), "")
    };
    let at = &finding["at"];
    assert_eq!(
        (plain(&at["path"]).as_str(), &at["line"], &at["column"], &finding["severity"]),
        ("migrations/0002_contract.sql", &json!(3), &json!(1), &json!("block")),
        "{document:#}"
    );
    let said = format!(
        "{whose} runs `SELECT name, born FROM authors ORDER BY born LIMIT 1` (index.js:1:16), \
         which then fails: no such column: born"
    );
    assert_eq!(plain(&finding["message"]), said);
}

#[test]
fn what_the_deployed_worker_still_asks_for_is_not_taken_away() {
    let sandbox = shop();
    let schema = Schema::of("clodo-db");
    // What is in the folder does without the column; what is deployed does not.
    sandbox.write("index.js", READS_NAMES);
    let whose = "the deployed service shop in development";
    let linted = db(&sandbox, &["lint", "--deployed"]).exits(3).json();
    schema.check("lint", &linted);
    names_the_column(&sandbox, &linted, whose);
    assert_eq!(linted["code"], json!([{ "of": [whose], "statements": 2, "unfit": 0 }]));
    let refused = db(&sandbox, &["up", "--yes"]).exits(3);
    schema.check("up", &refused.json());
    names_the_column(&sandbox, &refused.json(), whose);
    assert!(refused.stderr.contains("tried 2 statements of the deployed"), "{}", refused.stderr);
    let gated = deploy(&sandbox).exits(3).json();
    names_the_column(&sandbox, &gated, whose);

    // Without a platform, the folder is what there is to go by.
    let offline = |code| {
        let words = ["lint", "--after", "0001_first.sql", "--json"];
        sandbox.db(&words).exits(code).json()
    };
    assert_eq!(offline(0)["code"][0]["of"], json!(["the source of service shop"]));
    sandbox.write("index.js", READS_BORN);
    names_the_column(&sandbox, &offline(3), "the source of service shop");

    // New code first, and the file behind it.
    sandbox.write("index.js", READS_NAMES);
    std::fs::remove_file(sandbox.project().join("migrations/0002_contract.sql")).expect("removed");
    let _ = deploy(&sandbox).exits(0);
    sandbox.write("migrations/0002_contract.sql", CONTRACTS);
    let linted = db(&sandbox, &["lint", "--deployed"]).exits(0).json();
    assert_eq!(linted["findings"], json!([]), "{linted:#}");
    let _ = db(&sandbox, &["up", "--yes"]).exits(0);
}

/// A service that is not deployed this time still runs with the database.
#[test]
fn a_deployment_looks_at_the_code_of_all_who_bind_the_database() {
    let sandbox = Sandbox::empty();
    let portfolio = "[portfolio]\nname = \"two\"\nplatform = \"local\"\n[accounts.main]\n\
        [environments.development]\n[services.shop]\npath = \"shop\"\n\
        [services.reports]\npath = \"reports\"\n[services.audit]\npath = \"audit\"\n";
    sandbox.write("clodo.toml", portfolio);
    sandbox.write("shop/wrangler.toml", CONFIG);
    sandbox.write("shop/index.js", READS_NAMES);
    sandbox.write("shop/migrations/0001_first.sql", FIRST);
    for other in ["reports", "audit"] {
        let config =
            CONFIG.replacen("shop", other, 1) + "migrations_dir = \"../shop/migrations\"\n";
        sandbox.write(&format!("{other}/wrangler.toml"), config);
        sandbox.write(&format!("{other}/index.js"), READS_BORN);
    }
    let _ = deploy(&sandbox).exits(0);
    sandbox.write("shop/migrations/0002_contract.sql", CONTRACTS);
    let alone = ["deploy", "shop", "--platform", "local", "--yes", "--json"];
    let findings = || {
        let refused = sandbox.deploy(&alone).exits(3).json();
        let findings = refused["findings"].as_array().expect("findings").iter();
        let text = |one: &Value| {
            let part = |key: &str| one[key].as_str().expect("a text").to_owned();
            (part("rule"), part("message"))
        };
        findings.map(text).collect::<Vec<(String, String)>>()
    };
    let has = |found: &[(String, String)], rule: &str, part: &str| {
        found.iter().any(|(own, message)| own == rule && message.contains(part))
    };
    let found = findings();
    for whose in ["the deployed service audit in", "the deployed service reports in"] {
        assert!(has(&found, "breaks-running-code", whose), "{found:?}");
    }

    // Another service's config that cannot be read hides what that service runs, and nothing else.
    sandbox.write("reports/wrangler.toml", "name = 1\n");
    let found = findings();
    assert!(has(&found, "running-code-unread", "service reports"), "{found:?}");
    assert!(has(&found, "breaks-running-code", "service audit"), "{found:?}");
    assert!(!has(&found, "breaks-running-code", "service reports"), "{found:?}");
}

#[test]
fn a_break_is_allowed_with_a_reason() {
    let sandbox = shop();
    let allowed = CONTRACTS.replace(
        "ALTER",
        "-- clodo:allow breaks-running-code the shop is closed on Sundays\nALTER",
    );
    sandbox.write("migrations/0002_contract.sql", &allowed);
    let linted = db(&sandbox, &["lint", "--deployed"]).exits(0).json();
    assert_eq!(linted["findings"], json!([]), "{linted:#}");
    sandbox.write("index.js", READS_NAMES);
    let _ = deploy(&sandbox).exits(0);
}

#[test]
fn a_new_column_that_wants_a_value_breaks_the_inserts_without_one() {
    let sandbox = shop();
    let rebuild = "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, born INTEGER NOT NULL);\n\
        INSERT INTO n SELECT id, name, born FROM authors;\nDROP TABLE authors;\n\
        ALTER TABLE n RENAME TO authors;\n";
    sandbox.write("migrations/0002_contract.sql", rebuild);
    let refused = db(&sandbox, &["up", "--yes"]).exits(3).json();
    let [finding] = &refused["findings"].as_array().expect("findings")[..] else {
        panic!("{refused:#}")
    };
    assert_eq!(
        (&finding["rule"], &finding["at"]["line"]),
        (&json!("breaks-running-code"), &json!(3))
    );
    let message = finding["message"].as_str().expect("a message");
    assert!(message.ends_with("NOT NULL constraint failed: authors.born"), "{message}");
}

/// Asks the API of the local Cloudflare something about the only Worker there is.
fn of_the_worker(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> Value {
    let settings = sandbox.settings();
    let setting = |name: &str| {
        let found = settings.iter().find(|(own, _)| own == name);
        &found.unwrap_or_else(|| panic!("{name} is not among {settings:?}")).1
    };
    let (base, account) = (setting("CLOUDFLARE_API_BASE_URL"), setting("CLOUDFLARE_ACCOUNT_ID"));
    let token = format!("authorization: Bearer {}", setting("CLOUDFLARE_API_TOKEN"));
    let headers = [token.as_str(), "content-type: application/json"];
    let ask = |method, path: &str, body| {
        let url = format!("{base}/accounts/{account}/workers/scripts{path}");
        let answer = Request { method, url: &url, headers: &headers, body }.send();
        let answer = answer.expect("the cloud answers").json();
        assert_eq!(answer["success"], true, "{answer:#}");
        answer["result"].clone()
    };
    let all = ask("GET", "", "");
    let name = all[0]["id"].as_str().expect("the Worker's name");
    ask(method, &format!("/{name}{path}"), body)
}

/// The version that gets all requests.
fn version(sandbox: &Sandbox) -> String {
    let all = of_the_worker(sandbox, "GET", "/deployments", "");
    let version = &all["deployments"][0]["versions"][0]["version_id"];
    version.as_str().expect("a version").to_owned()
}

#[test]
fn each_version_that_gets_requests_counts() {
    let sandbox = shop();
    let file = sandbox.project().join("migrations/0002_contract.sql");
    std::fs::remove_file(&file).expect("removed");
    let old = version(&sandbox);
    sandbox.write("index.js", READS_NAMES);
    let _ = deploy(&sandbox).exits(0);
    let new = version(&sandbox);
    assert_ne!(old, new);
    sandbox.write("migrations/0002_contract.sql", CONTRACTS);
    let shares = |shares: &[(&str, u32)]| {
        let share = |(id, share): &(&str, u32)| json!({ "version_id": id, "percentage": share });
        let versions: Vec<Value> = shares.iter().map(share).collect();
        let body = json!({ "strategy": "percentage", "versions": versions }).to_string();
        let _ = of_the_worker(&sandbox, "POST", "/deployments", &body);
    };
    shares(&[(&new, 90), (&old, 10)]);
    let linted = db(&sandbox, &["lint", "--deployed"]).exits(3).json();
    names_the_column(&sandbox, &linted, "the deployed service shop in development");
    let _ = db(&sandbox, &["up", "--yes"]).exits(3);
    shares(&[(&new, 100)]);
    let linted = db(&sandbox, &["lint", "--deployed"]).exits(0).json();
    assert_eq!(linted["findings"], json!([]), "{linted:#}");
}

#[test]
fn for_code_that_cannot_be_read_its_source_counts_and_a_note_says_so() {
    let sandbox = shop();
    let route = "GET /accounts/*/workers/scripts/*/deployments";
    let _ = sandbox.local(&["faults", "add", "malformed", "--route", route]).exits(0);
    let linted = db(&sandbox, &["lint", "--deployed"]).exits(3).json();
    Schema::of("clodo-db").check("lint", &linted);
    names_the_column(&sandbox, &linted, "the source of service shop");
    let unread = |document: &Value| {
        let findings = document["findings"].as_array().expect("findings");
        let notes = findings.iter().filter(|one| one["rule"] == "running-code-unread");
        let said: Vec<&str> = notes.filter_map(|one| one["message"].as_str()).collect();
        assert_eq!(said.len(), 1, "{document:#}");
        let begin = "the code of the deployed service shop in development could not be read: ";
        assert!(said[0].starts_with(begin), "{said:?}");
    };
    unread(&linted);
    // With a source that does without the column nothing is known to break, and the note stays.
    sandbox.write("index.js", READS_NAMES);
    unread(&db(&sandbox, &["lint", "--deployed"]).exits(0).json());
}
