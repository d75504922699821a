//! What the program tells of a running cloud: where Workers answer, what they log, who called.

use super::{Project, call, deploy, http_get};
use serde_json::json;

#[test]
fn status_names_each_worker_with_its_urls_and_counts_every_kind() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json", "--zone", "acme.test"]);
    let port = up["port"].to_string();
    let source = "export class C { } export default { fetch() { return new Response('hello') } };";
    let more = json!({
        "bindings": [{ "type": "durable_object_namespace", "name": "OBJ", "class_name": "C" }],
        "migrations": { "new_tag": "v1", "steps": [{ "new_classes": ["C"] }] },
    });
    deploy(&project, &up, "shop", source, &more);
    let ask = |method: &str, path: &str, body: &str| {
        call(&project, &up, [method, path, "application/json"], body)
    };
    let domain = r#"{"hostname":"shop.acme.test","service":"shop","zone_name":"acme.test"}"#;
    ask("PUT", "/workers/domains", domain);
    ask("POST", "/queues", r#"{"queue_name":"jobs"}"#);
    ask("POST", "/r2/buckets", r#"{"name":"pictures"}"#);
    ask("POST", "/storage/kv/namespaces", r#"{"title":"notes"}"#);
    let status = project.json(&["status", "--json"]);
    let url = format!("http://shop.local.workers.dev.localhost:{port}");
    let own = format!("http://shop.acme.test.localhost:{port}");
    assert_eq!(
        status["holds"][0]["first_workers"],
        json!([{ "name": "shop", "urls": [url, own] }])
    );
    let text = project.text(&["status"]);
    assert!(text.contains(&format!("\n    shop: {url} {own}\n")), "{text}");
    let counts =
        "local: 1 Worker, 1 KV namespace, 1 R2 bucket, 1 queue, 1 class of Durable Objects";
    assert!(text.contains(counts), "{text}");
    for host in ["shop.local.workers.dev.localhost", "shop.acme.test.localhost"] {
        let answer = http_get(&up, &format!("{host}:{port}")).unwrap();
        assert!(answer.ends_with("hello"), "{host}: {answer}");
    }
    for at in 0..22 {
        let name = format!("more-{at:02}");
        ask("POST", "/workers/workers", &json!({ "name": name }).to_string());
    }
    let text = project.text(&["status"]);
    assert!(text.contains("more-00: no hostname leads to it"), "{text}");
    assert!(text.contains("\n    and 3 more\n") && !text.contains("shop:"), "{text}");
}
