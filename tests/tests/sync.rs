//! Fleets and rows between environments with the real program, on the local Cloudflare's D1 and on files.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_sqlite::rusqlite::Connection;
use clodo_tests::{Run, Sandbox, Schema};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

const PEOPLE: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT,
  big INTEGER, mail_length INTEGER AS (length(email)) STORED);
CREATE TABLE visits (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES people (id), at TEXT);
CREATE TABLE sessions (token TEXT, person INTEGER REFERENCES people (id));
CREATE VIRTUAL TABLE names USING fts5 (name, content='people', content_rowid='id');
";
const ROWS: &str = "INSERT INTO people (id, email, name, big) VALUES (1, 'ann@corp.test', 'Ann Lee', 9223372036854775807), (2, 'bob@corp.test', 'Bob Ray', NULL);
INSERT INTO visits VALUES (1, 1, '2026-01-01'), (2, 2, '2026-01-02'), (3, 1, '2026-01-03');
INSERT INTO sessions VALUES ('secret token', 1);
INSERT INTO names (names) VALUES ('rebuild');";
const MASKS: &str = "[tables.people]
id = \"hash\"
email = \"fake email\"
name = \"fake name\"
big = \"keep\"

[tables.visits]
id = \"keep\"
at = \"keep\"

[tables.products]
id = \"keep\"
name = \"keep\"
price_cents = \"keep\"

[tables]
sessions = \"drop-rows\"
";
const ACME: [&str; 3] = ["catalog", "--customer", "acme"];

fn schema() -> Schema {
    Schema::of("clodo-db")
}

/// The storefront with people in the production of acme's catalog.
fn stocked() -> Sandbox {
    let sandbox = Sandbox::storefront();
    sandbox.write("services/catalog/migrations/0003_people.sql", PEOPLE);
    sandbox.write("services/catalog/masks.toml", MASKS);
    sandbox.write("key.txt", "a key that nobody guesses\n");
    let envs = ["--env", "development", "--env", "staging", "--env", "production"];
    let _ = sandbox.db(&[&["up", "--yes"][..], &ACME, &envs].concat()).exits(0);
    write(&sandbox, "production", ROWS);
    sandbox
}

