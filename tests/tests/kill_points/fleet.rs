//! The portfolio that is deployed: twenty Workers with everything that a deployment can change.

use serde_json::{Value, json};
use std::{fs, path::Path};

/// How many Workers there are.
pub(crate) const WORKERS: usize = 20;
/// The values of the secrets, as `--secrets-file` would bring them.
pub(crate) const SECRETS: &str = "SIGNING_KEY=kept-by-the-test-0123456789abcdef";

/// What the files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edition {
    /// The first that is deployed.
    First,
    /// Other code everywhere, one more migration, other crons, routes and domains.
    Second,
    /// The second, but the last Worker in the order of bindings answers with errors.
    Sick,
}

/// Writes the portfolio into a folder, over what is there.
pub(crate) fn write(folder: &Path, edition: Edition) {
    let mut file = String::from(
        "[portfolio]\nname = \"fleet\"\nplatform = \"local\"\n[accounts.main]\nzones = [\"acme.test\"]\n\
         [environments.development]\n[domains]\ndevelopment.web-0 = \"shop.acme.test\"\n",
    );
    let second = if edition == Edition::First { "www" } else { "store" };
    file += &format!("development.web-1 = \"{second}.acme.test\"\n");
    let services = services(edition);
    assert_eq!(services.len(), WORKERS);
    for (name, config) in services {
        file += &format!("[services.{name}]\npath = \"{name}\"\nhealth = \"/health\"\n");
        if name.starts_with("orders") {
            file += &format!("[services.{name}.secrets]\nSIGNING_KEY = {{}}\n");
        }
        if name == "files" {
            file += "depends_on = [\"catalog-0\"]\n";
        }
        let config = json!({
            "name": name, "main": "index.js", "no_bundle": true,
            "compatibility_date": "2026-04-01", "env": { "development": config },
        });
        put(&folder.join(&name).join("wrangler.jsonc"), &config.to_string());
        put(&folder.join(&name).join("index.js"), &code(&name, edition));
        if name.starts_with("catalog") {
            migrations(&folder.join(&name).join("migrations"), edition);
        }
    }
    // `depends_on` belongs to the table before the next one.
    put(&folder.join("clodo.toml"), &file);
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn code(name: &str, edition: Edition) -> String {
    let word = if edition == Edition::First { "first" } else { "second" };
    let status = if edition == Edition::Sick && name == "web-5" { 500 } else { 200 };
    let objects = match name {
        "room" => {
            "import { DurableObject } from \"cloudflare:workers\";\n\
                   export class Room extends DurableObject { async name() { return \"room\"; } }\n"
        }
        "files" => {
            "import { WorkflowEntrypoint } from \"cloudflare:workers\";\n\
                   export class Sort extends WorkflowEntrypoint { async run() {} }\n\
                   export class Tidy extends WorkflowEntrypoint { async run() {} }\n"
        }
        _ => "",
    };
    format!(
        "{objects}export default {{\n  fetch(request, env) {{\n    const said = {{ word: \"{word}\", \
         version_metadata: env.VERSION }};\n    return Response.json(said, {{ status: {status} }});\n  \
         }},\n  scheduled() {{}},\n  queue() {{}},\n}};\n"
    )
}

fn migrations(folder: &Path, edition: Edition) {
    let files = [
        ("0001_items.sql", "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"),
        ("0002_rows.sql", "INSERT INTO item (name) VALUES ('one'), ('two'), ('three');"),
        (
            "0003_price.sql",
            "ALTER TABLE item ADD COLUMN price INTEGER;\nUPDATE item SET price = 7;",
        ),
    ];
    let known = if edition == Edition::First { 2 } else { 3 };
    for (name, sql) in &files[..known] {
        put(&folder.join(name), sql);
    }
}

/// Names and the configuration of each in `development`.
fn services(edition: Edition) -> Vec<(String, Value)> {
    let version = json!({ "binding": "VERSION" });
    let inner = || json!({ "workers_dev": false, "version_metadata": version });
    let bound = |to: &str| json!([{ "binding": "PEER", "service": to }]);
    let mut all = Vec::new();
    for at in 0..4 {
        let mut config = inner();
        config["d1_databases"] = json!([{ "binding": "DB", "migrations_dir": "migrations" }]);
        config["kv_namespaces"] = json!([{ "binding": "CACHE" }]);
        all.push((format!("catalog-{at}"), config));
    }
    let mut room = inner();
    room["durable_objects"] = json!({ "bindings": [{ "name": "ROOMS", "class_name": "Room" }] });
    room["migrations"] = json!([{ "tag": "v1", "new_sqlite_classes": ["Room"] }]);
    all.push(("room".to_owned(), room));
    let mut files = inner();
    files["r2_buckets"] = json!([{ "binding": "FILES", "bucket_name": "fleet-files" }]);
    let retries = if edition == Edition::First { 1 } else { 2 };
    files["queues"] = json!({ "consumers": [
        { "queue": "orders", "max_retries": retries, "dead_letter_queue": "dead-orders" },
    ] });
    let class = if edition == Edition::First { "Sort" } else { "Tidy" };
    files["workflows"] = json!([{ "binding": "SORT", "name": "sort", "class_name": class }]);
    all.push(("files".to_owned(), files));
    for (name, other) in [("left", "right"), ("right", "left")] {
        let mut config = inner();
        config["services"] = bound(other);
        all.push((name.to_owned(), config));
    }
    for at in 0..6 {
        let mut config = inner();
        config["services"] = bound(&format!("catalog-{}", at % 4));
        if at % 2 == 0 {
            let minute = if edition == Edition::First { 5 } else { 7 };
            config["triggers"] = json!({ "crons": [format!("{minute} {at} * * *")] });
        }
        if at == 1 {
            config["queues"] = json!({ "producers": [{ "binding": "SEND", "queue": "orders" }] });
        }
        all.push((format!("orders-{at}"), config));
    }
    // Those with an address of each kind share what they call, so that a few Workers are enough to
    // have them all.
    for (at, orders) in [0, 1, 0, 3, 4, 0].into_iter().enumerate() {
        let mut config = inner();
        config["services"] = bound(&format!("orders-{orders}"));
        if at == 2 {
            let path = if edition == Edition::First { "old" } else { "new" };
            let pattern = format!("route-{at}.acme.test/{path}/*");
            config["routes"] = json!([{ "pattern": pattern, "zone_name": "acme.test" }]);
        }
        if at == 5 {
            config["workers_dev"] = true.into();
        }
        all.push((format!("web-{at}"), config));
    }
    all
}
