//! Migrations with the real program, on the local Cloudflare's D1, and wrangler beside it.

use clodo_tests::{Run, Sandbox, Schema, Wrangler};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

const ACME: [&str; 4] = ["catalog", "--customer", "acme", "--platform=local"];

/// A folder with only a wrangler config, which binds these databases; the local Cloudflare runs.
fn plain(databases: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::empty();
    let mut config = "name = \"shop\"\n".to_owned();
    for (binding, name) in databases {
        config +=
            &format!("[[d1_databases]]\nbinding = \"{binding}\"\ndatabase_name = \"{name}\"\n");
    }
    sandbox.write("wrangler.toml", config);
    // It starts the local Cloudflare with the account that the folder has.
    let _ = sandbox.db(&["status", "--platform=local"]).exits(0);
    sandbox
}

fn up(sandbox: &Sandbox, words: &[&str]) -> Run {
    sandbox.db(&[&["up", "--platform=local", "--yes", "--json"][..], words].concat())
}

/// The first value of a query.
#[track_caller]
fn value(sandbox: &Sandbox, binding: &str, sql: &str) -> Value {
    let words = ["query", sql, "--platform=local", "--binding", binding, "--json"];
    sandbox.db(&words).exits(0).json()["rows"][0][0].clone()
}

#[test]
fn the_storefronts_databases_are_migrated_edited_repaired_and_verified() {
    let schema = Schema::of("clodo-db");
    let sandbox = Sandbox::storefront();
    schema.check("lint", &sandbox.db(&["lint", "--json"]).exits(0).json());
    let dry = sandbox.db(&["up", "--dry-run", "--json"]).exits(0).json();
    schema.check("up", &dry);
    assert_eq!(dry["databases"].as_array().map(Vec::len), Some(4), "{dry:#}");
    assert!(dry["databases"][0]["plan"][0]["sql"].as_str().unwrap().contains("CREATE TABLE"));
    let status = sandbox.db(&["status", "--json", "--exit-code"]).exits(4).json();
    schema.check("status", &status);
    assert_eq!(status["databases"][0]["exists"], false, "a dry run made nothing");

    let done = sandbox.db(&["up", "--json"]).exits(0).json();
    schema.check("up", &done);
    let fates = done["databases"].as_array().unwrap().iter().map(|one| &one["fate"]);
    assert!(fates.clone().all(|fate| fate == "applied"), "{done:#}");
    assert!(done["databases"][0]["bookmark"].is_string());
    let again = sandbox.db(&["up", "--json"]).exits(0).json();
    assert_eq!(
        (&again["outcome"], &again["api_calls"]["writes"]),
        (&json!("nothing_to_do"), &json!(0))
    );
    let _ = sandbox.db(&["status", "--exit-code"]).exits(0);
    let words = ["query", "SELECT count(*) FROM products", "--json"];
    let count = sandbox.db(&[&words[..], &ACME].concat()).exits(0).json();
    schema.check("query", &count);
    assert_eq!(count["rows"][0][0], 3);

    sandbox.edit("services/catalog/migrations/0001_products.sql", "name TEXT", "name  TEXT");
    let refused = sandbox.db(&["up", "--json"]).exits(3).json();
    schema.check("up", &refused);
    assert!(refused["error"]["hint"].as_str().unwrap().contains("`repair`"), "{refused:#}");
    let repaired = sandbox.db(&["repair", "--json"]).exits(0).json();
    schema.check("repair", &repaired);
    assert_eq!(repaired["databases"][0]["mended"][0]["kind"], "edited");
    let _ = sandbox.db(&["status", "--exit-code"]).exits(0);

    schema.check("verify", &sandbox.db(&["verify", "--json"]).exits(0).json());
    let by_hand = ["query", "CREATE INDEX by_hand ON products (price_cents)", "--write", "--yes"];
    let _ = sandbox.db(&[&by_hand[..], &ACME].concat()).exits(0);
    let drift = sandbox.db(&["verify", "--json"]).exits(4).json();
    schema.check("verify", &drift);
    assert_eq!(drift["databases"][0]["drifts"][0]["kind"], "foreign", "{drift:#}");
    let others = drift["databases"].as_array().unwrap()[1..].iter();
    assert!(others.clone().all(|one| one["drifts"] == json!([])), "{drift:#}");
}

