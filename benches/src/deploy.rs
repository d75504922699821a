use crate::{
    calls::{CallLog, Calls},
    measure::{median, millis, timed},
    memory::{Peak, tree_megabytes, workerd_of_its_own},
    table::Table,
};
use clodo_tests::{Run, Sandbox, Wrangler, program};
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, Instant},
};

const DEPLOY: [&str; 5] = ["deploy", "--platform", "local", "--yes", "--json"];
/// How often each comparison is repeated; what counts is the median of the paired ratios.
const ROUNDS: u32 = 5;

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
    cold(table, &sandbox);
    idle(table, &sandbox);
    for (name, wrangler) in [("4.86.0", Wrangler::v4_86()), ("4.164.0", Wrangler::v4_164())] {
        beside_wrangler(table, &sandbox, name, &wrangler);
    }
    changed(table, &sandbox);
    unchanged(table, &sandbox);
    peak(table, &sandbox);
}

fn without_customers() -> Sandbox {
    let sandbox = Sandbox::storefront();
    let path = sandbox.project().join("clodo.toml");
    let text = std::fs::read_to_string(&path).expect("the example has a clodo.toml");
    let (general, _customers) = text.split_once("[customers.acme]").expect("it has customers");
    sandbox.write("clodo.toml", general);
    sandbox
}

/// Deploys and says what was reported, what the local Cloudflare heard, and how long it took.
fn deploy(sandbox: &Sandbox) -> (Value, Calls, Duration) {
    deployed(sandbox, &mut sandbox.command("clodo-deploy", &DEPLOY))
}

fn deployed(sandbox: &Sandbox, command: &mut Command) -> (Value, Calls, Duration) {
    let log = CallLog::from_now(sandbox);
    let began = Instant::now();
    let output = command.output().expect("clodo-deploy starts");
    let took = began.elapsed();
    let report = Run::from(output).exits(0).json();
    let calls = log.until(&report);
    (report, calls, took)
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

fn cold(table: &mut Table, sandbox: &Sandbox) {
    // This run starts the local Cloudflare.
    let workerd = workerd_of_its_own(&sandbox.home());
    let mut command = sandbox.command("clodo-deploy", &DEPLOY);
    let (_, calls, _) = deployed(sandbox, command.env("CLODO_WORKERD", workerd));
    // 5 for each Worker, 2 databases, 1 namespace, 3 migrations, 1 bucket of assets.
    let bar = 3 * 5 + 2 + 1 + 3 + 1;
    let without_listings = calls.total() - calls.shared;
    table.row(
        "API calls, 3 new Workers, without listings",
        &format!("<= {bar}"),
        without_listings.to_string(),
        without_listings <= bar,
    );
    table.shown("API calls, 3 new Workers, in all", calls.split());
}

fn changed(table: &mut Table, sandbox: &Sandbox) {
    edit(sandbox, 90);
    let (_, calls, _) = deploy(sandbox);
    let most = calls.most_own();
    assert_eq!(calls.own.len(), SERVICES.len(), "every Worker has changed: {calls:?}");
    table.row("API calls of its own per changed Worker", "<= 5", most.to_string(), most <= 5);
    table.shown("API calls, 3 changed Workers, in all", calls.split());
}

fn unchanged(table: &mut Table, sandbox: &Sandbox) {
    let (report, calls, _) = deploy(sandbox);
    assert_eq!(report["outcome"], "nothing_to_do", "{report}");
    let met = calls.writes == 0 && calls.total() <= 6 + 2;
    let bar = "0 writes, <= 6 calls + 2 databases";
    table.row("API calls, nothing changed", bar, calls.split(), met);
}

fn idle(table: &mut Table, sandbox: &Sandbox) {
    let pid = sandbox.status()["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let bar = "<= 70 MB";
    let what = "idle memory of the local Cloudflare, three Workers (PSS of the tree)";
    // The generation before has ended by then, and nothing is in flight.
    std::thread::sleep(Duration::from_secs(5));
    match pid.and_then(tree_megabytes) {
        Some(megabytes) => table.row(what, bar, format!("{megabytes:.1} MB"), megabytes <= 70.0),
        None => table.skipped(what, bar, "no /proc on this machine"),
    }
}

/// Both deploy the same change, in turns.
fn beside_wrangler(table: &mut Table, sandbox: &Sandbox, name: &str, wrangler: &Wrangler) {
    // The first time resources are created.
    let _ = one_after_the_other(sandbox, wrangler);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        edit(sandbox, round);
        ours.push(deploy(sandbox).2);
        theirs.push(one_after_the_other(sandbox, wrangler));
    }
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| theirs.div_duration_f64(*ours));
    let ratio = median(&mut ratios.collect::<Vec<_>>());
    let (ours, theirs) = (millis(median(&mut ours)), millis(median(&mut theirs)));
    let measured = format!("{ratio:.1} x ({ours} ms against {theirs} ms)");
    let what = format!("deploy of 3 changed Workers against wrangler {name} one after the other");
    table.row(&what, ">= 8 x", measured, ratio >= 8.0);
}

fn one_after_the_other(sandbox: &Sandbox, wrangler: &Wrangler) -> Duration {
    let folder = |service: &str| sandbox.project().join("services").join(service);
    let mut commands: Vec<Command> = SERVICES
        .iter()
        .map(|(service, _)| wrangler.command(sandbox, &folder(service), &["deploy"]))
        .collect();
    commands.iter_mut().map(timed).sum()
}

fn peak(table: &mut Table, sandbox: &Sandbox) {
    let mut peak = Peak::default();
    for round in 0..3 {
        edit(sandbox, 100 + round);
        peak = peak.or(Peak::of(&mut sandbox.command("clodo-deploy", &DEPLOY)));
    }
    let what = "peak memory of a deploy of 3 changed Workers (PSS of its process)";
    let measured = format!("{:.1} MB (RSS {:.1} MB)", peak.pss, peak.rss);
    table.row(what, "<= 60 MB", measured, peak.pss <= 60.0);
}
