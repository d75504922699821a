//! Durable Objects through real wrangler: made, renamed and deleted.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Run, Sandbox, Wrangler};
use serde_json::{Value, json};
use std::path::PathBuf;

const CODE: &str = r#"import { DurableObject } from "cloudflare:workers";
export class CLASS extends DurableObject {
  next() {
    const sql = this.ctx.storage.sql;
    sql.exec("CREATE TABLE IF NOT EXISTS n (x)");
    sql.exec("INSERT INTO n VALUES (1)");
    return sql.exec("SELECT count(*) AS n FROM n").one().n;
  }
}
export default { async fetch(request, env) {
  env.VISITS.writeDataPoint({ blobs: ["a visit"] });
  const { success } = await env.LIMIT.limit({ key: "all" });
  return new Response(`CLASS ${await env.OBJ.getByName("a").next()} ${success}`);
} };"#;
const NOTHING: &str = "export default { fetch() { return new Response('nothing') } };";

struct Session {
    sandbox: Sandbox,
    wrangler: Wrangler,
}

impl Session {
    fn new(wrangler: Wrangler) -> Self {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach"]).exits(0);
        Self { sandbox, wrangler }
    }

    fn folder(&self) -> PathBuf {
        self.sandbox.project().join("count")
    }

    fn write(&self, code: &str, more: &Value) {
        let mut config = json!({
            "name": "count", "main": "index.js", "compatibility_date": "2026-04-01",
            "workers_dev": true,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        self.sandbox.write("count/wrangler.json", config.to_string());
        self.sandbox.write("count/index.js", code);
    }

    fn wrangler(&self, words: &[&str]) -> Run {
        self.wrangler.run(&self.sandbox, &self.folder(), words)
    }

    #[track_caller]
    fn deploy(&self, code: &str, more: &Value) -> Run {
        self.write(code, more);
        self.wrangler(&["deploy"]).exits(0)
    }

    /// Text that both streams hold.
    #[track_caller]
    fn refused(&self, code: &str, more: &Value, text: &str) {
        self.write(code, more);
        let run = self.wrangler(&["deploy"]);
        assert!(run.stderr.contains(text) || run.stdout.contains(text), "{run:?}");
    }

    #[track_caller]
    fn says(&self, wanted: &str) {
        let status = self.sandbox.status();
        let port = status["port"].as_u64().expect("a port");
        let url = format!("http://count.local.workers.dev.localhost:{port}/");
        let said = Request { method: "GET", url: &url, headers: &[], body: "" }.send().unwrap();
        assert_eq!(said.body, wanted);
    }
}

fn code(class: &str) -> String {
    CODE.replace("CLASS", class)
}

fn with(class: &str, key: &str, value: Value) -> Value {
    let mut more = json!({
        "durable_objects": { "bindings": [{ "name": "OBJ", "class_name": class }] },
        "analytics_engine_datasets": [{ "binding": "VISITS", "dataset": "visits" }],
        "ratelimits": [{ "name": "LIMIT", "namespace_id": "1001", "simple": { "limit": 100, "period": 60 } }],
    });
    more[key] = value;
    more
}

// conformance: durable objects | `wrangler deploy` with a migration that makes, renames and deletes a class | accepted by wrangler
// conformance: runtime | `ratelimits` and `analytics_engine_datasets` of a wrangler config | accepted by wrangler
#[test]
fn wrangler_4_86_makes_renames_and_deletes_a_class() {
    migrates(&Session::new(Wrangler::v4_86()));
}

// conformance: durable objects | `wrangler deploy` with a migration that makes, renames and deletes a class | accepted by wrangler
#[test]
fn wrangler_4_164_makes_renames_and_deletes_a_class() {
    migrates(&Session::new(Wrangler::v4_164()));
}

fn migrates(session: &Session) {
    let v1 = json!({ "tag": "v1", "new_sqlite_classes": ["Counter"] });
    let v2 = json!({ "tag": "v2", "renamed_classes": [{ "from": "Counter", "to": "Tally" }] });
    let v3 = json!({ "tag": "v3", "deleted_classes": ["Tally"] });
    session.refused(&code("Counter"), &with("Counter", "migrations", json!([])), "10061");
    session.deploy(&code("Counter"), &with("Counter", "migrations", json!([v1])));
    session.says("Counter 1 true");
    // The same config again: nothing to migrate, so it goes as a version and a deployment.
    session.deploy(&code("Counter"), &with("Counter", "migrations", json!([v1])));
    session.says("Counter 2 true");
    session.refused(NOTHING, &json!({ "migrations": [v1] }), "10064");
    session.deploy(&code("Tally"), &with("Tally", "migrations", json!([v1, v2])));
    session.says("Tally 3 true");
    session.refused(&code("Tally"), &with("Tally", "migrations", json!([v1, v2, v3])), "10061");
    session.deploy(NOTHING, &json!({ "migrations": [v1, v2, v3] }));
    session.says("nothing");
    let _ = session.wrangler(&["delete", "--force"]).exits(0);
}

// conformance: durable objects | `wrangler deploy` with declared `exports`, and its report of what they did | accepted by wrangler
#[test]
fn wrangler_4_164_declares_classes_and_shows_what_that_did() {
    let session = Session::new(Wrangler::v4_164());
    let live = json!({ "type": "durable-object", "storage": "sqlite" });
    let renamed = json!({ "type": "durable-object", "state": "renamed", "renamed_to": "Tally" });
    let deleted = json!({ "type": "durable-object", "state": "deleted" });
    let run =
        session.deploy(&code("Counter"), &with("Counter", "exports", json!({ "Counter": live })));
    assert!(run.stdout.contains("Created: Counter"), "{run:?}");
    session.says("Counter 1 true");
    let exports = json!({ "Counter": renamed, "Tally": live });
    let run = session.deploy(&code("Tally"), &with("Tally", "exports", exports));
    assert!(run.stdout.contains("Counter → Tally"), "{run:?}");
    session.says("Tally 2 true");
    let still = with("Tally", "exports", json!({ "Tally": deleted }));
    session.refused(&code("Tally"), &still, "tombstone_delete_class_still_in_code");
    let run = session.deploy(NOTHING, &json!({ "exports": { "Tally": deleted } }));
    assert!(run.stdout.contains("Deleted: Tally"), "{run:?}");
    session.says("nothing");
}
