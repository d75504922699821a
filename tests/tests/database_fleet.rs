//! The databases of many customers, with the real program on the local Cloudflare's D1.

use clodo_tests::{Run, Sandbox, Schema};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

/// A database each; the canary is neither the first nor the last by name.
const CUSTOMERS: [&str; 7] = ["ann", "bob", "cat", "dan", "eve", "fay", "gus"];

fn fleet() -> Sandbox {
    let sandbox = Sandbox::empty();
    let mut toml = "[portfolio]\nname = \"shop\"\nplatform = \"local\"\n[accounts.main]\n\
                    [environments.development]\n[services.web]\npath = \"web\"\n\
                    [[waves]]\nname = \"friends\"\ncustomers = [\"dan\", \"fay\"]\n"
        .to_owned();
    for customer in CUSTOMERS {
        toml += &format!("[customers.{customer}]\naccount = \"main\"\n");
    }
    sandbox.write("clodo.toml", toml);
    let config = "name = \"web\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n\
                  [[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"web-db\"\n";
    sandbox.write("web/wrangler.toml", config);
    sandbox.write("web/migrations/0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY, n);\n");
    sandbox
}

/// The customers of the rows with this fate.
fn with_fate(report: &Value, fate: &str) -> Vec<String> {
    let rows = report["databases"].as_array().expect("databases").iter();
    let rows = rows.filter(|row| row["fate"] == fate);
    rows.map(|row| row["customer"].as_str().expect("a customer").to_owned()).collect()
}

/// Lines of the event stream: which customer's file began.
fn begun(stdout: &str) -> Vec<String> {
    let events = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let begun = events.filter(|event| event["event"] == "migration_started");
    begun.map(|event| event["customer"].as_str().expect("a customer").to_owned()).collect()
}

#[test]
fn waves_come_in_their_order_and_the_first_of_all_goes_alone() {
    let sandbox = fleet();
    sandbox.write("web/migrations/0002_b.sql", "INSERT INTO a (n) VALUES (1);\n");
    let run = sandbox.db(&["up", "--json=events"]).exits(0);
    let begun = begun(&run.stdout);
    assert_eq!(begun[..2], ["dan", "dan"], "the canary has both files before anybody else");
    assert_eq!(begun[2..4], ["fay", "fay"], "then the rest of its wave");
    assert_eq!(begun.len(), 2 * CUSTOMERS.len());
    let last: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(with_fate(&last, "applied").len(), CUSTOMERS.len(), "{last:#}");
    let again = sandbox.db(&["up", "--json"]).exits(0).json();
    assert_eq!(again["outcome"], "nothing_to_do");
}

#[test]
fn one_that_fails_stops_the_others_and_the_next_run_goes_on_where_they_are() {
    let sandbox = fleet();
    let _ = sandbox.db(&["up"]).exits(0);
    let twice = "INSERT INTO a VALUES (1, 'once'), (2, 'once')";
    let spoil = ["query", twice, "--customer", "cat", "--write", "--yes"];
    let _ = sandbox.db(&spoil).exits(0);
    // No look at a schema can tell that it fails for one of them.
    sandbox.write("web/migrations/0002_one.sql", "CREATE UNIQUE INDEX one ON a (n);\n");
    sandbox.write("web/migrations/0003_two.sql", "ALTER TABLE a ADD COLUMN more;\n");
    let words = ["up", "--json", "--concurrency", "2"];
    let stopped = sandbox.db(&words).exits(5).json();
    Schema::of("clodo-db").check("up", &stopped);
    assert_eq!(with_fate(&stopped, "failed"), ["cat"]);
    let done = with_fate(&stopped, "applied");
    assert!(done.contains(&"dan".to_owned()) && done.contains(&"fay".to_owned()), "{stopped:#}");
    assert!(!with_fate(&stopped, "pending").is_empty(), "not all were reached: {stopped:#}");
    let message = stopped["error"]["message"].as_str().unwrap();
    assert!(message.contains("cat") && message.contains("0002_one.sql"), "{message}");
    // Each database has all of a file or nothing of it.
    for row in stopped["databases"].as_array().unwrap() {
        let count = |key: &str| row[key].as_array().map(Vec::len).unwrap();
        assert_eq!(count("applied") + count("pending"), 2, "{row:#}");
    }

    let mend = ["query", "DELETE FROM a WHERE id = 2", "--customer", "cat", "--write", "--yes"];
    let _ = sandbox.db(&mend).exits(0);
    let rest = sandbox.db(&words).exits(0).json();
    assert_eq!(with_fate(&rest, "failed"), [""; 0]);
    let status = sandbox.db(&["status", "--exit-code", "--json"]).exits(0).json();
    Schema::of("clodo-db").check("status", &status);
    assert_eq!(status["databases"].as_array().map(Vec::len), Some(CUSTOMERS.len()));
}

