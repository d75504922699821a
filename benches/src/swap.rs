use crate::{
    measure::{Load, median, millis},
    site::{Site, wait_for},
    table::Table,
};
use serde_json::{Value, json};
use std::{thread, time::Duration, time::Instant};

const ROUNDS: usize = 15;

/// How long it takes from the call that shifts all traffic to another version until that version
/// answers, while a load goes on; and whether a request of that load failed.
pub(crate) fn run(table: &mut Table) {
    let site = Site::up(&[]);
    let url = site.at(&site.serve("swap", &source(0), &json!([])));
    wait_for(&url, Some("version 0"));
    let quiet = (1..=ROUNDS).map(|round| swap(&site, &url, round)).collect();
    row(table, "swap of a version, idle", quiet);
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let load = Load::new(format!("http://127.0.0.1:{}/", site.port())).with_host(&host);
    let (seconds, connections) = (20, 8);
    let busy = thread::spawn(move || load.lasting(seconds, connections).run());
    // The load is at its height.
    thread::sleep(Duration::from_secs(1));
    let taken = (1..=ROUNDS).map(|round| swap(&site, &url, 100 + round)).collect();
    row(table, "swap of a version under load (wrk, 8 connections)", taken);
    let what = "requests that failed while versions were swapped";
    match busy.join().expect("the load ends") {
        Some(end) => {
            let failed = end.failed;
            table.row(what, "0", format!("{failed} of {}", end.requests), failed == 0);
        }
        None => table.skipped(what, "0", "`wrk` is not installed"),
    }
}

fn source(number: usize) -> String {
    format!("export default {{ fetch() {{ return new Response(\"version {number}\"); }} }};")
}

fn swap(site: &Site, url: &str, number: usize) -> Duration {
    let script = "workers/scripts/swap";
    let versions = format!("{script}/versions");
    let version = site.upload("POST", &versions, &source(number), &Value::Array(Vec::new()));
    let body = json!({
        "strategy": "percentage",
        "versions": [{ "version_id": version["id"], "percentage": 100 }],
    });
    let began = Instant::now();
    site.json("POST", &format!("{script}/deployments"), &body);
    wait_for(url, Some(&format!("version {number}")));
    began.elapsed()
}

fn row(table: &mut Table, what: &str, mut taken: Vec<Duration>) {
    let took = millis(median(&mut taken));
    let (best, worst) = (millis(taken[0]), millis(taken[taken.len() - 1]));
    let measured = format!("{took} ms (best {best}, worst {worst})");
    table.row(what, "<= 60 ms", measured, took <= 60.0);
}