fn write(sandbox: &Sandbox, environment: &str, sql: &str) {
    let words = [&["shell", "--write", "--yes", "--env", environment][..], &ACME].concat();
    let mut command = sandbox.command("clodo-db", &words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let _ = Run::from(child.wait_with_output().unwrap()).exits(0);
}

/// The first row of a query.
#[track_caller]
fn row(sandbox: &Sandbox, environment: &str, sql: &str) -> Value {
    let words = [&["query", sql, "--json", "--env", environment][..], &ACME].concat();
    sandbox.db(&words).exits(0).json()["rows"][0].clone()
}

fn key(sandbox: &Sandbox) -> String {
    sandbox.project().join("key.txt").display().to_string()
}

fn sync(sandbox: &Sandbox, from: &str, to: &str, more: &[&str]) -> Run {
    let words = ["sync", "data", "--from", from, "--to", to];
    let is_file = |end: &str| end.contains('.');
    let which: &[&str] = if is_file(from) && is_file(to) { &[] } else { &ACME };
    sandbox.db(&[&words[..], which, more].concat())
}

/// With what changes from run to run made the same.
fn steady(sandbox: &Sandbox, text: &str) -> String {
    let text = text.replace(&sandbox.project().display().to_string(), "PROJECT");
    let number =
        regex::Regex::new(r"-\d{15}\.sql|[0-9a-f]{8}(-[0-9a-f]{8}){2}-[0-9a-f]{32}").unwrap();
    number.replace_all(&text, "-N.sql").into_owned()
}

#[test]
fn a_fleet_is_shown_as_who_is_alike_and_what_comes_next() {
    let sandbox = Sandbox::storefront();
    let envs = ["--env", "development", "--env", "staging"];
    let of = |words: &[&str], code: i32| {
        sandbox.db(&[&["sync", "schema"][..], words, &envs].concat()).exits(code)
    };
    let _ = sandbox.db(&[&["up", "--yes"][..], &envs].concat()).exits(0);
    let alike = of(&["--json"], 0).json();
    schema().check("sync_schema", &alike);
    assert_eq!(alike["outcome"], "done");
    assert_eq!(alike["kinds"][0]["groups"][0]["databases"].as_array().map(Vec::len), Some(4));

    let acme = ["catalog", "--customer", "acme", "--write", "--yes"];
    let stray = ["query", "CREATE INDEX stray ON products (price_cents)"];
    let _ = sandbox.db(&[&stray[..], &acme].concat()).exits(0);
    sandbox.write("services/catalog/migrations/0003_people.sql", PEOPLE);
    let _ = sandbox.db(&["up", "catalog", "--customer", "globex", "--yes"]).exits(0);
    let found = of(&["catalog", "--env", "production", "--json"], 4).json();
    schema().check("sync_schema", &found);
    let causes: Vec<&Value> = found["kinds"][0]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| &group["databases"][0]["cause"])
        .collect();
    assert_eq!(causes, [&Value::Null, &json!("pending"), &json!("drift"), &json!("missing")]);
    let fleet = of(&["catalog", "--env", "production", "-v"], 4);
    let twins = sandbox.db(&["sync", "schema", "catalog", "--from", "live@staging"]).exits(4);
    insta::assert_snapshot!(steady(&sandbox, &format!("{}----\n{}", fleet.stdout, twins.stdout)));
    // The command that is named is the one that helps.
    let next = found["kinds"][0]["groups"][1]["databases"][0]["next"].as_str().unwrap();
    let words: Vec<&str> = next.strip_prefix("clodo-db ").unwrap().split(' ').collect();
    let _ = sandbox.db(&[&words[..], &["--yes"]].concat()).exits(0);
    let _ = sandbox
        .db(&["sync", "schema", "catalog", "--env", "staging", "--customer", "acme"])
        .exits(0);

    for (words, why) in [
        (&["--from", "nonsense"][..], "live@production"),
        (&["--from", "live@nowhere"], "nowhere"),
        (&["--from", "live@production"], "no such database"),
    ] {
        let refused = sandbox.db(&[&["sync", "schema", "--json"], words].concat()).exits(2);
        assert!(refused.stdout.contains(why), "{}", refused.stdout);
    }
}

