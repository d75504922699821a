use crate::{
    measure::{median, millis, timed},
    memory::{peak_megabytes, tree_megabytes},
    table::Table,
};
use clodo_tests::{Sandbox, Wrangler, program};
use serde_json::Value;
use std::{process::Command, time::Duration};

const SERVICES: [(&str, &str); 3] = [
    ("catalog", "services/catalog/src/index.ts"),
    ("orders", "services/orders/src/index.ts"),
    ("web", "services/web/src/index.js"),
];

/// How long `clodo-deploy --help` takes.
pub(crate) fn help(table: &mut Table) {
    let run = || timed(Command::new(program("clodo-deploy")).arg("--help"));
    let mut runs: Vec<Duration> = (0..21).map(|_| run()).collect();
    let took = millis(median(&mut runs));
    table.row("`clodo-deploy --help`", "<= 10 ms", format!("{took} ms"), took <= 10.0);
}

/// The storefront in one environment without customers: calls, time, memory.
pub(crate) fn run(table: &mut Table) {
    let sandbox = without_customers();
    let cold = deploy(&sandbox);
    calls(table, &cold);
    idle(table, &sandbox);
    beside_wrangler(table, &sandbox);
    let mut command = sandbox.command("clodo-deploy", &["deploy", "--platform", "local", "--yes"]);
    edit(&sandbox, 100);
    let peak = peak_megabytes(&mut command);
    table.row("peak memory of a deploy (PSS)", "<= 60 MB", format!("{peak:.1} MB"), peak <= 60.0);
    unchanged(table, &sandbox);
}

fn without_customers() -> Sandbox {
    let sandbox = Sandbox::storefront();
    let path = sandbox.project().join("clodo.toml");
    let text = std::fs::read_to_string(&path).expect("the example has a clodo.toml");
    let (general, _customers) = text.split_once("[customers.acme]").expect("it has customers");
    sandbox.write("clodo.toml", general);
    sandbox
}

fn deploy(sandbox: &Sandbox) -> Value {
    sandbox.deploy(&["deploy", "--platform", "local", "--yes", "--json"]).exits(0).json()
}

/// Changes each Worker's code.
fn edit(sandbox: &Sandbox, round: u32) {
    for (_, path) in SERVICES {
        let path = sandbox.project().join(path);
        let text = std::fs::read_to_string(&path).expect("the example's source");
        let kept = text.lines().filter(|line| !line.starts_with("console.debug"));
        let kept: Vec<&str> = kept.collect();
        let text = format!("{}\nconsole.debug({round});\n", kept.join("\n"));
        std::fs::write(&path, text).expect("the source can be written");
    }
}

/// Reads and writes of a run.
fn counted(report: &Value) -> (u64, u64) {
    let count = |what: &str| report["api_calls"][what].as_u64().expect("the report counts calls");
    (count("reads"), count("writes"))
}

fn calls(table: &mut Table, cold: &Value) {
    let (reads, writes) = counted(cold);
    // 5 for each Worker, 2 databases, 1 namespace, 3 migrations, 1 bucket of assets.
    let bar = 3 * 5 + 2 + 1 + 3 + 1;
    let measured = format!("{} ({reads} reads, {writes} writes)", reads + writes);
    table.row("API calls, cold, 3 Workers", &format!("<= {bar}"), measured, reads + writes <= bar);
}

fn idle(table: &mut Table, sandbox: &Sandbox) {
    let pid = sandbox.status()["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let bar = "<= 70 MB";
    let what = "idle memory of the local Cloudflare with three Workers (PSS of the tree)";
    match pid.and_then(tree_megabytes) {
        Some(megabytes) => table.row(what, bar, format!("{megabytes:.1} MB"), megabytes <= 70.0),
        None => table.skipped(what, bar, "no /proc on this machine"),
    }
}

fn beside_wrangler(table: &mut Table, sandbox: &Sandbox) {
    for (name, wrangler) in [("4.86.0", Wrangler::v4_86()), ("4.164.0", Wrangler::v4_164())] {
        let (mut ours, mut theirs, mut most) = (Vec::new(), Vec::new(), 0);
        for round in 0..5 {
            edit(sandbox, 2 * round);
            let words = ["deploy", "--platform", "local", "--yes", "--json"];
            ours.push(timed(&mut sandbox.command("clodo-deploy", &words)));
            edit(sandbox, 2 * round + 1);
            theirs.push(one_after_the_other(sandbox, &wrangler));
            edit(sandbox, 2 * round);
            let (reads, writes) = counted(&deploy(sandbox));
            most = most.max(reads + writes);
        }
        let (ours, theirs) = (millis(median(&mut ours)), millis(median(&mut theirs)));
        let ratio = theirs / ours;
        let measured = format!("{ratio:.1} x ({ours} ms against {theirs} ms)");
        let what =
            format!("deploy of 3 changed Workers against wrangler {name} one after the other");
        table.row(&what, ">= 8 x", measured, ratio >= 8.0);
        table.row("API calls, 3 changed Workers", "<= 15", most.to_string(), most <= 15);
    }
}

fn one_after_the_other(sandbox: &Sandbox, wrangler: &Wrangler) -> Duration {
    let folder = |service: &str| sandbox.project().join("services").join(service);
    let mut commands: Vec<Command> = SERVICES
        .iter()
        .map(|(service, _)| wrangler.command(sandbox, &folder(service), &["deploy"]))
        .collect();
    commands.iter_mut().map(timed).sum()
}

fn unchanged(table: &mut Table, sandbox: &Sandbox) {
    let (reads, writes) = counted(&deploy(sandbox));
    let met = writes == 0 && reads <= 6 + 2;
    let measured = format!("{reads} reads, {writes} writes");
    table.row("API calls, nothing changed, 2 databases", "0 writes, <= 8 reads", measured, met);
}
