use crate::{
    measure::{median, millis, requests_per_second},
    table::Table,
};
use clodo_tests::{Request, Sandbox, Wrangler, fetch};
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const SOURCE: &str = "export default { fetch() { return new Response(\"hello\"); } };\n";
const CONFIG: &str = "name = \"hello\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n";

/// What Miniflare is asked for; it has one Worker and looks at no hostname.
const HOST: &str = "hello.example";

/// Start-up, and throughput beside Miniflare 4.
pub(crate) fn run(table: &mut Table) {
    let sandbox = Sandbox::empty();
    sandbox.write("index.js", SOURCE);
    sandbox.write("wrangler.toml", CONFIG);
    let report =
        sandbox.deploy(&["deploy", "--platform", "local", "--yes", "--json"]).exits(0).json();
    let url = report["targets"][0]["urls"][0].as_str().expect("a URL").to_owned();
    assert_eq!(fetch(&url).body, "hello");
    start(table, &sandbox, &url);
    throughput(table, &url);
}

fn start(table: &mut Table, sandbox: &Sandbox, url: &str) {
    let mut runs = Vec::new();
    for _ in 0..11 {
        let _ = sandbox.local(&["down"]).exits(0);
        let mut up = sandbox.command("clodo-local", &["up"]);
        up.stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = up.spawn().expect("clodo-local starts");
        wait_for(url);
        runs.push(began.elapsed());
        // In good order, so that the next start is an ordinary one.
        let _ = sandbox.local(&["down"]).exits(0);
        let _ = child.wait();
    }
    let took = millis(median(&mut runs));
    let what = "`clodo-local up`: start to the first 200";
    table.row(what, "<= 80 ms", format!("{took} ms (best {})", millis(runs[0])), took <= 80.0);
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    wait_for(url);
}

fn wait_for(url: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let request = Request { method: "GET", url, headers: &[], body: "" };
    while !request.send().is_ok_and(|answer| answer.status == 200) {
        assert!(Instant::now() < deadline, "{url} did not answer");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn throughput(table: &mut Table, url: &str) {
    let what = "hello world by hostname against Miniflare 4, requests/s";
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    let ours_at = format!("http://127.0.0.1:{port}/");
    let miniflare = Miniflare::start();
    let theirs_at = format!("http://127.0.0.1:{}/", miniflare.port);
    assert_eq!(fetch(&theirs_at).body, "hello");
    // Once for nothing: V8 has compiled by then, and both sides have their connections.
    let _ = (requests_per_second(&ours_at, &host), requests_per_second(&theirs_at, HOST));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        ours.extend(requests_per_second(&ours_at, &host));
        theirs.extend(requests_per_second(&theirs_at, HOST));
    }
    if ours.is_empty() || theirs.is_empty() {
        return table.skipped(what, ">= 1.3 x", "`wrk` is not installed");
    }
    let mut ratios: Vec<f64> =
        ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    let ratio = median(&mut ratios);
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let measured = format!("{ratio:.2} x ({ours:.0} against {theirs:.0})");
    table.row(what, ">= 1.3 x", measured, ratio >= 1.3);
}

/// Miniflare 4, as wrangler 4.86.0 brings it, on a free port.
struct Miniflare {
    port: u16,
    _process: Ended,
}

impl Miniflare {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/miniflare/server.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(Wrangler::v4_86().modules()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("node starts");
        let output = child.stdout.take().expect("stdout is piped");
        let line = BufReader::new(output).lines().next().and_then(Result::ok);
        let port =
            line.and_then(|line| line.trim().parse().ok()).expect("miniflare prints its port");
        Self { port, _process: Ended(child) }
    }
}

/// A child that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
