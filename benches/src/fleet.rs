//! Many Workers, each on a custom domain of its own.

use crate::{
    calls::{CallLog, Calls},
    measure::{median, millis, timed},
    memory::Peak,
    table::Table,
};
use clodo_tests::{Run, Sandbox, Wrangler};
use serde_json::Value;
use std::{
    fmt::Write as _,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const DEPLOY: [&str; 5] = ["deploy", "--platform", "local", "--yes", "--json"];
const WORKERS: usize = 100;
/// How many wranglers run at once, as with `xargs -P2`.
const SIDE_BY_SIDE: usize = 2;

/// A hundred services of one customer, in folders that wrangler deploys as they are, but for the
/// domain and the name; against wrangler, and alone. Then fifty targets are rolled back.
pub(crate) fn run(table: &mut Table) {
    let began = with_wrangler();
    table.shown("100 Workers on 100 custom domains: `wrangler deploy` with two at once", {
        format!("{:.1} s", began.as_secs_f64())
    });
    let sandbox = Sandbox::empty();
    services(&sandbox, WORKERS);
    up(&sandbox);
    let (report, calls, took) = deploy(&sandbox, &[]);
    assert_eq!(report["targets"].as_array().map(Vec::len), Some(WORKERS), "{report}");
    let ratio = began.div_duration_f64(took);
    let what = "100 Workers on 100 custom domains, cold, against wrangler with two at once";
    let measured = format!("{ratio:.1} x ({:.2} s)", took.as_secs_f64());
    table.row(what, ">= 20 x", measured, ratio >= 20.0);
    let most = calls.most_own();
    table.row("… calls of its own per Worker", "<= 5", most.to_string(), most <= 5);
    table.shown("… calls in all", calls.split());
    again(table, &sandbox);
    memory(table);
    rollback(table);
}

fn up(sandbox: &Sandbox) {
    let _ = sandbox.local(&["up", "--detach", "--zone", "acme.test"]).exits(0);
}

/// Deploys, and says what was reported, what the cloud heard, and how long it took.
fn deploy(sandbox: &Sandbox, words: &[&str]) -> (Value, Calls, Duration) {
    let log = CallLog::from_now(sandbox);
    let words: Vec<&str> = DEPLOY.iter().chain(words).copied().collect();
    let began = Instant::now();
    let output = sandbox.command("clodo-deploy", &words).output().expect("clodo-deploy starts");
    let took = began.elapsed();
    let report = Run::from(output).exits(0).json();
    let calls = log.until(&report);
    (report, calls, took)
}

fn source(number: usize) -> String {
    format!(
        "interface Env {{ VERSION: {{ id: string }} }}\n\
         export default {{\n  fetch(request: Request, env: Env): Response {{\n    \
         return Response.json({{ status: \"ok\", worker: {number}, version_metadata: env.VERSION }});\n  }},\n}};\n"
    )
}

fn wrangler_config(name: &str, domain: Option<&str>) -> String {
    let routes = domain.map_or_else(String::new, |domain| {
        format!("\n  \"routes\": [{{ \"pattern\": \"{domain}\", \"custom_domain\": true }}],")
    });
    format!(
        "{{\n  \"name\": \"{name}\",\n  \"main\": \"src/index.ts\",{routes}\n  \
         \"compatibility_date\": \"2026-04-01\",\n  \
         \"version_metadata\": {{ \"binding\": \"VERSION\" }},\n}}\n"
    )
}

/// A portfolio of so many services, each in a folder of its own and on a domain of its own.
fn services(sandbox: &Sandbox, count: usize) {
    let mut toml = "[portfolio]\nname = \"fleet\"\nplatform = \"local\"\n\
                    [accounts.main]\nzones = [\"acme.test\"]\n[environments.development]\n"
        .to_owned();
    let mut domains = "[customers.acme]\naccount = \"main\"\n[customers.acme.domains]\n".to_owned();
    for number in 0..count {
        let _ = writeln!(toml, "[services.w{number}]\npath = \"services/w{number}\"");
        let _ = writeln!(domains, "development.w{number} = \"w{number}.acme.test\"");
        let folder = format!("services/w{number}");
        sandbox.write(
            &format!("{folder}/wrangler.jsonc"),
            wrangler_config(&format!("w{number}"), None),
        );
        sandbox.write(&format!("{folder}/src/index.ts"), source(number));
    }
    sandbox.write("clodo.toml", toml + &domains);
}

/// One service for so many customers, each on a domain of their own.
fn customers(sandbox: &Sandbox, count: usize) {
    let mut toml = "[portfolio]\nname = \"fleet\"\nplatform = \"local\"\n\
                    [accounts.main]\nzones = [\"acme.test\"]\n[environments.development]\n\
                    [services.web]\npath = \"services/web\"\n"
        .to_owned();
    for number in 0..count {
        let _ = write!(
            toml,
            "[customers.c{number}]\naccount = \"main\"\n[customers.c{number}.domains]\n\
             development.web = \"c{number}.acme.test\"\n"
        );
    }
    sandbox.write("clodo.toml", toml);
    sandbox.write("services/web/wrangler.jsonc", wrangler_config("web", None));
    sandbox.write("services/web/src/index.ts", source(0));
}

/// The same hundred by `wrangler deploy` in each folder.
fn with_wrangler() -> Duration {
    let (sandbox, wrangler) = (Sandbox::empty(), Wrangler::v4_86());
    up(&sandbox);
    for number in 0..WORKERS {
        let (name, domain) = (format!("w{number}"), format!("w{number}.acme.test"));
        let config = wrangler_config(&name, Some(&domain));
        sandbox.write(&format!("services/{name}/wrangler.jsonc"), config);
        sandbox.write(&format!("services/{name}/src/index.ts"), source(number));
    }
    let folder = |number: usize| sandbox.project().join(format!("services/w{number}"));
    let commands: Vec<std::sync::Mutex<Command>> = (0..WORKERS)
        .map(|number| wrangler.command(&sandbox, &folder(number), &["deploy"]).into())
        .collect();
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                    timed(&mut command.lock().expect("nobody else has it"));
                }
            });
        }
    });
    began.elapsed()
}

