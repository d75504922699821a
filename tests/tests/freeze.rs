//! `clodo-db up --freeze`: what no file names is read before and behind; and what reading costs.

use clodo_sqlite::rusqlite::Connection;
use clodo_tests::{Run, Sandbox, Schema};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
};

const SHOP: [&str; 5] = ["catalog", "--customer", "acme", "--env", "production"];
const MORE: &str = "services/catalog/migrations/0003_more.sql";

#[test]
fn a_rebuild_on_d1_is_compared_and_what_it_reads_is_said_before() {
    let sandbox = Sandbox::storefront();
    let up = |words: &[&str]| {
        let run = sandbox.db(&[&["up", "--yes", "--json"][..], words, &SHOP].concat()).exits(0);
        Schema::of("clodo-db").check("up", &run.json());
        run.json()
    };
    let first = up(&["--freeze"]);
    assert_eq!(first["databases"][0].get("frozen"), None, "it was made: nothing was there");
    let far = "INSERT INTO products (id, name, price_cents) VALUES (3000000, 'far', 1)";
    let _ = sandbox.db(&[&["query", far, "--write", "--yes"][..], &SHOP].concat()).exits(0);
    sandbox.write(
        MORE,
        "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,\n\
         price_cents INTEGER NOT NULL, note TEXT);\n\
         INSERT INTO n (id, name, price_cents) SELECT id, name, price_cents FROM products;\n\
         DROP TABLE products;\nALTER TABLE n RENAME TO products;\n",
    );
    let dry = up(&["--dry-run"]);
    let costs: Vec<&Value> = dry["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["rule"] == "reads-much")
        .collect();
    let messages: Vec<&str> = costs.iter().filter_map(|one| one["message"].as_str()).collect();
    assert_eq!(
        messages,
        [
            "reads whole tables, which is billed as about 3000000 rows read (products: 3000000)",
            "makes table products anew, which is billed as about 12000000 rows read (products: 3000000)",
        ],
        "{dry:#}"
    );
    assert_eq!(costs[1]["at"]["line"], 4, "{dry:#}");
    let done = up(&["--freeze"]);
    let frozen = &done["databases"][0]["frozen"];
    assert!(frozen["rows"].as_u64() >= Some(1) && frozen["tables"] == json!(1), "{done:#}");
}

/// A write that comes between is found, and named.
#[test]
fn what_somebody_else_writes_meanwhile_is_found() {
    let sandbox = Sandbox::empty();
    sandbox.write("migrations/0001_t.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY, v);\n");
    sandbox.write("migrations/0002_t.sql", "CREATE TABLE u (id INTEGER PRIMARY KEY, v);\n");
    let file = sandbox.project().join("app.db");
    let path = file.display().to_string();
    let words = ["up", "--sqlite", &path, "--create", "--yes"];
    let _ = sandbox.db(&words).exits(0);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("INSERT INTO t VALUES (1, 'a'); INSERT INTO u VALUES (1, 'a');").unwrap();
    sandbox.write("migrations/0003_t.sql", "ALTER TABLE u RENAME COLUMN v TO w;\n");

    // Until this ends, nobody else writes.
    other.execute_batch("BEGIN IMMEDIATE; UPDATE t SET v = 'b';").unwrap();
    let mut command = sandbox.command("clodo-db", &words);
    command.args(["--freeze", "--json=events"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let started = lines.find(|line| line.contains("migration_started"));
    assert!(started.is_some(), "all was read, and the file waits for the lock");
    other.execute_batch("COMMIT").unwrap();
    let said: Vec<String> = lines.collect();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(5), "it was applied, and t is another one: {said:?} {stderr}");
    assert!(stderr.contains("values changed that no file names, in t"), "{stderr}");
    let applied: Run = sandbox.db(&["status", "--sqlite", &path, "--exit-code"]);
    let _ = applied.exits(0);
}
