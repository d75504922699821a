//! Migrations taken back by their files, and databases by a moment.

use crate::{stocked, value, words, write};
use clodo_tests::Schema;
use serde_json::json;

const DOWN: &str = "-- clodo:allow drop-table they came with the migration\nDROP TABLE odd;
-- clodo:allow drop-table they came with the migration\nDROP TABLE words;
-- clodo:allow drop-table they came with the migration\nDROP TABLE long;\n";

#[test]
fn a_migration_is_taken_back_as_its_file_says_and_applied_again() {
    let schema = Schema::of("clodo-db");
    let sandbox = stocked();
    // Nobody wrote how: the hint names the moment before it was applied.
    let refused = sandbox.db(&words("down", &["--yes", "--json"])).exits(3).json();
    schema.check("down", &refused);
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("down/0003_odd.sql") && hint.contains("clodo-db rewind 20"), "{hint}");

    let file = "services/catalog/migrations/down/0003_odd.sql";
    sandbox.write(file, "DROP TABLE odd; DROP TABLE words; DROP TABLE long;");
    let careless = sandbox.db(&words("down", &["--yes", "--json"])).exits(3).json();
    assert_eq!(careless["error"]["kind"], "refused", "{careless:#}");
    sandbox.write(file, DOWN);
    let dry = sandbox.db(&words("down", &["--dry-run", "--json"])).exits(0).json();
    schema.check("down", &dry);
    let sql = dry["databases"][0]["plan"][0]["sql"].as_str().unwrap();
    assert!(
        sql.contains("DELETE FROM \"d1_migrations\"") && sql.contains("DROP TABLE odd"),
        "{sql}"
    );
    let unasked = sandbox.db(&words("down", &[])).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM odd"), 3, "nothing was written");

    let done = sandbox.db(&words("down", &["--yes", "--json"])).exits(0);
    schema.check("down", &done.json());
    assert_eq!(done.json()["databases"][0]["reverted"], json!(["0003_odd.sql"]));
    assert_eq!(value(&sandbox, "SELECT count(*) FROM sqlite_master WHERE name = 'odd'"), 0);
    let status = sandbox.db(&words("status", &["--json"])).exits(0).json();
    assert_eq!((&status["pending"], &status["problems"]), (&json!(1), &json!(0)));
    // wrangler's folder is what it was: a file in `down` is no migration.
    let _ = sandbox.db(&words("lint", &[]).into_iter().take(2).collect::<Vec<_>>()).exits(0);
    let none = sandbox.db(&words("down", &["--to", "0002_first_products.sql", "--json"])).exits(0);
    assert_eq!(none.json()["outcome"], "nothing_to_do");
    let bookmark = done.json()["databases"][0]["bookmark"].as_str().unwrap().to_owned();
    let _ = sandbox.db(&words("rewind", &[&bookmark, "--yes"])).exits(0);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM odd"), 3);
    let _ = sandbox.db(&words("down", &["--yes"])).exits(0);
    let _ = sandbox.db(&words("up", &["--yes"])).exits(0);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM odd"), 3);
}

#[cfg(unix)]
#[test]
fn a_reversal_that_is_killed_anywhere_happened_or_did_not() {
    let sandbox = stocked();
    sandbox.write("services/catalog/migrations/down/0003_odd.sql", DOWN);
    for at in 1..3 {
        let _ = sandbox.kill_db(&words("down", &["--yes"]), at);
        let status = sandbox.db(&words("status", &["--json"])).exits(0).json();
        let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('odd', 'words', 'long')";
        let left = if status["pending"] == 1 { 0 } else { 3 };
        assert_eq!(value(&sandbox, tables), left, "killed after line {at}");
        let _ = sandbox.db(&words("up", &["--yes"])).exits(0);
    }
}

#[test]
fn a_database_goes_back_to_a_moment() {
    let sandbox = stocked();
    let moment = jiff::Timestamp::now().to_string();
    write(&sandbox, "DELETE FROM odd");
    let done = sandbox.db(&words("rewind", &[&moment, "--yes", "--json"])).exits(0).json();
    Schema::of("clodo-db").check("rewind", &done);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM odd"), 3);
    let early = sandbox.db(&words("rewind", &["2001-01-01T00:00:00Z", "--yes"])).exits(1);
    assert!(early.stderr.contains("before the database was created"), "{}", early.stderr);
}