#[test]
fn production_comes_out_through_masks_only_and_fits_what_it_goes_into() {
    let sandbox = stocked();
    let key = key(&sandbox);
    let with_key = ["--key-file", key.as_str()];
    let plan = sync(&sandbox, "production", "staging", &["--dry-run", "--replace"]).exits(0);
    insta::assert_snapshot!(steady(&sandbox, &(plan.stdout + &plan.stderr)));
    let planned = sync(&sandbox, "production", "staging", &["--dry-run", "--json"]).exits(3).json();
    schema().check("sync_data", &planned);
    assert_eq!(planned["error"]["kind"], "not_empty", "{planned:#}");
    assert_eq!(planned["databases"][0]["tables"].as_array().map(Vec::len), Some(4));

    // What staging has of its own stays.
    write(
        &sandbox,
        "staging",
        "CREATE TABLE own (x); INSERT INTO own VALUES (7); INSERT INTO people (id, email) VALUES (9, 'old');",
    );
    let all = [&["--replace", "--yes", "--json"][..], &with_key].concat();
    let done = sync(&sandbox, "production", "staging", &all).exits(0).json();
    schema().check("sync_data", &done);
    assert!(done["databases"][0]["saved"]["path"].is_string(), "{done:#}");
    let joined =
        "SELECT count(*), count(DISTINCT email), max(CAST(big AS TEXT)), sum(p.id NOT IN (1, 2)),
        sum(email LIKE '%@example.com'), (SELECT count(*) FROM sessions), (SELECT x FROM own),
        (SELECT count(*) FROM d1_migrations), sum(mail_length = length(email))
        FROM people p JOIN visits v ON v.person = p.id";
    let want = json!([3, 2, "9223372036854775807", 3, 3, 0, 7, 3, 3]);
    assert_eq!(row(&sandbox, "staging", joined), want);
    let found =
        "SELECT count(*), (SELECT count(*) FROM names('ann OR lee OR bob')) FROM people WHERE id IN
        (SELECT rowid FROM names)";
    assert_eq!(row(&sandbox, "staging", found), json!([2, 0]), "the index has the new names");
    let same = "SELECT group_concat(email) FROM (SELECT email FROM people ORDER BY email)";
    let first = row(&sandbox, "staging", same);
    let _ = sync(&sandbox, "production", "development", &all).exits(0);
    assert_eq!(row(&sandbox, "development", same), first, "the same key makes the same");
    let _ = sandbox.db(&[&["verify", "--env", "development"][..], &ACME].concat()).exits(0);
    let left = sandbox.project().join(".clodo/backups/local/main");
    let synced = std::fs::read_dir(left).unwrap().map(|one| one.unwrap().path().join("sync"));
    let synced: usize =
        synced.filter_map(|one| std::fs::read_dir(one).ok()).map(Iterator::count).sum();
    assert_eq!(synced, 0, "what was put together is gone");

    // And back to what it was.
    let kept = done["databases"][0]["saved"]["name"].as_str().unwrap().to_owned();
    let back = ["restore", &kept, "--over", "--yes", "--env", "staging"];
    let _ = sandbox.db(&[&back[..], &ACME].concat()).exits(0);
    assert_eq!(row(&sandbox, "staging", "SELECT email FROM people"), json!(["old"]));
}

#[test]
fn who_may_not_is_refused_before_anything_is_written() {
    let sandbox = stocked();
    let key = key(&sandbox);
    let count = "SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM products)";
    let refused = |from: &str, to: &str, more: &[&str], code: i32| {
        let run = sync(&sandbox, from, to, &[more, &["--json"]].concat()).exits(code);
        let document = run.json();
        let name = if document.get("databases").is_some() { "sync_data" } else { "failure" };
        schema().check(name, &document);
        assert!(document["error"]["hint"].is_string(), "{document:#}");
        document["error"].clone()
    };
    let kind = |error: &Value| error["kind"].as_str().unwrap().to_owned();
    let into = ["--replace", "--yes"];
    assert_eq!(kind(&refused("staging", "production", &into, 3)), "protected");
    assert_eq!(
        kind(&refused("staging", "production", &["--replace", "--into-protected"], 3)),
        "protected"
    );
    sandbox.edit("clodo.toml", "protection = \"confirm\"", "protection = \"approve\"");
    let approved = ["--replace", "--yes", "--into-protected"];
    assert_eq!(kind(&refused("staging", "production", &approved, 3)), "wants_approval");
    sandbox.edit("clodo.toml", "protection = \"approve\"", "protection = \"confirm\"");
    refused("staging", "staging", &into, 2);
    refused("staging", "nowhere", &into, 2);
    refused("gone.db", "staging", &into, 2);
    refused("production", "staging", &into, 2);
    refused("production", "staging", &["--yes", "--key-file", &key], 3);
    let short = ["--replace", "--yes", "--key-env", "HOME_OF_NOBODY"];
    refused("production", "staging", &short, 2);
    refused("staging", "development", &["--table", "peopel", "--replace", "--yes"], 2);
    refused("staging", "development", &["--table", "d1_migrations", "--replace", "--yes"], 2);

    // A column that came since has no rule: it does not slip through.
    sandbox.edit("services/catalog/masks.toml", "name = \"fake name\"\n", "");
    let no_rule = refused("production", "staging", &into, 3);
    assert!(
        no_rule["message"].as_str().unwrap().ends_with("becomes of people.name"),
        "{no_rule:#}"
    );
    // What would not fit is tried elsewhere first.
    sandbox.write("services/catalog/masks.toml", MASKS.replace("fake email", "null"));
    let all = ["--replace", "--yes", "--key-file", &key];
    let unfit = refused("production", "staging", &all, 3);
    assert_eq!(unfit["kind"], "does_not_fit", "{unfit:#}");
    assert!(unfit["message"].as_str().unwrap().contains("people.email"), "{unfit:#}");
    // Tables that are not alike.
    sandbox.write("services/catalog/masks.toml", MASKS);
    write(&sandbox, "development", "ALTER TABLE people ADD COLUMN more TEXT;");
    let other = refused("staging", "development", &into, 3);
    assert_eq!(other["kind"], "schemas_differ", "{other:#}");
    assert!(
        other["hint"]
            .as_str()
            .unwrap()
            .contains("clodo-db diff live@staging live@development catalog")
    );
    assert_eq!(row(&sandbox, "staging", count), json!([0, 3]), "nothing was written");
    assert_eq!(row(&sandbox, "production", count), json!([2, 3]), "nothing was written");
}

