use crate::{
    measure::{median, millis},
    memory::{tree_megabytes, workerd_of_its_own},
    site::{Site, wait_for, worker_path},
    table::Table,
};
use clodo_tests::Sandbox;
use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

/// How long it takes until one Worker answers, and what the cloud holds when it is idle again.
pub(crate) fn run(table: &mut Table) {
    let sandbox = Sandbox::empty();
    // On a workerd of its own: of a page that two processes share each is charged half.
    let workerd = workerd_of_its_own(&sandbox.home());
    let mut up = sandbox.command("clodo-local", &["up", "--detach"]);
    let _ = up.env("CLODO_WORKERD", &workerd).output().expect("clodo-local starts");
    let site = Site::of(sandbox);
    let source = fs::read_to_string(worker_path("hello.js")).expect("a Worker");
    let url = site.at(&site.serve("hello", &source, &serde_json::json!([])));
    let mut runs: Vec<Duration> = (0..11).map(|_| start(&site, &workerd, &url)).collect();
    let took = millis(median(&mut runs));
    let what = "`clodo-local up`: start to the first 200 of one Worker";
    let measured = format!("{took} ms (best {})", millis(runs[0]));
    table.row(what, "<= 60 ms", measured, took <= 60.0);
    idle(table, &site, &workerd, &url);
}

fn start(site: &Site, workerd: &std::path::Path, url: &str) -> Duration {
    let _ = site.sandbox.local(&["down"]).exits(0);
    let mut up = site.sandbox.command("clodo-local", &["up"]);
    up.env("CLODO_WORKERD", workerd).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = up.spawn().expect("clodo-local starts");
    wait_for(url, None);
    let took = began.elapsed();
    // In good order, so that the next start is an ordinary one.
    let _ = site.sandbox.local(&["down"]).exits(0);
    let _ = child.wait();
    took
}

fn idle(table: &mut Table, site: &Site, workerd: &std::path::Path, url: &str) {
    let mut up = site.sandbox.command("clodo-local", &["up", "--detach"]);
    let _ = up.env("CLODO_WORKERD", workerd).output().expect("clodo-local starts");
    wait_for(url, None);
    let what = "idle memory of the local Cloudflare, one Worker (PSS of the tree)";
    // What a start needs and gives back is given back by then.
    std::thread::sleep(Duration::from_secs(5));
    match site.pid().and_then(tree_megabytes) {
        Some(megabytes) => {
            table.row(what, "<= 60 MB", format!("{megabytes:.1} MB"), megabytes <= 60.0);
        }
        None => table.skipped(what, "<= 60 MB", "no /proc on this machine"),
    }
}
