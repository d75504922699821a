//! Eight runners, each with a portfolio of its own, that share one token, its limit and one
//! PostgreSQL.

use crate::table::Table;
use clodo_postgres_fixture::PostgresServer;
use clodo_tests::{Run, Sandbox};
use serde_json::Value;
use std::{
    fs,
    process::{Child, Command, Stdio},
};

const RUNNERS: usize = 8;
/// New Workers of each runner: five full windows of the limit, all in all.
const WORKERS: usize = 40;
/// Cloudflare's limit is 1,200 calls in 300 s: this is a tenth of both. The server names the end of a
/// window in whole seconds, so that in one of a few seconds nobody could use all of it.
const CALLS: usize = 120;
const WINDOW_MS: i64 = 30_000;

/// Cold deployments side by side, against the time that the limit allows for as many calls.
pub(crate) fn run(table: &mut Table) {
    let use_what = "8 runners with one shared budget: use of each full window";
    let time_what = "… time of all their calls, against what the limit allows";
    let Some(server) = PostgresServer::start() else {
        table.skipped(use_what, ">= 95 %", "no PostgreSQL on this machine");
        return;
    };
    let cloud = Sandbox::empty();
    let _ = cloud.local(&["up", "--detach"]).exits(0);
    let limits = format!("{CALLS}/{}s", WINDOW_MS / 1_000);
    let _ = cloud.local(&["limits", &limits]).exits(0);
    let settings = cloud.settings();
    let state = server.database();
    let projects: Vec<Sandbox> = (0..RUNNERS).map(|number| project(number, &state)).collect();
    // What this does is no part of the measurement: it makes the tables.
    let _ = Run::from(
        command(&projects[0], &settings, &server, "deployments").output().expect("it starts"),
    )
    .exits(0);
    let running: Vec<Child> =
        projects.iter().map(|sandbox| deploy(sandbox, &settings, &server)).collect();
    for child in running {
        let report = Run::from(child.wait_with_output().expect("it ends")).exits(0).json();
        assert_eq!(report["outcome"], "done", "{report}");
    }
    let heard = heard(&cloud);
    let windows = windows(&heard);
    let (_, full) = windows.split_last().expect("calls were made");
    let least = full.iter().copied().min().expect("more than one window");
    let part = 100.0 * least as f64 / CALLS as f64;
    let refused = heard.iter().filter(|call| call.refused).count();
    let measured =
        format!("{part:.1} % of {} windows or more, {refused} calls refused", full.len());
    table.row(use_what, ">= 95 %, no 429", measured, part >= 95.0 && refused == 0);
    let took = heard.last().expect("calls").at - heard[0].at;
    let allowed = i64::try_from((heard.len() - 1) / CALLS).expect("few windows") * WINDOW_MS;
    let ratio = took as f64 / allowed as f64;
    let measured = format!("{ratio:.3} x ({} calls in {:.1} s)", heard.len(), took as f64 / 1e3);
    table.row(time_what, "<= 1.1 x", measured, ratio <= 1.1);
}

/// One service for many customers.
fn project(number: usize, state: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let mut toml = format!(
        "[portfolio]\nname = \"team{number}\"\nstate = \"{state}\"\n[accounts.main]\n\
         [services.team{number}]\npath = \"web\"\n"
    );
    for customer in 0..WORKERS {
        toml += &format!("[customers.c{customer}]\naccount = \"main\"\n");
    }
    sandbox.write("clodo.toml", toml);
    // Without an address there is nothing to wait for but the calls.
    let config = format!(
        "name = \"team{number}\"\nmain = \"index.js\"\nworkers_dev = false\n\
         compatibility_date = \"2026-04-01\"\n"
    );
    sandbox.write("web/wrangler.toml", config);
    let code = "export default { fetch: () => new Response(\"a Worker\") };\n";
    sandbox.write("web/index.js", code);
    sandbox
}

fn command(
    sandbox: &Sandbox,
    settings: &[(String, String)],
    server: &PostgresServer,
    word: &str,
) -> Command {
    let mut command =
        sandbox.command("clodo-deploy", &[word, "--platform", "cloudflare", "--json"]);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command.env("CLODO_STATE_PASSWORD", server.password());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn deploy(sandbox: &Sandbox, settings: &[(String, String)], server: &PostgresServer) -> Child {
    command(sandbox, settings, server, "deploy").arg("--yes").spawn().expect("clodo-deploy starts")
}

/// A call as the cloud logged it.
struct Heard {
    /// When it was answered, in milliseconds.
    at: i64,
    refused: bool,
}

/// The calls of the API, in the order in which they were answered; the cloud ends first, so that
/// the log is whole.
fn heard(cloud: &Sandbox) -> Vec<Heard> {
    let _ = cloud.local(&["down"]).exits(0);
    let text = fs::read_to_string(cloud.project().join(".clodo/local/requests.jsonl"));
    let text = text.expect("the log is there");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let of_api =
        lines.filter(|line| line["path"].as_str().is_some_and(|path| path.contains("/client/")));
    let mut heard: Vec<Heard> = of_api
        .map(|line| {
            let time: jiff::Timestamp =
                line["time"].as_str().expect("a time").parse().expect("a time");
            Heard { at: time.as_millisecond(), refused: line["status"] == 429 }
        })
        .collect();
    heard.sort_by_key(|call| call.at);
    heard
}

/// How many calls each window of the limit had: the first call after the end of one begins the next.
fn windows(heard: &[Heard]) -> Vec<usize> {
    let mut windows: Vec<usize> = Vec::new();
    let mut began = i64::MIN;
    for call in heard {
        if call.at.saturating_sub(began) >= WINDOW_MS {
            began = call.at;
            windows.push(0);
        }
        *windows.last_mut().expect("one has begun") += 1;
    }
    windows
}