#[test]
fn each_mistake_in_a_file_of_rules_is_said_with_its_place() {
    let sandbox = Sandbox::empty();
    let project = sandbox.project();
    let from = project.join("from.db").display().to_string();
    let to = project.join("to.db").display().to_string();
    Connection::open(&from).unwrap().execute_batch(PEOPLE).unwrap();
    let mut text = String::new();
    for mistaken in [
        "[tables.people\nid = 1",
        "[tabels.people]\nid = \"keep\"",
        "tables = 1",
        "[tables]\npeople = \"drop\"",
        "[tables.people]\nid = \"kept\"\nemail = \"drop-rows\"\nname = { constant = [] }\nbig = 7",
        "[tables.people]\nid = \"keep\"\nID = \"hash\"\n[tables.People]\n",
        "[tables.people]\nemail = \"keep\"\nemail = \"hash\"",
        "[tables.peopel]\nid = \"keep\"\n[tables.people]\nemial = \"hash\"\nmail_length = \"null\"",
        "[tables]\nnames = \"drop-rows\"",
        "[tables.people]\nid = \"hash\"\n[tables.visits]\nperson = \"keep\"",
    ] {
        sandbox.write("rules.toml", mistaken);
        let rules = project.join("rules.toml").display().to_string();
        let words = ["sync", "data", "--from", &from, "--to", &to, "--mask", &rules];
        let refused = sandbox.db(&words).exits(2);
        text += &format!("{mistaken}\n----\n{}====\n", steady(&sandbox, &refused.stderr));
        let json = sandbox.db(&[&words[..], &["--json"]].concat()).exits(2).json();
        assert!(json["error"]["at"]["line"].is_u64(), "{json:#}");
    }
    insta::assert_snapshot!(text);
    sandbox.write("rules.toml", [0xff, 0xfe]);
    let rules = project.join("rules.toml").display().to_string();
    let _ = sandbox.db(&["sync", "data", "--from", &from, "--to", &to, "--mask", &rules]).exits(2);
    assert!(!Path::new(&to).exists());
}

fn file(path: &Path, sql: &str) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    db
}

/// Nothing of who the people were is left, in the rows or anywhere in the file.
#[track_caller]
fn assert_masked(emails: &[String], file: &Path) {
    let masked = emails.iter().all(|email| email.ends_with("@example.com"));
    assert!(emails.len() == 2 && masked, "{emails:?}");
    let bytes = std::fs::read(file).unwrap();
    for original in ["ann@corp", "Ann Lee", "secret token"] {
        let is_there = bytes.windows(original.len()).any(|some| some == original.as_bytes());
        assert!(!is_there, "{original} is in the file");
    }
}

