//! What a deployment does to a database: rows stay, and what would lose some is refused before
//! anything is written.

use clodo_tests::{Request, Run, Sandbox};
use serde_json::{Value, json};

const CONFIG: &str = "name = \"shop\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n\
    [[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"shop\"\n";
const FIRST: &str = "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);\n\
    CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER REFERENCES author ON DELETE CASCADE);\n\
    INSERT INTO author VALUES (1, 'Ada');\nINSERT INTO book VALUES (1, 1), (2, 1);\n";
const REBUILD: &str = "PRAGMA foreign_keys=OFF;\n\
    CREATE TABLE new_author (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n\
    INSERT INTO new_author SELECT id, name FROM author;\nDROP TABLE author;\n\
    ALTER TABLE new_author RENAME TO author;\nPRAGMA foreign_keys=ON;\n";

/// A Worker with a database, deployed once.
fn shop() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("wrangler.toml", CONFIG);
    sandbox.write("index.js", "export default { fetch: () => new Response(\"a shop\") };\n");
    sandbox.write("migrations/0001_first.sql", FIRST);
    assert_eq!(deploy(&sandbox).exits(0).json()["outcome"], "done");
    sandbox
}

fn deploy(sandbox: &Sandbox) -> Run {
    sandbox.deploy(&["deploy", "--platform", "local", "--yes", "--json"])
}

/// The first value of the first row that the only database gives.
fn ask(sandbox: &Sandbox, sql: &str) -> Value {
    let settings = sandbox.settings();
    let setting = |name: &str| &settings.iter().find(|(known, _)| known == name).expect(name).1;
    let (base, account) = (setting("CLOUDFLARE_API_BASE_URL"), setting("CLOUDFLARE_ACCOUNT_ID"));
    let databases = format!("{base}/accounts/{account}/d1/database");
    let bearer = format!("authorization: Bearer {}", setting("CLOUDFLARE_API_TOKEN"));
    let headers = [bearer.as_str(), "content-type: application/json"];
    let list = Request { method: "GET", url: &databases, headers: &headers, body: "" };
    let list = list.send().expect("the cloud answers").json();
    let id = list["result"][0]["uuid"].as_str().expect("a database").to_owned();
    let (url, body) = (format!("{databases}/{id}/raw"), json!({ "sql": sql }).to_string());
    let query = Request { method: "POST", url: &url, headers: &headers, body: &body };
    let answer = query.send().expect("the cloud answers").json();
    answer["result"][0]["results"]["rows"][0][0].clone()
}

#[test]
fn a_table_that_is_made_anew_keeps_the_rows_that_refer_to_it() {
    let sandbox = shop();
    sandbox.write("migrations/0002_names.sql", REBUILD);
    assert_eq!(deploy(&sandbox).exits(0).json()["outcome"], "done");
    assert_eq!(
        ask(&sandbox, "SELECT count(*) FROM book JOIN author ON author.id = book.author"),
        2
    );
    let sql = "SELECT sql FROM sqlite_master WHERE name = 'author'";
    assert!(ask(&sandbox, sql).as_str().is_some_and(|sql| sql.contains("NOT NULL")));
    assert_eq!(deploy(&sandbox).exits(0).json()["outcome"], "nothing_to_do");
}

#[test]
fn what_loses_rows_or_does_not_fit_is_refused_before_anything_is_written() {
    let sandbox = shop();
    let version = || {
        let status = sandbox.deploy(&["status", "--platform", "local", "--json"]);
        status.exits(0).json()["targets"][0]["version_id"].clone()
    };
    let before = version();
    sandbox.write("index.js", "export default { fetch: () => new Response(\"another\") };\n");
    for (sql, rule, line) in [
        ("SELECT 1;\nDROP TABLE book;", "drop-table", 2),
        ("DROP TABLE author;", "drop-referenced", 1),
        ("ALTER TABLE book ADD COLUMN x;\nALTER TABLE book ADD COLUMN x;", "migration-fails", 2),
        ("CREATE TABLE x (y);\n\nINSERT INTO z VALUES (1);", "migration-fails", 3),
        ("DELETE FROM author WHERE id = 1;", "delete-cascades", 1),
    ] {
        sandbox.write("migrations/0002_next.sql", sql);
        let refused = deploy(&sandbox).exits(3).json();
        let finding = &refused["findings"][0];
        assert_eq!(finding["rule"], rule, "{refused:#}");
        assert_eq!(finding["at"]["line"], line, "{refused:#}");
        assert_eq!(ask(&sandbox, "SELECT count(*) FROM book"), 2);
    }
    assert!(before.is_string());
    assert_eq!(version(), before);
    let meant = "-- clodo:allow delete-cascades Ada asked for it\nDELETE FROM author WHERE id = 1;";
    sandbox.write("migrations/0002_next.sql", meant);
    assert_eq!(deploy(&sandbox).exits(0).json()["outcome"], "done");
    assert_eq!(ask(&sandbox, "SELECT count(*) FROM book"), 0);
}