#[test]
fn what_clodo_db_migrated_is_migrated_for_clodo_deploy() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.db(&["up", "--customer", "acme"]).exits(0);
    let words = ["deploy", "catalog", "--customer", "acme", "--yes", "--json"];
    let report = sandbox.deploy(&words).exits(0).json();
    let steps = report["steps"].to_string();
    assert!(!steps.contains("0001_products.sql"), "{report:#}");
}

/// `clodo-deploy` takes the same files in the same order, and refuses what `clodo-db` refuses.
#[test]
fn a_deployment_means_the_files_that_the_pattern_means() {
    let sandbox = plain(&[("DB", "ours")]);
    let code = "export default { async fetch(request, env) {\n  const found = await env.DB.prepare(\
                \"SELECT group_concat(n) AS all_of FROM log\").first();\n  return new Response(found.all_of); } };\n";
    sandbox.write("index.js", code);
    sandbox.edit(
        "wrangler.toml",
        "name = \"shop\"\n",
        "name = \"shop\"\nmain = \"index.js\"\ncompatibility_date = \"2026-01-01\"\n",
    );
    sandbox.write("migrations/9_log/migration.sql", "\u{feff}CREATE TABLE log (n);\n");
    sandbox.write("migrations/10_one/migration.sql", "INSERT INTO log VALUES (1);\n");
    let deploy = ["deploy", "--platform", "local", "--yes"];
    let refused = sandbox.deploy(&deploy).exits(3);
    assert!(refused.stderr.contains("9_log/migration.sql"), "{}", refused.stderr);
    let name = "database_name = \"ours\"\n";
    let folder = |folder: &str, pattern: &str| {
        format!("{name}migrations_dir = \"{folder}\"\nmigrations_pattern = \"{pattern}\"\n")
    };
    let nowhere = folder("gone", "gone/*.sql");
    sandbox.edit("wrangler.toml", name, &nowhere);
    let refused = sandbox.deploy(&deploy).exits(2);
    assert!(refused.stderr.contains("gone` of migrations"), "{}", refused.stderr);
    sandbox.edit("wrangler.toml", &nowhere, &folder("migrations", "migrations/*/migration.sql"));
    let _ = sandbox.deploy(&deploy).exits(0);
    let _ = sandbox.db(&["status", "--platform=local", "--exit-code"]).exits(0);
    let names = "SELECT group_concat(name, ' ') FROM (SELECT name FROM d1_migrations ORDER BY id)";
    let expected = "9_log/migration.sql 10_one/migration.sql";
    assert_eq!(value(&sandbox, "DB", names), expected);
}

