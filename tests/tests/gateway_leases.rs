//! Deployments and others that write to the same Worker, through one gateway.

#![cfg(unix)]

use clodo_tests::{Gateway, Request, Run, Sandbox, Schema};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

const DEPLOY: [&str; 5] = ["deploy", "--platform", "cloudflare", "--yes", "--json=events"];
/// An upload asks for this first, and goes on when it has the answer.
const FIRST_CALL: &str = "POST /accounts/*/workers/scripts/*/assets-upload-session";

/// A cloud behind a gateway, and one Worker with assets, deployed once.
struct World {
    sandbox: Sandbox,
    gateway: Gateway,
    settings: Vec<(String, String)>,
    /// What the deployments call: the gateway, unless a test says otherwise.
    base: String,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach"]).exits(0);
        let settings = sandbox.settings();
        let gateway = Gateway::start(&sandbox, &["--cache", "0"]);
        sandbox.write(
            "clodo.toml",
            "[portfolio]\nname = \"shop\"\n[services.shop]\npath = \"shop\"\n",
        );
        let base = gateway.base_url().to_owned();
        let world = Self { sandbox, gateway, settings, base };
        project(&world.sandbox, "one");
        let _ = world.deploy(&world.sandbox).exits(0);
        world
    }

    fn setting(&self, name: &str) -> &str {
        let found = self.settings.iter().find(|(known, _)| known == name);
        &found.expect("a setting").1
    }

    /// `clodo-deploy` through the gateway, with locks that last ten seconds.
    fn command(&self, sandbox: &Sandbox, words: &[&str]) -> Command {
        let mut command = sandbox.command("clodo-deploy", words);
        command.env("CLOUDFLARE_API_BASE_URL", &self.base);
        for name in ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"] {
            command.env(name, self.setting(name));
        }
        command.env("CLODO_LEASE_TIME", "10s");
        command
    }

    fn deploy(&self, sandbox: &Sandbox) -> Run {
        self.command(sandbox, &DEPLOY).output().expect("clodo-deploy starts").into()
    }

    /// Begins a deployment and stops it in the middle of its upload, whose first call is slow.
    fn stopped(&self) -> Stopped {
        self.ask(
            "POST",
            "/clodo/faults",
            &json!({ "kind": "slow", "delay": "3s", "route": FIRST_CALL }),
        );
        let mut command = self.command(&self.sandbox, &DEPLOY);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut events = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut line = String::new();
        while !(line.contains("step_started") && line.contains("upload")) {
            line.clear();
            assert!(events.read_line(&mut line).expect("a line") > 0, "it ended too soon");
        }
        // What it waits for has come to the cloud, and is answered while it stands still.
        self.until(|| self.ask("GET", "/clodo/faults", &Value::Null)[0]["hit"] == 1);
        let stopped = Stopped { child, events };
        stopped.signal("-STOP");
        self.ask("DELETE", "/clodo/faults", &Value::Null);
        stopped
    }

    /// Asks again and again, for half a minute at most: what it waits for is a lease's end at the latest.
    #[track_caller]
    fn until(&self, is_so: impl Fn() -> bool) {
        let pause = Duration::from_millis(50);
        for _ in 0..600 {
            if is_so() {
                return;
            }
            thread::sleep(pause);
        }
        panic!("it does not come about");
    }

    fn send(&self, method: &str, url: &str, body: &Value) -> (u16, Value) {
        let token = format!("authorization: Bearer {}", self.setting("CLOUDFLARE_API_TOKEN"));
        let headers = [token.as_str(), "content-type: application/json"];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request { method, url, headers: &headers, body: &body };
        let answer = request.send().expect("somebody answers");
        (answer.status, answer.json())
    }

    /// A call of the local Cloudflare itself.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let base = self.setting("CLOUDFLARE_API_BASE_URL").replace("/client/v4", "");
        let (status, answer) = self.send(method, &format!("{base}{path}"), body);
        assert_eq!(status, 200, "{method} {path}: {answer:#}");
        answer["result"].clone()
    }

    /// A write as somebody makes it who knows nothing of leases, through the gateway.
    fn by_hand(&self) -> (u16, Value) {
        let account = self.setting("CLOUDFLARE_ACCOUNT_ID");
        let path = format!("/accounts/{account}/workers/scripts/{}/secrets", self.worker());
        let secret = json!({ "name": "BY_HAND", "text": "x", "type": "secret_text" });
        self.send("PUT", &format!("{}{path}", self.gateway.base_url()), &secret)
    }

    fn worker(&self) -> String {
        let account = self.setting("CLOUDFLARE_ACCOUNT_ID");
        let scripts = self.ask(
            "GET",
            &format!("/client/v4/accounts/{account}/workers/scripts"),
            &Value::Null,
        );
        assert_eq!(scripts.as_array().map(Vec::len), Some(1), "{scripts:#}");
        scripts[0]["id"].as_str().expect("a name").to_owned()
    }

    /// Writes that arrived at the cloud so far.
    fn writes(&self) -> Vec<Value> {
        let lines = self.ask("GET", "/clodo/requests?limit=10000", &Value::Null);
        let lines = lines.as_array().expect("a list").clone();
        let writes =
            |line: &Value| line["method"] != "GET" && !line["path"].to_string().contains("/clodo/");
        lines.into_iter().filter(writes).collect()
    }

    /// Calls that the gateway refused for a lease, by its word for why.
    fn refused(&self) -> Vec<String> {
        let calls = self.gateway.calls();
        let words = calls.iter().filter_map(|call| {
            Schema::of("clodo-gateway").check("call", call);
            call["refused"].as_str().filter(|word| word.starts_with("lease_"))
        });
        words.map(str::to_owned).collect()
    }
}