#[test]
fn files_get_rows_as_a_whole_and_what_they_held_is_kept() {
    let sandbox = stocked();
    let key = key(&sandbox);
    let masked = ["--key-file", key.as_str(), "--yes"];
    let path = |name: &str| -> PathBuf { sandbox.project().join(name) };
    let (copy, other) = (path("copy.db"), path("other.db"));
    let (copy_name, other_name) = (copy.display().to_string(), other.display().to_string());
    let _ = sync(&sandbox, "production", &copy_name, &masked).exits(0);
    let db = Connection::open(&copy).unwrap();
    let people = |db: &Connection| -> Vec<String> {
        let mut all = db.prepare("SELECT email FROM people ORDER BY 1").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let made = people(&db);
    drop(db);
    assert_masked(&made, &copy);
    // From a file, with rows that JSON does not carry, into D1 and into a file that is in use.
    let db = file(
        &other,
        &format!(
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; {PEOPLE} CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price_cents INTEGER NOT NULL CHECK (price_cents > 0)); INSERT INTO people (id, email) VALUES (5, 'five');"
        ),
    );
    let refused = sync(&sandbox, &copy_name, &other_name, &["--json"]).exits(3).json();
    assert_eq!(refused["error"]["kind"], "not_empty");
    let done =
        sync(&sandbox, &copy_name, &other_name, &["--replace", "--yes", "--json"]).exits(0).json();
    schema().check("sync_data", &done);
    assert_eq!(people(&db), made, "who has it open sees the new rows");
    let saved = done["databases"][0]["saved"]["name"].as_str().unwrap().to_owned();
    let back = ["restore", &saved, "--sqlite", &other_name, "--over", "--yes"];
    let _ = sandbox.db(&back).exits(0);
    assert_eq!(people(&db), ["five"]);
    db.execute_batch("UPDATE people SET name = CAST(x'ff00' AS TEXT), big = 9007199254740993; INSERT INTO sessions VALUES (x'00ff', NULL)").unwrap();
    let tables = ["--table", "PEOPLE", "--table", "sessions", "--replace", "--yes"];
    let _ = sync(&sandbox, &other_name, "development", &tables).exits(0);
    let exact = "SELECT hex(name), big || '', (SELECT typeof(token) || hex(token) FROM sessions), (SELECT count(*) FROM products) FROM people";
    assert_eq!(
        row(&sandbox, "development", exact),
        json!(["FF00", "9007199254740993", "blob00FF", 3])
    );
    // Rows that others refer to cannot go alone.
    write(&sandbox, "development", "INSERT INTO visits VALUES (1, 5, 'now');");
    db.execute_batch("PRAGMA foreign_keys = OFF; UPDATE people SET id = 6;").unwrap();
    let dangling = sync(&sandbox, &other_name, "development", &tables).exits(3);
    assert!(
        dangling.stderr.contains("1 row of visits refers to rows of people"),
        "{}",
        dangling.stderr
    );
    // An empty source is one, and no tables are none.
    db.execute_batch("DELETE FROM people; DELETE FROM sessions;").unwrap();
    write(&sandbox, "development", "DELETE FROM visits;");
    let _ = sync(&sandbox, &other_name, "development", &tables).exits(0);
    assert_eq!(row(&sandbox, "development", "SELECT count(*) FROM people"), json!([0]));
    let nothing = path("nothing.db");
    file(&nothing, "VACUUM;");
    let _ = sync(&sandbox, &nothing.display().to_string(), "development", &["--replace", "--yes"])
        .exits(3);
}

#[test]
fn a_key_comes_from_the_input_and_is_said_nowhere() {
    let sandbox = stocked();
    let words = ["sync", "data", "--from", "production", "--to", "staging", "--replace", "--yes"];
    let words = [&words[..], &ACME, &["--key-file", "-", "--json", "-vv"]].concat();
    let run = |key: &str| -> Run {
        let mut command = sandbox.command("clodo-db", &words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    };
    let short = run("hunter2\n").exits(2);
    assert!(short.stdout.contains("at least 16 bytes"), "{}", short.stdout);
    let done = run("correct horse battery\n").exits(0);
    for secret in ["hunter2", "correct horse"] {
        for text in [&short.stdout, &short.stderr, &done.stdout, &done.stderr] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
