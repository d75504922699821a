//! What others do to a database while somebody thinks about the question of `clodo-db up`.

#![cfg(target_os = "linux")]

use clodo_tests::{Sandbox, Terminal};
use serde_json::{Value, json};

const SHOP: [&str; 5] = ["catalog", "--customer", "acme", "--env", "production"];
const MORE: &str = "services/catalog/migrations/0003_more.sql";

fn shop() -> Sandbox {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.db(&[&["up", "--yes"][..], &SHOP].concat()).exits(0);
    sandbox
}

fn write(sandbox: &Sandbox, sql: &str) {
    let _ = sandbox.db(&[&["query", sql, "--write", "--yes"][..], &SHOP].concat()).exits(0);
}

fn value(sandbox: &Sandbox, sql: &str) -> Value {
    let run = sandbox.db(&[&["query", sql, "--json"][..], &SHOP].concat()).exits(0);
    run.json()["rows"][0][0].clone()
}

/// Does something before the question is answered with yes; gives the exit code and what was shown.
fn answered_after(sandbox: &Sandbox, meanwhile: impl Fn()) -> (Option<i32>, String) {
    let mut terminal = Terminal::db(sandbox, &[&["up"][..], &SHOP].concat());
    terminal.shows("Apply 1 migration");
    meanwhile();
    terminal.press("y\r");
    terminal.ends()
}

#[test]
fn a_migration_of_somebody_else_s_comes_first() {
    let sandbox = shop();
    sandbox.write(MORE, "CREATE TABLE more (id INTEGER PRIMARY KEY);\n");
    let (code, shown) = answered_after(&sandbox, || {
        write(&sandbox, "INSERT INTO d1_migrations (name) VALUES ('0009_theirs.sql')");
    });
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("and is 0009_theirs.sql now"), "{shown}");
    assert!(shown.contains("run the same command again"), "{shown}");
    let more = "SELECT count(*) FROM sqlite_master WHERE name = 'more'";
    assert_eq!(value(&sandbox, more), json!(0));
}

#[test]
fn a_table_of_somebody_else_s_keeps_its_rows() {
    let sandbox = shop();
    let rebuild = "CREATE TABLE new_products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,\n\
        price_cents INTEGER NOT NULL, note TEXT);\n\
        INSERT INTO new_products (id, name, price_cents) SELECT id, name, price_cents FROM products;\n\
        DROP TABLE products;\nALTER TABLE new_products RENAME TO products;\n";
    sandbox.write(MORE, rebuild);
    let (code, shown) = answered_after(&sandbox, || {
        write(
            &sandbox,
            "CREATE TABLE late (product INTEGER NOT NULL REFERENCES products (id) ON DELETE CASCADE)",
        );
        write(&sandbox, "INSERT INTO late SELECT min(id) FROM products");
    });
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("made table products anew, and keeps the rows of late"), "{shown}");
    assert_eq!(
        value(&sandbox, "SELECT count(*) FROM late JOIN products ON id = product"),
        json!(1)
    );
}
