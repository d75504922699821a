//! Queues and cron triggers by real wrangler, both generations: made, sent to, consumed, fired.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Run, Sandbox, Schema, Wrangler, get_json};
use serde_json::{Value, json};
use std::path::PathBuf;

const CONFIG: &str = r#"{
  "name": "mailer",
  "main": "index.js",
  "compatibility_date": "2026-01-01",
  "workers_dev": true,
  "kv_namespaces": [{ "binding": "KV", "id": "KV_ID" }],
  "queues": {
    "producers": [{ "binding": "MAILS", "queue": "mails", "delivery_delay": 0 }],
    "consumers": [{
      "queue": "mails", "max_batch_size": 2, "max_batch_timeout": 1, "max_retries": 1,
      "dead_letter_queue": "dead-mails", "max_concurrency": 1,
    }],
  },
  "triggers": { "crons": ["*/30 * * * MON-FRI", "0 0 1 * *"] },
}"#;

const CODE: &str = r#"
const log = async (env, entry) => {
  const seen = (await env.KV.get("seen", "json")) ?? [];
  await env.KV.put("seen", JSON.stringify([...seen, entry]));
};
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/seen") return Response.json((await env.KV.get("seen", "json")) ?? []);
    await env.MAILS.sendBatch([{ body: { to: "a" } }, { body: { to: "b" } }]);
    return Response.json("sent");
  },
  async queue(batch, env) {
    await log(env, [batch.queue, batch.messages.map((message) => message.body.to)]);
  },
  async scheduled(controller, env) {
    await log(env, ["cron", controller.cron, controller.scheduledTime]);
    if (controller.cron === "0 0 1 * *") throw new Error("no");
  },
};
"#;

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
        self.sandbox.project()
    }

    #[track_caller]
    fn try_run(&self, words: &[&str]) -> Run {
        self.wrangler.run(&self.sandbox, &self.folder(), words)
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> Run {
        self.try_run(words).exits(0)
    }

    fn url(&self, path: &str) -> String {
        let port = self.sandbox.status()["port"].as_u64().expect("a port");
        format!("http://mailer.local.workers.dev.localhost:{port}{path}")
    }

    /// Asks the Worker until it has seen what is expected.
    fn until(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let url = self.url("/seen");
        let mut last = Value::Null;
        // Each look is a request to the Worker, so this waits for half a minute and more.
        for _ in 0..30_000 {
            last = get_json(&url);
            if fits(&last) {
                return last;
            }
        }
        panic!("still {last}");
    }

    /// A call of the REST API with the cloud's token.
    fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let status = self.sandbox.status();
        let token = self.sandbox.local(&["env", "--json"]).exits(0).json();
        let token = token["variables"]["CLOUDFLARE_API_TOKEN"].as_str().unwrap().to_owned();
        let account = status["accounts"][0]["id"].as_str().unwrap();
        let base = status["api_base_url"].as_str().unwrap();
        let url = format!("{base}/accounts/{account}{path}");
        let bearer = format!("authorization: Bearer {token}");
        let body = body.to_string();
        let request = Request { method, url: &url, headers: &[&bearer], body: &body };
        let answer = request.send().unwrap().json();
        assert_eq!(answer["success"], true, "{answer}");
        answer["result"].clone()
    }
}

