use crate::{
    measure::{Load, median},
    site::{Miniflare, Site, worker_path},
    table::Table,
};
use serde_json::json;
use std::fs;

/// How often each pair is measured; what counts is the median of the paired ratios.
const ROUNDS: usize = 7;

/// Requests per second beside Miniflare 4: by hostname through the front, and on a Worker's own port.
pub(crate) fn run(table: &mut Table) {
    let site = Site::up(&["--port-per-worker"]);
    let source = |name| fs::read_to_string(worker_path(name)).expect("a Worker");
    let hello = site.serve("hello", &source("hello.js"), &json!([]));
    let data = data(&site, &source("data.js"));
    let front = |host: &str, path: &str| {
        Load::new(format!("http://127.0.0.1:{}/{path}", site.port())).with_host(host)
    };
    let own = own_port(&site, "hello");
    let miniflare = Miniflare::start("hello.js");
    let theirs = Load::new(miniflare.url(""));
    pair(table, "hello by hostname", 1.5, &front(&hello, ""), &theirs);
    pair(table, "hello on the Worker's own port", 2.5, &own, &theirs);
    drop(miniflare);
    let miniflare = Miniflare::start("data.js");
    miniflare.url("fill");
    let theirs = |path| Load::new(miniflare.url(path));
    pair(table, "D1 read of one row by hostname", 2.0, &front(&data, "d1"), &theirs("d1"));
    pair(table, "KV get by hostname", 2.0, &front(&data, "kv"), &theirs("kv"));
}

fn data(site: &Site, source: &str) -> String {
    let database = site.json("POST", "d1/database", &json!({ "name": "bench" }));
    let namespace = site.json("POST", "storage/kv/namespaces", &json!({ "title": "bench" }));
    let bindings = json!([
        { "type": "d1", "name": "DB", "id": database["uuid"] },
        { "type": "kv_namespace", "name": "KV", "namespace_id": namespace["id"] },
    ]);
    let host = site.serve("data", source, &bindings);
    let filled = clodo_tests::fetch(&format!("{}fill", site.at(&host)));
    assert_eq!(filled.status, 200, "{filled:?}");
    host
}

fn own_port(site: &Site, script: &str) -> Load {
    let status = site.sandbox.status();
    let ports = status["runtime"]["ports"].as_array().expect("the status names ports");
    let found = ports.iter().find(|own| own["script"] == script);
    let port = found.and_then(|own| own["port"].as_u64()).expect("it has a port of its own");
    Load::new(format!("http://127.0.0.1:{port}/"))
}

fn pair(table: &mut Table, what: &str, bar: f64, ours: &Load, theirs: &Load) {
    let what = format!("{what} against Miniflare 4, requests/s");
    let bar_text = format!(">= {bar} x");
    // Once for nothing: V8 has compiled by then, and both sides have their connections.
    let _ = (ours.rate(), theirs.run());
    // A connection that Miniflare leaves without an answer is not ours to judge.
    let pairs: Option<Vec<(f64, f64)>> =
        (0..ROUNDS).map(|_| Some((ours.rate()?, theirs.run()?.rate))).collect();
    let Some(pairs) = pairs else {
        return table.skipped(&what, &bar_text, "`wrk` is not installed");
    };
    let of = |pick: fn(&(f64, f64)) -> f64| median(&mut pairs.iter().map(pick).collect::<Vec<_>>());
    let ratio = of(|(ours, theirs)| ours / theirs);
    let (ours, theirs) = (of(|pair| pair.0), of(|pair| pair.1));
    let measured = format!("{ratio:.2} x ({ours:.0} against {theirs:.0})");
    table.row(&what, &bar_text, measured, ratio >= bar);
}