fn again(table: &mut Table, sandbox: &Sandbox) {
    let mut times = Vec::new();
    let mut calls = Calls::default();
    for _ in 0..5 {
        let (report, heard, took) = deploy(sandbox, &[]);
        assert_eq!(report["outcome"], "nothing_to_do", "{report}");
        times.push(took);
        calls = heard;
    }
    let took = median(&mut times);
    let met = calls.writes == 0 && took <= Duration::from_secs(1);
    let measured = format!("{} writes, {} ms, {} calls", calls.writes, millis(took), calls.total());
    table.row("… the second run: nothing changed", "0 writes, <= 1 s", measured, met);
}

/// One service for a hundred customers, built once; and the memory of a cold deployment.
fn memory(table: &mut Table) {
    let sandbox = Sandbox::empty();
    customers(&sandbox, WORKERS);
    up(&sandbox);
    let (_, _, took) = deploy(&sandbox, &[]);
    let shown = format!("{:.2} s", took.as_secs_f64());
    table.shown("one service for 100 customers on 100 custom domains, cold", shown);
    let fresh = Sandbox::empty();
    services(&fresh, WORKERS);
    up(&fresh);
    let peak = Peak::of(&mut fresh.command("clodo-deploy", &DEPLOY));
    let measured = format!("{:.1} MB (RSS {:.1} MB)", peak.pss, peak.rss);
    let what = "peak memory of a deployment of 100 new Workers (PSS of its process)";
    table.row(what, "<= 100 MB", measured, peak.pss <= 100.0);
}

fn rollback(table: &mut Table) {
    let sandbox = Sandbox::empty();
    customers(&sandbox, 50);
    up(&sandbox);
    let _ = deploy(&sandbox, &[]);
    let mut times = Vec::new();
    for round in 1..=3 {
        sandbox.write("services/web/src/index.ts", source(round));
        let _ = deploy(&sandbox, &[]);
        let words = ["rollback", "--platform", "local", "--yes", "--json"];
        let mut command = sandbox.command("clodo-deploy", &words);
        let began = Instant::now();
        let output = command.output().expect("clodo-deploy starts");
        times.push(began.elapsed());
        assert_eq!(Run::from(output).exits(0).json()["outcome"], "done");
    }
    let took = median(&mut times);
    let measured = format!("{:.2} s", took.as_secs_f64());
    table.row("rollback of 50 targets", "<= 5 s", measured, took <= Duration::from_secs(5));
}

/// `plan` of ever more new targets: its whole process, files read and code built.
pub(crate) fn plans(table: &mut Table) {
    for count in [100, 1_000, 10_000] {
        let sandbox = Sandbox::empty();
        customers(&sandbox, count);
        up(&sandbox);
        let words = ["plan", "--platform", "local", "--json"];
        let mut times: Vec<Duration> =
            (0..3).map(|_| timed(&mut sandbox.command("clodo-deploy", &words))).collect();
        let took = median(&mut times);
        let peak = Peak::of(&mut sandbox.command("clodo-deploy", &words));
        let measured = format!("{} ms, {:.1} MB", millis(took), peak.pss);
        let what = format!("`plan` of {count} new targets, the whole process");
        if count < 10_000 {
            table.shown(&what, measured);
        } else {
            let met = took <= Duration::from_secs(2) && peak.pss <= 300.0;
            table.row(&what, "<= 2 s, <= 300 MB", measured, met);
        }
    }
}