#[test]
fn a_protected_environment_asks_and_nobody_is_there() {
    let sandbox = Sandbox::storefront();
    let words = ["up", "catalog", "--env", "production", "--customer", "acme", "--json"];
    let unasked = sandbox.db(&words).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let done = sandbox.db(&[&words[..], &["--yes"]].concat()).exits(0).json();
    assert_eq!(done["databases"][0]["applied"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_database_goes_back_to_the_bookmark_that_was_noted() {
    let sandbox = plain(&[("DB", "ours")]);
    sandbox.write("migrations/0001_a.sql", "CREATE TABLE t (x);\nINSERT INTO t VALUES (1);\n");
    let _ = up(&sandbox, &[]).exits(0);
    sandbox.write("migrations/0002_b.sql", "UPDATE t SET x = 2;\n");
    let done = up(&sandbox, &[]).exits(0);
    let bookmark = done.json()["databases"][0]["bookmark"].as_str().unwrap().to_owned();
    assert!(done.stderr.contains(&format!("clodo-db rewind {bookmark}")), "{}", done.stderr);
    assert_eq!(value(&sandbox, "DB", "SELECT x FROM t"), 2);
    let back = ["rewind", &bookmark, "--platform=local", "--yes", "--json"];
    Schema::of("clodo-db").check("rewind", &sandbox.db(&back).exits(0).json());
    assert_eq!(value(&sandbox, "DB", "SELECT x FROM t"), 1);
    let _ = up(&sandbox, &[]).exits(0);
    assert_eq!(value(&sandbox, "DB", "SELECT x FROM t"), 2, "its record went back with it");
}

const FAMILY: &str = "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE);
CREATE INDEX children_by_parent ON children (parent);
INSERT INTO parents VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO children VALUES (1, 1), (2, 1), (3, 2), (4, 3), (5, 3);
";
/// As drizzle writes it.
const REBUILD: &str = "PRAGMA foreign_keys=OFF;
CREATE TABLE __new_parents (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO __new_parents (id, name) SELECT id, name FROM parents;
DROP TABLE parents;
ALTER TABLE __new_parents RENAME TO parents;
PRAGMA foreign_keys=ON;
";

#[test]
fn a_rebuilt_table_keeps_the_children_that_wrangler_loses() {
    let sandbox = plain(&[("DB", "ours"), ("THEIRS", "theirs")]);
    sandbox.write("migrations/0001_family.sql", FAMILY);
    sandbox.write("migrations/0002_name.sql", REBUILD);
    let done = up(&sandbox, &["--binding", "DB"]).exits(0).json();
    let rebuilds = &done["databases"][0]["rebuilds"];
    assert_eq!(*rebuilds, json!([{ "table": "parents", "keeps": ["children"] }]));

    let wrangler = Wrangler::v4_164();
    let project = sandbox.project();
    let created = wrangler.run(&sandbox, &project, &["d1", "create", "theirs"]).exits(0).stdout;
    let is_id = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    let id = created.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).find(is_id);
    let name = "database_name = \"theirs\"\n";
    let id = format!("{name}database_id = \"{}\"\n", id.expect("it prints the id"));
    sandbox.edit("wrangler.toml", name, &id);
    let apply = ["d1", "migrations", "apply", "theirs", "--remote"];
    let _ = wrangler.run(&sandbox, &project, &apply).exits(0);

    let children = "SELECT count(*) FROM children";
    assert_eq!(value(&sandbox, "DB", children), 5);
    assert_eq!(value(&sandbox, "THEIRS", children), 0, "wrangler reports success and loses them");
    for binding in ["DB", "THEIRS"] {
        assert_eq!(value(&sandbox, binding, "SELECT count(*) FROM parents"), 3);
    }
    // Each goes on where the other one stopped.
    sandbox.write("migrations/0003_more.sql", "INSERT INTO parents VALUES (4, 'd');\n");
    let _ = up(&sandbox, &[]).exits(0);
    assert_eq!(value(&sandbox, "THEIRS", "SELECT count(*) FROM d1_migrations"), 3);
    let nothing = wrangler.run(&sandbox, &project, &apply).exits(0);
    assert!(nothing.stdout.contains("No migrations to apply"), "{}", nothing.stdout);
}

/// Drizzle writes a folder for each migration, and wrangler takes a pattern for such.
#[test]
fn files_that_a_pattern_means_are_those_that_wrangler_applies() {
    let sandbox = plain(&[("DB", "ours"), ("THEIRS", "theirs")]);
    sandbox.write("migrations/9_init/migration.sql", "CREATE TABLE log (n);\n");
    sandbox.write("migrations/10_one/migration.sql", "INSERT INTO log VALUES (1);\n");
    sandbox.write("migrations/10_one/snapshot.json", "{}");
    let refused = sandbox.db(&["up", "--platform=local", "--yes"]).exits(3);
    assert!(refused.stderr.contains("9_init/migration.sql"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`migrations_pattern` in the"), "{}", refused.stderr);

    let wrangler = Wrangler::v4_164();
    let project = sandbox.project();
    let created = wrangler.run(&sandbox, &project, &["d1", "create", "theirs"]).exits(0).stdout;
    let is_id = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    let id = created.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).find(is_id);
    let pattern =
        "migrations_dir = \"migrations\"\nmigrations_pattern = \"./migrations/*/migration.sql\"\n";
    let ours = "database_name = \"ours\"\n";
    sandbox.edit("wrangler.toml", ours, &format!("{ours}{pattern}"));
    let theirs = "database_name = \"theirs\"\n";
    let id = format!("{theirs}{pattern}database_id = \"{}\"\n", id.expect("it prints the id"));
    sandbox.edit("wrangler.toml", theirs, &id);
    let apply = ["d1", "migrations", "apply", "theirs", "--remote"];
    let _ = wrangler.run(&sandbox, &project, &apply).exits(0);

    let done = up(&sandbox, &["--binding", "DB"]).exits(0).json();
    assert_eq!(done["databases"][0]["applied"].as_array().map(Vec::len), Some(2), "{done:#}");
    let nothing = up(&sandbox, &[]).exits(0).json();
    assert_eq!(nothing["outcome"], "nothing_to_do");
    let names = "SELECT group_concat(name, ' ') FROM (SELECT name FROM d1_migrations ORDER BY id)";
    for binding in ["DB", "THEIRS"] {
        let expected = "9_init/migration.sql 10_one/migration.sql";
        assert_eq!(value(&sandbox, binding, names), expected, "{binding}");
    }
    // What takes them back lies in folders alike, and a new one is called alike.
    sandbox.write("migrations/down/10_one/migration.sql", "DELETE FROM log WHERE n = 1;\n");
    let down = ["down", "--binding=DB", "--platform=local", "--yes"];
    let _ = sandbox.db(&down).exits(0);
    assert_eq!(value(&sandbox, "DB", "SELECT count(*) FROM log"), 0);
    let new = sandbox.db(&["new", "two", "--binding=DB"]).exits(0).stdout;
    assert!(new.trim().ends_with("migrations/0011_two/migration.sql"), "{new}");

    let (file, all) = (project.join("app.db"), project.join("migrations"));
    let into_file = |files: String| {
        sandbox.db(&["up", &format!("--sqlite={}", file.display()), &files, "--create", "--yes"])
    };
    let _ = into_file(format!("--migrations={}/*/migration.sql", all.display())).exits(0);
    let refused = into_file(format!("--migrations={}", all.display())).exits(3);
    assert!(refused.stderr.contains("migrations/9_init/migration.sql"), "{}", refused.stderr);
}

#[test]
fn a_folder_of_migrations_that_a_config_names_has_to_be_there() {
    let sandbox = plain(&[("DB", "ours")]);
    let name = "database_name = \"ours\"\n";
    sandbox.edit("wrangler.toml", name, &format!("{name}migrations_dir = \"db/migratoins\"\n"));
    for command in ["up", "status"] {
        let refused = sandbox.db(&[command, "--platform=local"]).exits(2);
        let said = "db/migratoins` of migrations";
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let new = sandbox.db(&["new", "first"]).exits(0).stdout;
    assert!(new.trim().ends_with("db/migratoins/0001_first.sql"), "{new}");
    let _ = up(&sandbox, &[]).exits(0);
    let wrong = "migrations_dir = \"db\"\nmigrations_pattern = \"other/*.sql\"\n";
    sandbox.edit("wrangler.toml", "migrations_dir = \"db/migratoins\"\n", wrong);
    let refused = sandbox.db(&["status", "--platform=local"]).exits(2);
    assert!(refused.stderr.contains("does not begin with `db/`"), "{}", refused.stderr);
}

#[test]
fn two_runners_at_once_apply_each_file_once() {
    let sandbox = plain(&[("DB", "ours")]);
    sandbox.write("migrations/0001_log.sql", "CREATE TABLE log (n);\n");
    for n in 2..20 {
        sandbox
            .write(&format!("migrations/{n:04}_n.sql"), format!("INSERT INTO log VALUES ({n});\n"));
    }
    let runner = || {
        let mut command = sandbox.command("clodo-db", &["up", "--platform=local"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [runner(), runner()];
    for one in both {
        let _ = Run::from(one.wait_with_output().unwrap()).exits(0);
    }
    assert_eq!(value(&sandbox, "DB", "SELECT count(*) FROM log"), 18);
    assert_eq!(value(&sandbox, "DB", "SELECT count(DISTINCT n) FROM log"), 18);
}

#[cfg(unix)]
#[test]
fn killed_at_any_moment_the_next_run_goes_on() {
    let sandbox = plain(&[("DB", "whole")]);
    sandbox
        .write("migrations/0001_log.sql", "CREATE TABLE log (n);\nINSERT INTO log VALUES (1);\n");
    for n in 2..5 {
        sandbox
            .write(&format!("migrations/{n:04}_n.sql"), format!("INSERT INTO log SELECT {n};\n"));
    }
    let events = ["up", "--platform=local", "--json=events"];
    let whole = sandbox.db(&events).exits(0);
    let schema = Schema::of("clodo-db");
    let lines = whole.stdout.lines().count();
    for line in whole.stdout.lines().take(lines - 1) {
        schema.check("event", &serde_json::from_str(line).unwrap());
    }
    let mut last = "whole".to_owned();
    for heard in 0..lines {
        let name = format!("d{heard}");
        sandbox.edit("wrangler.toml", &format!("\"{last}\""), &format!("\"{name}\""));
        last = name;
        let mut command = sandbox.command("clodo-db", &events);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(output.take(heard).filter_map(Result::ok).count(), heard);
        Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        let _ = up(&sandbox, &[]).exits(0);
        let rows =
            value(&sandbox, "DB", "SELECT group_concat(n) FROM (SELECT n FROM log ORDER BY n)");
        assert_eq!(rows, "1,2,3,4", "killed after line {heard}");
    }
}

#[test]
fn the_first_database_that_fails_stops_the_others_and_says_who_is_where() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.db(&["up", "catalog"]).exits(0);
    // What no look at the schema can tell.
    let twice = "INSERT INTO products (name, price_cents) VALUES ('New', 1);\n";
    sandbox.write("services/catalog/migrations/0003_new.sql", twice);
    sandbox.write("services/catalog/migrations/0004_again.sql", twice);
    let failed = sandbox.db(&["up", "catalog", "--json"]).exits(5).json();
    Schema::of("clodo-db").check("up", &failed);
    let rows = &failed["databases"];
    assert_eq!((&rows[0]["fate"], &rows[1]["fate"]), (&json!("failed"), &json!("pending")));
    assert_eq!(rows[0]["applied"], json!(["0003_new.sql"]));
    assert_eq!(rows[0]["pending"], json!(["0004_again.sql"]));
    assert_eq!(rows[1]["pending"], json!(["0003_new.sql", "0004_again.sql"]));
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("0004_again.sql"), "{failed:#}");
}

#[test]
fn who_may_not_is_told_so_and_a_platform_that_is_gone_too() {
    let sandbox = plain(&[("DB", "ours")]);
    sandbox.write("migrations/0001_a.sql", "CREATE TABLE t (x);\n");
    let _ = up(&sandbox, &[]).exits(0);
    sandbox.write("migrations/0002_b.sql", "CREATE TABLE u (x);\n");
    let settings = sandbox.settings();
    let cloudflare = |words: &[&str], more: &[(&str, &str)]| -> Run {
        let mut command = sandbox.command("clodo-db", words);
        command.args(["--platform=cloudflare", "--json"]).envs(settings.iter().cloned());
        command.envs(more.iter().copied()).output().unwrap().into()
    };
    let token = sandbox.local(&["token", "ci", "--permission", "D1 Read", "--json"]).exits(0);
    let token = token.json()["token"].as_str().expect("a token").to_owned();
    let reader = ("CLOUDFLARE_API_TOKEN", token.as_str());
    // Statements of any kind need `D1 Edit`.
    let refused = cloudflare(&["up", "--yes"], &[reader]).exits(6).json();
    assert_eq!(refused["error"]["kind"], "not_allowed");
    assert!(refused["error"]["hint"].as_str().unwrap().contains("D1 Edit"), "{refused:#}");
    let wrong = cloudflare(&["status"], &[("CLOUDFLARE_API_TOKEN", "nonsense")]).exits(6);
    assert!(!wrong.stderr.contains("nonsense"), "{}", wrong.stderr);
    let unasked = cloudflare(&["up"], &[]).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let gone = ("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:9/client/v4");
    let gone = cloudflare(&["status"], &[gone]).exits(7);
    assert!(gone.json()["error"]["hint"].is_string(), "{}", gone.stderr);
    let _ = cloudflare(&["up", "--yes"], &[]).exits(0);
}

/// D1 takes tables of 100 columns, expressions 100 deep, and statements of 100,000 bytes.
#[test]
fn a_rebuild_keeps_within_d1s_limits_whatever_refers_to_the_table() {
    let sandbox = plain(&[("DB", "ours")]);
    let columns = |count: usize| (0..count).map(|at| format!(", x{at}")).collect::<String>();
    let child = |name: &str, more: &str| {
        format!(
            "CREATE TABLE {name} (id INTEGER PRIMARY KEY, \
             parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE{more});\n\
             INSERT INTO {name} (id, parent) SELECT id, id FROM parents;\n"
        )
    };
    let mut family = FAMILY.to_owned();
    for count in [14, 60, 97] {
        family += &child(&format!("wide{count}"), &columns(count));
    }
    for at in 0..110 {
        family += &child(&format!("many{at}"), "");
    }
    let note = "it's long ".repeat(9_000);
    family += &child("noted", &format!(", note DEFAULT '{}'", note.replace('\'', "''")));
    sandbox.write("migrations/0001_family.sql", family);
    sandbox.write("migrations/0002_name.sql", REBUILD);
    let done = up(&sandbox, &[]).exits(0).json();
    let keeps = done["databases"][0]["rebuilds"][0]["keeps"].as_array().map(Vec::len);
    assert_eq!(keeps, Some(1 + 3 + 110 + 1), "{done:#}");
    for child in ["wide14", "wide97", "many109", "noted"] {
        assert_eq!(value(&sandbox, "DB", &format!("SELECT count(*) FROM {child}")), 3, "{child}");
    }
}
