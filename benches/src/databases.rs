//! Migrations of one database and of a thousand.

use crate::{
    measure::{median, millis, timed},
    table::Table,
};
use clodo_tests::{Run, Sandbox, Wrangler};
use serde_json::Value;
use std::{
    fmt::Write as _,
    process::Command,
    time::{Duration, Instant},
};

/// How many small files one database gets.
const FILES: usize = 500;
/// How many wrangler gets, the first and the second time.
const FEW: (usize, usize) = (10, 30);
const TENANTS: usize = 1_000;
const TENANT_FILES: usize = 5;
/// Cloudflare's limit is 1,200 calls in 300 s; this one lets through as many at once, and twenty times
/// as many in the same time.
const LIMIT: &str = "1200/15s";
const UP: [&str; 5] = ["up", "--platform", "local", "--yes", "--json"];

pub(crate) fn run(table: &mut Table) {
    five_hundred(table);
    tenants(table);
}

/// One Worker with a database and so many migrations, each a table or a column.
fn project(sandbox: &Sandbox, files: usize) {
    sandbox.write(
        "web/wrangler.jsonc",
        "{ \"name\": \"web\", \"main\": \"index.js\", \"compatibility_date\": \"2026-04-01\",\n  \
         \"d1_databases\": [{ \"binding\": \"DB\", \"database_name\": \"web-db\", \
         \"database_id\": \"00000000-0000-4000-8000-000000000001\" }] }\n",
    );
    sandbox.write("web/index.js", "export default { fetch: () => new Response(\"web\") };\n");
    for number in 1..=files {
        let text = match number % 5 {
            1 => format!("CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"),
            2 => format!("ALTER TABLE t{} ADD COLUMN price INTEGER;\n", number - 1),
            3 => format!("CREATE INDEX t{number}_name ON t{} (name);\n", number - 2),
            4 => format!("INSERT INTO t{} (name, price) VALUES ('a', 1), ('b', 2);\n", number - 3),
            _ => format!("UPDATE t{} SET price = price + 1 WHERE name = 'a';\n", number - 4),
        };
        sandbox.write(&format!("web/migrations/{number:04}_step.sql"), text);
    }
}

fn portfolio(sandbox: &Sandbox, customers: usize) {
    let mut toml = "[portfolio]\nname = \"shop\"\nplatform = \"local\"\n[accounts.main]\n\
                    [environments.development]\n[services.web]\npath = \"web\"\n"
        .to_owned();
    for number in 0..customers {
        let _ = writeln!(toml, "[customers.c{number}]\naccount = \"main\"");
    }
    sandbox.write("clodo.toml", toml);
}

fn up(sandbox: &Sandbox) -> (Value, Duration) {
    let mut command = sandbox.command("clodo-db", &UP);
    let began = Instant::now();
    let output = command.output().expect("clodo-db starts");
    let took = began.elapsed();
    (Run::from(output).exits(0).json(), took)
}

/// The same kind of files into a database that lies on this machine: by wrangler into its own local
/// folder, by us on the local Cloudflare. wrangler starts a workerd for each file and would need
/// many minutes; what each further file costs it is measured, and its start left out.
fn five_hundred(table: &mut Table) {
    let each = (by_wrangler(FEW.1).saturating_sub(by_wrangler(FEW.0)))
        / u32::try_from(FEW.1 - FEW.0).expect("few");
    let theirs = each * u32::try_from(FILES).expect("few");
    let (mut times, mut calls) = (Vec::new(), 0);
    for _ in 0..3 {
        let sandbox = Sandbox::empty();
        project(&sandbox, FILES);
        portfolio(&sandbox, 0);
        let _ = sandbox.local(&["up", "--detach"]).exits(0);
        let (report, ours) = up(&sandbox);
        let applied = report["databases"][0]["applied"].as_array().map(Vec::len);
        assert_eq!(applied, Some(FILES), "{report}");
        calls = made(&report);
        times.push(ours);
    }
    let ours = median(&mut times);
    let ratio = theirs.div_duration_f64(ours);
    let what = format!("{FILES} small migrations against `wrangler d1 migrations apply --local`");
    let measured = format!(
        "{ratio:.0} x ({} ms; wrangler takes {} ms for each further file)",
        millis(ours),
        millis(each)
    );
    table.row(&what, ">= 10 x", measured, ratio >= 10.0);
    let most = FILES as u64 + 10;
    table.row("… API calls", "<= 1 each, and 10", calls.to_string(), calls <= most);
}

fn by_wrangler(files: usize) -> Duration {
    let sandbox = Sandbox::empty();
    project(&sandbox, files);
    let words = ["d1", "migrations", "apply", "DB", "--local"];
    let mut command: Command = Wrangler::v4_164().offline(&sandbox, &words);
    timed(command.current_dir(sandbox.project().join("web")))
}

/// Calls of the API in all.
fn made(report: &Value) -> u64 {
    let count = |kind: &str| report["api_calls"][kind].as_u64().unwrap_or_default();
    count("reads") + count("writes")
}

/// A database for each customer, which is there already, under a limit of calls.
fn tenants(table: &mut Table) {
    let sandbox = Sandbox::empty();
    project(&sandbox, 0);
    portfolio(&sandbox, TENANTS);
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    make(&sandbox);
    project(&sandbox, TENANT_FILES);
    let _ = sandbox.local(&["limits", LIMIT]).exits(0);
    let (report, took) = up(&sandbox);
    let rows = report["databases"].as_array().expect("databases");
    let done = rows.iter().filter(|row| row["fate"] == "applied").count();
    assert_eq!(done, TENANTS);
    let per = made(&report) as f64 / (TENANTS * TENANT_FILES) as f64;
    let refused = refused(&sandbox);
    let what = format!("{TENANTS} tenant databases x {TENANT_FILES} migrations, under a limit");
    let measured = format!(
        "{per:.2} calls, {refused} refused ({:.1} s; a limit of {LIMIT})",
        took.as_secs_f64()
    );
    table.row(&what, "<= 2 calls per tenant and migration, no 429", measured, {
        per <= 2.0 && refused == 0
    });
}

/// Databases of nothing, as a deployment leaves them.
fn make(sandbox: &Sandbox) {
    sandbox.write("web/migrations/0000_start.sql", "CREATE TABLE start (id INTEGER);\n");
    let (report, _) = up(sandbox);
    let rows = report["databases"].as_array().expect("databases");
    assert_eq!(rows.len(), TENANTS);
}

/// How many calls the cloud refused since its limit is on; it ends, so that its log is whole.
fn refused(sandbox: &Sandbox) -> usize {
    let _ = sandbox.local(&["down"]).exits(0);
    let log = sandbox.project().join(".clodo/local/requests.jsonl");
    let text = std::fs::read_to_string(log).expect("the log is there");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["status"] == 429).count()
}
