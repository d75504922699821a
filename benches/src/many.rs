use crate::{
    measure::millis,
    memory::{processor_time, tree_megabytes},
    site::{Site, wait_for},
    table::Table,
};
use serde_json::json;
use std::{
    fmt::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Many Workers in one account: memory, and the processor time of uploading many at once.
pub(crate) fn run(table: &mut Table) {
    memory(table);
    uploads(table);
}

fn source(number: usize) -> String {
    format!("export default {{ fetch() {{ return new Response(\"worker {number}\"); }} }};")
}

fn memory(table: &mut Table) {
    let site = Site::up(&[]);
    for number in 0..50 {
        let host = site.serve(&format!("many-{number}"), &source(number), &json!([]));
        wait_for(&site.at(&host), Some(&format!("worker {number}")));
    }
    let what = "50 Workers in one account, each asked once (PSS of the tree)";
    thread::sleep(Duration::from_secs(5));
    match site.pid().and_then(tree_megabytes) {
        Some(megabytes) => {
            table.row(what, "<= 200 MB", format!("{megabytes:.1} MB"), megabytes <= 200.0);
        }
        None => table.skipped(what, "<= 200 MB", "no /proc on this machine"),
    }
}

/// Uploads `count` Workers over 16 connections, after each other on each.
fn upload_all(site: &Site, prefix: &str, count: usize) -> Duration {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let path = format!("workers/scripts/{prefix}-{number}");
                    site.upload("PUT", &path, &source(number), &json!([]));
                }
            });
        }
    });
    began.elapsed()
}

fn uploads(table: &mut Table) {
    let what = "processor time per Worker, 25, 50, 100, 200 uploaded at once";
    let mut shown = String::new();
    let mut each = Vec::new();
    for count in [25, 50, 100, 200_u32] {
        let site = Site::up(&[]);
        let Some(pid) = site.pid() else { return };
        let Some(before) = processor_time(pid) else {
            return table.skipped(what, "close to linear", "no /proc on this machine");
        };
        let took = upload_all(&site, "up", count as usize);
        let spent = processor_time(pid).unwrap_or_default().saturating_sub(before) / count;
        each.push(spent);
        let separator = if shown.is_empty() { "" } else { " / " };
        let _ = write!(shown, "{separator}{} ms", millis(spent));
        eprintln!("{count} uploads took {} ms", millis(took));
    }
    let growth = each[2].div_duration_f64(each[0]);
    table.row(what, "100: <= 1.3 x that of 25", format!("{shown} ({growth:.2} x)"), growth <= 1.3);
}

/// Ten thousand Workers and a thousand databases: how soon the API and a Worker answer after a start.
pub(crate) fn large(table: &mut Table) {
    let site = Site::up(&["--durability", "fast"]);
    upload_all(&site, "big", 10_000);
    let host = site.serve("big-77", &source(77), &json!([]));
    for number in 0..1_000 {
        site.json("POST", "d1/database", &json!({ "name": format!("db-{number}") }));
    }
    let api = site.url("workers/scripts/big-9999/settings");
    let list = site.url("d1/database?per_page=100");
    let mut answers = Vec::new();
    let mut workers = Vec::new();
    for _ in 0..5 {
        let _ = site.sandbox.local(&["down"]).exits(0);
        let began = Instant::now();
        let _ = site.sandbox.local(&["up", "--detach"]).exits(0);
        for url in [&api, &list] {
            let headers = [site.authorization()];
            let request = clodo_tests::Request { method: "GET", url, headers: &headers, body: "" };
            assert_eq!(request.send().expect("the API answers").status, 200);
        }
        answers.push(began.elapsed());
        wait_for(&site.at(&host), Some("worker 77"));
        workers.push(began.elapsed());
    }
    let api = millis(crate::measure::median(&mut answers));
    let worker = millis(crate::measure::median(&mut workers));
    let what = "10,000 Workers and 1,000 databases: start to two answers of the API";
    table.row(what, "<= 1 s", format!("{api} ms"), api <= 1_000.0);
    table.shown("… and to the first answer of one of the Workers", format!("{worker} ms"));
    if let Some(megabytes) = site.pid().and_then(tree_megabytes) {
        table.shown("… and memory then (PSS of the tree)", format!("{megabytes:.1} MB"));
    }
}