/// A deployment that stands still.
struct Stopped {
    child: Child,
    events: BufReader<ChildStdout>,
}

impl Stopped {
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is `kill`").success());
    }

    /// Lets it go on to its end: its exit code, and what it said on the way.
    fn goes_on(mut self) -> (Option<i32>, String) {
        self.signal("-CONT");
        let mut rest = String::new();
        while self.events.read_line(&mut rest).expect("a line") > 0 {}
        (self.child.wait().expect("it ends").code(), rest)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Worker with this text in it and in its one asset. It has no URL: nothing is probed.
fn project(sandbox: &Sandbox, text: &str) {
    let config = json!({
        "name": "shop",
        "main": "index.js",
        "compatibility_date": "2026-04-01",
        "workers_dev": false,
        "assets": { "directory": "public" },
    });
    sandbox.write("shop/wrangler.jsonc", config.to_string());
    sandbox.write(
        "shop/index.js",
        format!("export default {{ fetch() {{ return new Response('{text}') }} }};"),
    );
    sandbox.write("shop/public/page.txt", text);
}

/// Stops a deployment until another has taken its lease over and come to its end, and lets it go
/// on then: what it said, and the writes that arrived from then on.
fn overtaken(world: &World) -> (String, Vec<Value>) {
    project(&world.sandbox, "stale");
    let stale = world.stopped();
    let locks = ["locks", "--platform", "cloudflare", "--json"];
    let held = || {
        let run: Run = world.command(&world.sandbox, &locks).output().expect("it starts").into();
        run.exits(0).json()["locks"] != json!([])
    };
    assert!(held());
    world.until(|| !held());
    project(&world.sandbox, "newer");
    let newer = world.deploy(&world.sandbox).exits(0);
    assert!(newer.stdout.contains("interrupted_found"), "{newer:?}");
    assert_eq!(world.refused(), [""; 0]);
    let before = world.writes().len();
    assert!(before > 4);
    let (code, said) = stale.goes_on();
    assert_eq!(code, Some(6), "{said}");
    (said, world.writes().split_off(before))
}

#[test]
fn of_a_deployment_that_was_stopped_past_its_lease_no_write_passes_the_gateway() {
    let world = World::new();
    let (said, writes) = overtaken(&world);
    let refused = world.refused();
    assert!(!refused.is_empty(), "it tried to write nothing, which proves nothing: {said}");
    assert!(refused.iter().all(|word| word == "lease_superseded"), "{refused:?}");
    assert_eq!(writes, [json!(null); 0], "stale writes");
    assert!(said.contains("lease `deploy/shop` number 2 is over: process "), "{said}");
    assert!(said.contains("\"kind\":\"locked\""), "{said}");
    // What the newer one deployed is what there is.
    let rest = world.deploy(&world.sandbox).exits(0);
    assert!(rest.stdout.contains("nothing_to_do"), "{rest:?}");
}

#[test]
fn without_the_gateway_a_write_of_it_arrives() {
    let mut world = World::new();
    world.base = world.setting("CLOUDFLARE_API_BASE_URL").to_owned();
    let (said, writes) = overtaken(&world);
    assert!(!writes.is_empty(), "then the test above proves nothing: {said}");
}

#[test]
fn what_a_deployment_writes_to_is_nobody_else_s_until_it_has_ended() {
    let world = World::new();
    assert_eq!(world.by_hand().0, 200);
    project(&world.sandbox, "two");
    let deployment = world.stopped();
    let status = world.gateway.run(&world.sandbox, &["status", "--json"]).exits(0).json();
    Schema::of("clodo-gateway").check("status", &status);
    let lease = &status["leases"][0];
    assert_eq!(
        (&lease["name"], &lease["number"]),
        (&json!("deploy/shop"), &json!(2)),
        "{status:#}"
    );
    assert_eq!(lease["holds"][0]["name"], world.worker(), "{status:#}");
    let text = world.gateway.run(&world.sandbox, &["status"]).exits(0).stdout;
    assert!(text.contains("lease deploy/shop 2: ") && text.contains("\n    Worker shop"), "{text}");

    let before = world.writes().len();
    let (status, answer) = world.by_hand();
    let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
    assert_eq!(status, 409, "{answer:#}");
    assert!(
        message.contains("is held by process") && message.contains("`deploy/shop`"),
        "{message}"
    );
    // Another portfolio that wants the same Worker.
    let other = Sandbox::empty();
    other.write("clodo.toml", "[portfolio]\nname = \"other\"\n[services.shop]\npath = \"shop\"\n");
    project(&other, "other");
    let mut adopts = world.command(&other, &[&DEPLOY[..4], &["--adopt", "--json"]].concat());
    let adopts: Run = adopts.output().expect("it starts").into();
    let adopts = adopts.exits(6);
    let document = adopts.json();
    let said = document["error"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("is held by process") && said.contains("since "), "{document:#}");
    assert_eq!(world.refused()[..2], ["lease_held"; 2]);
    assert_eq!(world.writes().len(), before);

    let (code, said) = deployment.goes_on();
    assert_eq!(code, Some(0), "{said}");
    // It gave its lease back: nobody waits for its end.
    assert_eq!(world.by_hand().0, 200);
    let status = world.gateway.run(&world.sandbox, &["status", "--json"]).exits(0).json();
    assert_eq!(status["leases"], json!([]));
}

#[test]
fn a_lease_time_that_makes_no_sense_is_exit_2() {
    let world = World::new();
    for (time, says) in [("1s", "too short"), ("2h", "too long"), ("10", "has no unit")] {
        let mut command = world.command(&world.sandbox, &DEPLOY);
        let run: Run = command.env("CLODO_LEASE_TIME", time).output().expect("it starts").into();
        let run = run.exits(2);
        assert!(run.stderr.contains(says) && run.stderr.contains("from 10s to 30m"), "{run:?}");
    }
}