#[test]
fn who_is_where_is_told_by_file() {
    let sandbox = fleet();
    let _ = sandbox.db(&["up"]).exits(0);
    sandbox.write("web/migrations/0002_b.sql", "CREATE TABLE b (n);\n");
    for customer in ["ann", "bob"] {
        let _ = sandbox.db(&["up", "--customer", customer]).exits(0);
    }
    sandbox.write("web/migrations/0003_c.sql", "CREATE TABLE c (n);\n");
    let status = sandbox.db(&["status", "--exit-code"]).exits(4);
    insta::assert_snapshot!(status.stdout.trim_end(), @"
    web DB: 7 databases, 7 of them there
          7 of 7  0001_a.sql
          2 of 7  0002_b.sql  only web@development/ann DB (web-db-development-ann), web@development/bob DB (web-db-development-bob)
          0 of 7  0003_c.sql
    ");
    let each = sandbox.db(&["status", "--verbose"]).exits(0).stdout;
    assert_eq!(each.matches("pending\n").count(), CUSTOMERS.len(), "{each}");
}

#[cfg(unix)]
#[test]
fn killed_in_the_middle_of_many_the_next_run_goes_on() {
    let sandbox = fleet();
    for n in 2..6 {
        let text = format!("INSERT INTO a (n) VALUES ({n});\n");
        sandbox.write(&format!("web/migrations/{n:04}_n.sql"), text);
    }
    let mut command = sandbox.command("clodo-db", &["up", "--json=events", "--concurrency", "4"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Of 70 lines: the canary is done, and others are under way.
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(output.take(40).filter_map(Result::ok).count(), 40);
    Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap();
    child.wait().unwrap();
    let _ = sandbox.db(&["up", "--json"]).exits(0);
    for customer in CUSTOMERS {
        let sql = "SELECT group_concat(n) FROM (SELECT n FROM a ORDER BY n)";
        let words = ["query", sql, "--customer", customer, "--json"];
        let rows = sandbox.db(&words).exits(0).json();
        assert_eq!(rows["rows"], json!([["2,3,4,5"]]), "{customer}");
    }
}

#[test]
fn many_share_the_limit_of_their_token_and_none_is_refused() {
    let sandbox = fleet();
    let _ = sandbox.db(&["up"]).exits(0);
    for n in 2..8 {
        let text = format!("INSERT INTO a (n) VALUES ({n});\n");
        sandbox.write(&format!("web/migrations/{n:04}_n.sql"), text);
    }
    // Two runs that need 130 calls between them, of which 60 fit into a second.
    let _ = sandbox.local(&["limits", "60/1s"]).exits(0);
    let run = |customers: &[&str]| {
        let mut command = sandbox.command("clodo-db", &["up", "--json"]);
        for customer in customers {
            command.args(["--customer", customer]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [run(&CUSTOMERS[..4]), run(&CUSTOMERS[4..])];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let _ = sandbox.local(&["down"]).exits(0);
    let log = std::fs::read_to_string(sandbox.project().join(".clodo/local/requests.jsonl"));
    let refused = log.unwrap().lines().filter(|line| line.contains("\"status\":429")).count();
    assert_eq!(refused, 0);
}

#[test]
fn services_that_share_a_database_share_its_migrations() {
    let sandbox = Sandbox::empty();
    let mut toml = "[portfolio]\nname = \"two\"\nplatform = \"local\"\n[accounts.main]\n\
                    [environments.development]\n"
        .to_owned();
    for (service, records) in [("one", "d1_migrations"), ("two", "d1_migrations"), ("own", "mine")]
    {
        toml += &format!("[services.{service}]\npath = \"{service}\"\n");
        let folder = if service == "own" { "own" } else { "one" };
        let config = format!(
            "name = \"{service}\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n\
             [[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"shared\"\n\
             migrations_dir = \"../{folder}/migrations\"\nmigrations_table = \"{records}\"\n"
        );
        sandbox.write(&format!("{service}/wrangler.toml"), config);
    }
    sandbox.write("clodo.toml", toml);
    sandbox.write("one/migrations/0001_first.sql", "CREATE TABLE a (n);\n");
    sandbox.write("own/migrations/0001_first.sql", "CREATE TABLE b (n);\n");
    for more in ["", "0002_more.sql", "0003_more.sql"] {
        if !more.is_empty() {
            sandbox.write(&format!("one/migrations/{more}"), "INSERT INTO a VALUES (1);\n");
            sandbox.write(&format!("own/migrations/{more}"), "INSERT INTO b VALUES (1);\n");
        }
        let done = sandbox.db(&["up", "--json"]).exits(0).json();
        Schema::of("clodo-db").check("up", &done);
        let rows = done["databases"].as_array().expect("databases").iter();
        let fates = rows.clone().filter(|row| row["fate"] == "applied").count();
        assert_eq!(fates, 2, "one for each set of files: {done:#}");
        assert!(rows.clone().all(|row| row["pending"] == json!([])), "{done:#}");
    }
    let again = sandbox.db(&["up", "--json"]).exits(0).json();
    assert_eq!(again["outcome"], "nothing_to_do");
    let status = sandbox.db(&["status", "--exit-code"]).exits(0);
    assert!(!status.stdout.contains("edited"), "{}", status.stdout);
}

/// How many calls of the API a run made.
fn calls(run: Run) -> u64 {
    let calls = run.exits(0).json()["api_calls"].clone();
    let count = |what: &str| calls[what].as_u64().expect("a number");
    count("reads") + count("writes")
}

/// A look, a bookmark, and one call for each file; beside that a listing of the databases.
#[test]
fn a_database_costs_a_call_for_each_file_and_two() {
    let sandbox = fleet();
    let _ = sandbox.db(&["up"]).exits(0);
    let idle = calls(sandbox.db(&["up", "--json"]));
    assert_eq!(idle, 1 + CUSTOMERS.len() as u64);
    for n in 2..7 {
        let text = format!("INSERT INTO a (n) VALUES ({n});\n");
        sandbox.write(&format!("web/migrations/{n:04}_n.sql"), text);
    }
    let busy = calls(sandbox.db(&["up", "--json"]));
    assert_eq!(busy, 1 + CUSTOMERS.len() as u64 * (1 + 1 + 5));
}

/// Which version of it gets requests, and what that is.
#[test]
fn a_deployed_worker_costs_two_calls_more() {
    let sandbox = fleet();
    let code = "export default { async fetch(_, env) {\n  \
                await env.DB.prepare(\"SELECT id FROM a\").all(); return new Response(\"ok\"); } };\n";
    sandbox.write("web/index.js", code);
    let _ = sandbox.deploy(&["deploy", "--platform", "local", "--yes"]).exits(0);
    for n in 3..7 {
        let text = format!("ALTER TABLE a ADD COLUMN c{n} DEFAULT {n};\n");
        sandbox.write(&format!("web/migrations/{n:04}_n.sql"), text);
    }
    let allowed = "-- clodo:allow drop-column nobody reads it\nALTER TABLE a DROP COLUMN n;\n";
    sandbox.write("web/migrations/0002_drop.sql", allowed);
    let busy = calls(sandbox.db(&["up", "--json"]));
    // One listing of the databases, one of the Workers; four are asked what reading them costs.
    assert_eq!(busy, 1 + 1 + 4 + CUSTOMERS.len() as u64 * (1 + 1 + 2 + 5));
}

#[test]
fn workers_that_are_not_there_are_not_asked_for_their_code_one_by_one() {
    let sandbox = fleet();
    let _ = sandbox.db(&["up"]).exits(0);
    // Such a column may break an insert that names none.
    sandbox.write("web/migrations/0002_more.sql", "ALTER TABLE a ADD COLUMN more INTEGER;\n");
    let _ = sandbox.local(&["down"]).exits(0);
    let requests = || {
        let log = std::fs::read_to_string(sandbox.project().join(".clodo/local/requests.jsonl"));
        let log = log.unwrap();
        let of = |end: &str| log.lines().filter(|line| line.contains(end)).count();
        (of("/deployments\""), of("/workers/scripts\""))
    };
    let before = requests();
    let _ = sandbox.db(&["up"]).exits(0);
    let _ = sandbox.local(&["down"]).exits(0);
    let after = requests();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
}

#[test]
fn where_no_state_can_be_kept_databases_are_looked_at_all_the_same() {
    let cloud = fleet();
    let _ = cloud.db(&["up"]).exits(0);
    let reader = Sandbox::empty();
    for file in ["clodo.toml", "web/wrangler.toml", "web/migrations/0001_a.sql"] {
        reader.write(file, std::fs::read(cloud.project().join(file)).unwrap());
    }
    // The folder of the state cannot be made where a file is.
    reader.write(".clodo", "");
    let mut command = reader.command("clodo-db", &["status", "--platform=cloudflare", "--json"]);
    let looked: Run = command.envs(cloud.settings()).output().unwrap().into();
    let looked = looked.exits(0);
    assert!(looked.stderr.contains("do not know of this run's calls"), "{}", looked.stderr);
    let rows = looked.json()["databases"].as_array().cloned().unwrap();
    assert_eq!(rows.iter().filter(|row| row["exists"] == true).count(), CUSTOMERS.len());
}