// conformance: queues | GET /accounts/{account}/queues | accepted by wrangler
// conformance: queues | POST /accounts/{account}/queues | accepted by wrangler
// conformance: queues | PATCH /accounts/{account}/queues/{queue} | accepted by wrangler
// conformance: queues | DELETE /accounts/{account}/queues/{queue} | accepted by wrangler
// conformance: queues | POST /accounts/{account}/queues/{queue}/purge | accepted by wrangler
// conformance: queues | POST /accounts/{account}/queues/{queue}/consumers | accepted by wrangler
// conformance: queues | PUT /accounts/{account}/queues/{queue}/consumers/{consumer} | accepted by wrangler
// conformance: queues | DELETE /accounts/{account}/queues/{queue}/consumers/{consumer} | accepted by wrangler
// conformance: queues | bindings of type queue with delivery_delay; producers of a queue | accepted by wrangler
// conformance: triggers | PUT /accounts/{account}/workers/scripts/{script}/schedules | accepted by wrangler
#[test]
fn wrangler_4_86_works_with_queues_and_crons() {
    works_with(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_works_with_queues_and_crons() {
    works_with(Wrangler::v4_164());
}

fn works_with(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    makes_queues(&session);
    deploys(&session);
    delivers(&session);
    fires(&session);
    keeps_consumers(&session);
    pulls(&session);
    deletes(&session);
}

fn makes_queues(session: &Session) {
    let made = session.run(&["queues", "create", "mails", "--delivery-delay-secs", "0"]);
    assert!(made.stdout.contains("Created queue 'mails'"), "{made:?}");
    let twice = session.try_run(&["queues", "create", "mails"]);
    assert!(twice.stderr.contains("11009") && twice.stderr.contains("already taken"), "{twice:?}");
    let words = ["queues", "update", "mails", "--message-retention-period-secs", "3600"];
    let _ = session.run(&words);
    let list = session.run(&["queues", "list"]);
    assert!(list.stdout.contains("mails"), "{list:?}");
    let info = session.run(&["queues", "info", "mails"]);
    assert!(info.stdout.contains("Number of Producers: 0"), "{info:?}");
    let bad = ["queues", "update", "nothing"];
    assert!(session.try_run(&bad).stderr.contains("does not exist"));
}

fn deploys(session: &Session) {
    let made = session.run(&["kv", "namespace", "create", "seen"]);
    let is_id = |part: &&str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let id = made.stdout.split('"').find(is_id).unwrap_or_else(|| panic!("{made:?}"));
    session.sandbox.write("index.js", CODE);
    session
        .sandbox
        .write("wrangler.jsonc", CONFIG.replace("KV_ID", id).replace("mails", "letters"));
    let unknown = session.try_run(&["deploy"]);
    if unknown.stdout.contains("Creating new Queue \"letters\"") {
        // The newer one makes what is missing.
        let _ = session.run(&["queues", "consumer", "remove", "letters", "mailer"]);
    } else {
        assert!(unknown.stderr.contains("\"letters\" does not exist"), "{unknown:?}");
    }
    session.sandbox.write("wrangler.jsonc", CONFIG.replace("KV_ID", id));
    // The second deploy finds its consumer there and changes it.
    for _ in 0..2 {
        let deployed = session.run(&["deploy"]);
        assert!(deployed.stdout.contains("Consumer for mails"), "{deployed:?}");
        assert!(deployed.stdout.contains("*/30 * * * MON-FRI"), "{deployed:?}");
    }
    let info = session.run(&["queues", "info", "mails"]);
    assert!(info.stdout.contains("worker:mailer"), "{info:?}");
    let list = session.run(&["queues", "list"]);
    assert!(list.stdout.contains("dead-mails"), "a dead letter queue is made: {list:?}");
    let bad = CONFIG.replace("KV_ID", id).replace("*/30 * * * MON-FRI", "0 22 * * 0");
    session.sandbox.write("wrangler.jsonc", bad);
    let refused = session.try_run(&["triggers", "deploy"]);
    assert!(refused.stderr.contains("10100"), "{refused:?}");
    session.sandbox.write("wrangler.jsonc", CONFIG.replace("KV_ID", id));
}

fn delivers(session: &Session) {
    let paused = session.run(&["queues", "pause-delivery", "mails"]);
    assert!(paused.stdout.contains("Paused message delivery"), "{paused:?}");
    assert_eq!(get_json(&session.url("/send")), "sent");
    assert_eq!(get_json(&session.url("/seen")), json!([]));
    let _ = session.run(&["queues", "resume-delivery", "mails"]);
    let seen = session.until(|seen| seen != &json!([]));
    assert_eq!(seen, json!([["mails", ["a", "b"]]]));
}

fn fires(session: &Session) {
    let schema = Schema::of("clodo-local");
    let words = ["trigger", "mailer", "--time", "2026-11-20T16:30:00Z", "--json"];
    let ran = session.sandbox.local(&words).exits(0).json();
    schema.check("trigger", &ran);
    let seen = session.until(|seen| seen.as_array().unwrap().len() == 2);
    assert_eq!(seen[1], json!(["cron", "*/30 * * * MON-FRI", 1_795_192_200_000_i64]));
    let words = ["trigger", "mailer", "--cron", "0 0 1 * *", "--json"];
    let thrown = session.sandbox.local(&words).exits(1).json();
    schema.check("trigger", &thrown);
    assert_eq!(thrown["run"]["outcome"], "exception");
    let bad = session.sandbox.local(&["trigger", "mailer", "--cron", "* *", "--json"]).exits(1);
    schema.check("failure", &bad.json());
}

fn keeps_consumers(session: &Session) {
    let remove = ["queues", "consumer", "remove", "mails", "mailer"];
    let _ = session.run(&remove);
    assert!(session.try_run(&remove).stderr.contains("No worker consumer"), "it is gone");
    let add = ["queues", "consumer", "add", "mails", "mailer"];
    let more = ["--batch-size", "5", "--batch-timeout", "2", "--max-concurrency", "1"];
    let _ = session.run(&[&add[..], &more].concat());
    let twice = session.try_run(&add);
    assert!(twice.stderr.contains("11004"), "{twice:?}");
    let _ = session.run(&remove);
    let settings = ["--batch-size", "500"];
    let bad = session.try_run(&[&add[..], &settings].concat());
    assert!(bad.stderr.contains("100127"), "{bad:?}");
}

fn pulls(session: &Session) {
    let _ = session.run(&["queues", "consumer", "http", "add", "mails", "--batch-size", "1"]);
    assert_eq!(get_json(&session.url("/send")), "sent");
    let id = session.api("GET", "/queues?name=mails", &Value::Null)[0]["queue_id"].clone();
    let path = format!("/queues/{}/messages/pull", id.as_str().unwrap());
    let pulled = session.api("POST", &path, &json!({}));
    assert_eq!(pulled["messages"][0]["body"], r#"{"to":"a"}"#);
    assert_eq!(pulled["message_backlog_count"], 2);
    let purged = session.run(&["queues", "purge", "mails", "--force"]);
    assert!(purged.stdout.contains("Purged Queue 'mails'"), "{purged:?}");
    assert_eq!(session.api("POST", &path, &json!({}))["message_backlog_count"], 0);
    let _ = session.run(&["queues", "consumer", "http", "remove", "mails"]);
}

fn deletes(session: &Session) {
    let bound = session.try_run(&["queues", "delete", "mails"]);
    assert!(bound.stderr.contains("11005"), "{bound:?}");
    let _ = session.run(&["delete", "--force"]);
    let _ = session.run(&["queues", "delete", "mails"]);
    let _ = session.run(&["queues", "delete", "dead-mails"]);
    let list = session.run(&["queues", "list"]);
    assert!(!list.stdout.contains("mails"), "{list:?}");
}
