//! Real wrangler, both generations, listens to a Worker of the local Cloudflare.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, Wrangler};
use serde_json::Value;
use std::{
    io::Read as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

const CONFIG: &str = r#"{ "name": "greeter", "main": "index.js", "compatibility_date": "2026-01-01",
    "workers_dev": true }"#;
const CODE: &str = "export default { fetch(request) { const { pathname } = new URL(request.url); \
    console.log('greeting', { pathname }); if (pathname === '/throw') throw new Error('boom'); \
    return new Response('hello'); } };";

/// A `wrangler tail` that runs, and what it has said so far.
struct Tail {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Tail {
    fn start(sandbox: &Sandbox, wrangler: &Wrangler, words: &[&str]) -> Self {
        let words = [&["tail", "greeter"][..], words].concat();
        let mut command = wrangler.command(sandbox, &folder(sandbox), &words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (mut stdout, heard) = (child.stdout.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, said }
    }

    /// Asks the Worker until `wanted` was said; wrangler takes its time to start.
    fn until(&mut self, sandbox: &Sandbox, paths: &[&str], wanted: &str) -> String {
        for _ in 0..2_000 {
            for path in paths {
                let _ = ask(sandbox, path);
            }
            let said = self.said.lock().unwrap().clone();
            if said.contains(wanted) {
                return said;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "wrangler ended: {said}");
        }
        panic!("`{wanted}` was never said: {}", self.said.lock().unwrap());
    }

    /// As somebody at a terminal ends it.
    fn interrupt(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let _ = self.child.wait().unwrap();
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.project().join("greeter")
}

fn ask(sandbox: &Sandbox, path: &str) -> u16 {
    let port = sandbox.status()["port"].as_u64().unwrap();
    let url = format!("http://greeter.local.workers.dev.localhost:{port}{path}");
    Request { method: "GET", url: &url, headers: &[], body: "" }.send().unwrap().status
}

/// The JSON documents in what was said, one after the other.
fn documents(said: &str) -> Vec<Value> {
    let start = said.find('{').unwrap();
    let stream = serde_json::Deserializer::from_str(&said[start..]).into_iter::<Value>();
    stream.map_while(Result::ok).collect()
}

// conformance: tails | wrangler tail | accepted by wrangler 4.86 and 4.164
#[test]
fn wrangler_4_86_tails_a_worker() {
    tails(&Wrangler::v4_86());
}

// conformance: tails | wrangler tail | accepted by wrangler 4.86 and 4.164
#[test]
fn wrangler_4_164_tails_a_worker() {
    tails(&Wrangler::v4_164());
}

fn tails(wrangler: &Wrangler) {
    let sandbox = Sandbox::storefront();
    sandbox.write("greeter/wrangler.jsonc", CONFIG);
    sandbox.write("greeter/index.js", CODE);
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    let _ = wrangler.run(&sandbox, &folder(&sandbox), &["deploy"]).exits(0);

    let words = ["--format", "json", "--status", "error", "--search", "greeting"];
    let mut tail = Tail::start(&sandbox, wrangler, &words);
    // wrangler writes a document with its closing brace at the start of a line.
    let said = tail.until(&sandbox, &["/fine", "/throw"], "\n}");
    let event = &documents(&said)[0];
    assert_eq!((&event["scriptName"], &event["outcome"]), (&"greeter".into(), &"exception".into()));
    assert_eq!(event["logs"][0]["message"][1]["pathname"], "/throw");
    assert_eq!(event["exceptions"][0]["message"], "boom");
    assert!(event["scriptVersion"]["id"].is_string(), "{event}");
    tail.interrupt();

    let mut tail = Tail::start(&sandbox, wrangler, &["--format", "pretty"]);
    let said = tail.until(&sandbox, &["/pretty"], "/pretty - Ok");
    assert!(said.contains("(log) greeting"), "{said}");
    tail.interrupt();
}
