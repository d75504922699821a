//! Snapshots, what differs between them, and the way back.

use super::{Project, call, deploy, http_get};
use serde_json::{Value, json};

const COUNTER: &str = r#"import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async next() {
    const sql = this.ctx.storage.sql;
    sql.exec("CREATE TABLE IF NOT EXISTS visits (n)");
    sql.exec("CREATE TABLE IF NOT EXISTS still (n)");
    if (sql.exec("SELECT count(*) AS n FROM visits").one().n === 0) sql.exec("INSERT INTO visits VALUES (0)");
    sql.exec("UPDATE visits SET n = n + 1");
    const { n } = sql.exec("SELECT n FROM visits").one();
    await this.ctx.storage.put("last", n);
    return n;
  }
}
export default { async fetch(request, env) {
  const name = new URL(request.url).searchParams.get("name") ?? "a";
  return new Response(String(await env.OBJ.get(env.OBJ.idFromName(name)).next()));
} };"#;

fn file(project: &Project, name: &str) -> String {
    project.folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_diff_sees_into_durable_objects_and_names_object_class_and_table() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json"]);
    let more = json!({
        "bindings": [{ "type": "durable_object_namespace", "name": "OBJ", "class_name": "Counter" }],
        "migrations": { "new_tag": "v1", "steps": [{ "new_sqlite_classes": ["Counter"] }] },
    });
    deploy(&project, &up, "count", COUNTER, &more);
    let visit = || http_get(&up, "count.local.workers.dev").unwrap();
    assert!(visit().ends_with('1'));
    let (before, after) = (file(&project, "before.tar"), file(&project, "after.tar"));
    project.text(&["snapshot", &before]);
    assert_eq!(project.text(&["diff", &before]), "nothing differs\n");
    assert!(visit().ends_with('2'));
    project.text(&["snapshot", &after]);
    let told = project.text(&["diff", &before, &after]);
    let of = told.lines().next().and_then(|line| line.split('/').next()).unwrap();
    let id = of.strip_prefix("~ object ").unwrap().strip_suffix(" of count").unwrap();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let object = format!("object {id} of count/Counter");
    let visits = format!("~ {object}/table visits: 1 row, with other content");
    let last = told.lines().find(|line| line.starts_with(&format!("~ {object}/key last: ")));
    assert!(told.lines().any(|line| line == visits) && last.is_some(), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
    project.run(&["diff", &before, "--exit-code"]).assert().code(4);
}

#[test]
fn a_diff_tells_messages_of_a_queue_and_not_the_rows_that_keep_them() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json"]);
    let json_call = |method: &str, path: &str, body: &str| -> Value {
        call(&project, &up, [method, path, "application/json"], body)
    };
    let made = json_call("POST", "/queues", r#"{"queue_name":"jobs"}"#);
    let id = made["result"]["queue_id"].as_str().unwrap().to_owned();
    json_call("POST", &format!("/queues/{id}/messages"), r#"{"body":"one","content_type":"text"}"#);
    let before = file(&project, "before.tar");
    project.text(&["snapshot", &before]);
    json_call("POST", &format!("/queues/{id}/messages"), r#"{"body":"two","content_type":"text"}"#);
    let told = project.text(&["diff", &before]);
    assert!(told.starts_with("+ queue jobs/message ") && told.lines().count() == 1, "{told}");
    let consumer = r#"{"type":"http_pull"}"#;
    json_call("POST", &format!("/queues/{id}/consumers"), consumer);
    project.text(&["snapshot", &before, "--force"]);
    json_call("POST", &format!("/queues/{id}/messages/pull"), r#"{"batch_size":1}"#);
    let told = project.text(&["diff", &before]);
    assert!(told.starts_with("~ queue jobs/message "), "{told}");
    assert!(told.contains(": attempts, time of delivery, who has it"), "{told}");
}

#[test]
fn a_file_that_is_no_whole_snapshot_stops_no_cloud() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json"]);
    let whole = file(&project, "whole.tar");
    project.text(&["snapshot", &whole]);
    let bytes = std::fs::read(&whole).unwrap();
    for (name, content) in
        [("text.tar", &b"this is no tar file"[..]), ("cut.tar", &bytes[..bytes.len() * 2 / 3])]
    {
        let bad = file(&project, name);
        std::fs::write(&bad, content).unwrap();
        let refused = project.run(&["restore", &bad, "--yes"]).assert().code(2);
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("no whole snapshot"), "{said}");
        assert_eq!(project.json(&["status", "--json"])["pid"], up["pid"], "{name}");
    }
    project.text(&["restore", &whole, "--yes"]);
    assert_eq!(project.json(&["status", "--json"])["running"], false);
}
