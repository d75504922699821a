//! A deployment is paused, continued, aborted, watched and gone on with from another terminal.

#![cfg(unix)]

use clodo_tests::{Run, Sandbox, Schema};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Stdio},
};

const DEPLOY: [&str; 6] = ["deploy", "--platform", "local", "--yes", "--customer", "acme"];
const LOCAL: [&str; 3] = ["--platform", "local", "--json"];

/// A project whose local Cloudflare takes its time for each upload.
fn slow() -> Sandbox {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    let route = "PUT /accounts/*/workers/scripts/*";
    let _ = sandbox.local(&["faults", "add", "slow", "--route", route, "--delay", "2s"]).exits(0);
    sandbox
}

/// A deployment that runs beside the test.
struct Running {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it, and waits until the journal knows it.
    fn start(sandbox: &Sandbox, more: &[&str]) -> (Self, String) {
        let words = [&DEPLOY[..], &["--json=events"], more].concat();
        let mut command = sandbox.command("clodo-deploy", &words);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let events = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut running = Self { child, events };
        let opened = running.wait_for("opened");
        let id = opened["deployment_id"].as_str().expect("an id").to_owned();
        let _ = running.wait_for("step_started");
        (running, id)
    }

    /// Reads on to the next event of this kind.
    #[track_caller]
    fn wait_for(&mut self, event: &str) -> Value {
        let mut lines = self.events.by_ref().map_while(Result::ok);
        let parsed = |line: String| serde_json::from_str::<Value>(&line).expect("JSON");
        let found = lines.by_ref().map(parsed).find(|found| found["event"] == event);
        found.unwrap_or_else(|| panic!("it ended without `{event}`"))
    }

    fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Its last line, and its exit code.
    fn end(mut self) -> (Value, Option<i32>) {
        let last = self.wait_for("finished");
        (last, self.child.wait().expect("it ends").code())
    }
}

fn on_local(sandbox: &Sandbox, words: &[&str]) -> Run {
    sandbox.deploy(&[words, &LOCAL].concat())
}

#[test]
fn a_deployment_is_paused_continued_and_watched_from_another_terminal() {
    let (schema, sandbox) = (Schema::of("clodo-deploy"), slow());
    let (mut running, id) = Running::start(&sandbox, &["--reason", "a try"]);
    let watch = [&["watch"], &LOCAL[..]].concat();
    let watcher = sandbox
        .command("clodo-deploy", &watch)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let told = on_local(&sandbox, &["pause", "--reason", "lunch"]).exits(0).json();
    schema.check("signal", &told);
    assert_eq!((&told["deployment_id"], &told["signal"]), (&Value::from(&*id), &"pause".into()));
    let _ = running.wait_for("paused");
    let locks = on_local(&sandbox, &["locks"]).exits(0).json();
    schema.check("locks", &locks);
    assert_eq!(
        (&locks["locks"][0]["name"], &locks["locks"][0]["alive"]),
        (&"deploy/storefront".into(), &true.into())
    );
    let _ = on_local(&sandbox, &["continue", &id]).exits(0);
    let _ = running.wait_for("resumed");
    let (last, code) = running.end();
    assert_eq!((&last["outcome"], code), (&"done".into(), Some(0)));

    let watched = Run::from(watcher.wait_with_output().expect("it ends")).exits(0);
    schema.check("record", &watched.json());
    assert_eq!(watched.json()["deployment"]["why"], "a try");
    let record = on_local(&sandbox, &["deployments", &id]).exits(0).json();
    assert_eq!(record["steps"], watched.json()["steps"]);
    let _ = on_local(&sandbox, &["pause", &id]).exits(2);
    assert_eq!(on_local(&sandbox, &["locks"]).exits(0).json()["locks"], Value::Array(Vec::new()));
}

#[test]
fn an_aborted_deployment_takes_back_what_it_did() {
    let (schema, sandbox) = (Schema::of("clodo-deploy"), slow());
    let (running, id) = Running::start(&sandbox, &[]);
    schema.check(
        "signal",
        &on_local(&sandbox, &["abort", "--reason", "wrong branch"]).exits(0).json(),
    );
    let watched = on_local(&sandbox, &["watch", &id]).exits(130).json();
    schema.check("record", &watched);
    assert_eq!(watched["error"]["kind"], "interrupted");
    let (last, code) = running.end();
    // The migrations stay.
    assert_eq!((&last["outcome"], code), (&"partly_done".into(), Some(130)), "{last:#}");
    let steps = watched["steps"].as_array().expect("steps");
    let states = |kind: &'static str| steps.iter().filter(move |step| step["kind"] == kind);
    assert!(states("upload").all(|step| step["state"] != "done"), "{watched:#}");
    assert!(states("migrate").any(|step| step["state"] == "kept"), "{watched:#}");
}

#[test]
fn a_deployment_whose_process_died_is_gone_on_with_or_taken_back() {
    let sandbox = slow();
    let (running, id) = Running::start(&sandbox, &[]);
    running.kill();
    for words in [["pause", &*id], ["continue", &*id], ["watch", &*id]] {
        let said = on_local(&sandbox, &words).exits(5);
        assert_eq!(said.json()["error"]["kind"], "interrupted", "{words:?}");
    }
    let code = "services/catalog/src/index.ts";
    sandbox.edit(code, "export default {", "console.debug(1);\nexport default {");
    let refused = on_local(&sandbox, &["resume", "--yes"]).exits(3);
    assert!(refused.stderr.contains("files-changed"), "{}", refused.stderr);
    sandbox.edit(code, "console.debug(1);\n", "");
    let _ = sandbox.local(&["faults", "clear"]).exits(0);
    assert_eq!(on_local(&sandbox, &["resume", &id, "--yes"]).exits(0).json()["outcome"], "done");
    let _ = on_local(&sandbox, &["resume"]).exits(2);

    sandbox.edit(code, "export default {", "console.debug(2);\nexport default {");
    let route = "PUT /accounts/*/workers/scripts/*";
    let _ = sandbox.local(&["faults", "add", "slow", "--route", route, "--delay", "2s"]).exits(0);
    let (running, id) = Running::start(&sandbox, &[]);
    running.kill();
    let _ = on_local(&sandbox, &["abort", &id, "--yes"]).exits(0);
    let past = on_local(&sandbox, &["deployments"]).exits(0).json();
    let state = |id: &str| {
        let all = past["deployments"].as_array().expect("deployments");
        all.iter().find(|one| one["id"] == id).map(|one| one["state"].clone())
    };
    assert_eq!(state(&id), Some("superseded".into()), "{past:#}");
}

#[test]
fn no_word_is_left_with_a_dead_deployment_while_another_one_plans() {
    let sandbox = slow();
    let (running, dead) = Running::start(&sandbox, &[]);
    running.kill();
    let route = "GET /accounts/*/workers/scripts";
    let _ = sandbox.local(&["faults", "add", "slow", "--route", route, "--delay", "20s"]).exits(0);
    let words = [&DEPLOY[..], &["--json"]].concat();
    let mut planning = sandbox
        .command("clodo-deploy", &words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    while on_local(&sandbox, &["locks"]).exits(0).json()["locks"][0]["alive"] != true {
        assert!(planning.try_wait().expect("it can be asked").is_none(), "it ended before that");
    }
    for words in [["pause", &*dead], ["continue", &*dead], ["watch", &*dead]] {
        let said = on_local(&sandbox, &words).exits(5);
        assert_eq!(said.json()["error"]["kind"], "interrupted", "{words:?}");
    }
    planning.kill().expect("it is killed");
    planning.wait().expect("it ends");
}

#[test]
fn a_record_can_be_had_in_every_form() {
    let sandbox = Sandbox::storefront();
    let done = sandbox.deploy(&[&DEPLOY[..], &["--json"]].concat()).exits(0).json();
    let id = done["deployment_id"].as_str().expect("an id");
    let of = |format: &str| {
        let words = ["deployments", id, "--platform", "local", "--format", format];
        sandbox.deploy(&words).exits(0).stdout
    };
    assert!(of("text").contains("State          done"));
    assert_eq!(serde_json::from_str::<Value>(&of("json")).expect("JSON")["deployment"]["id"], id);
    assert!(of("junit").starts_with("<?xml") && of("csv").starts_with("\"deployment_id\""));
    let file = sandbox.project().join("r.html");
    let path = file.to_str().expect("a plain path");
    let words = ["deployments", id, "--platform", "local", "--format", "html", "--out", path];
    let _ = sandbox.deploy(&words).exits(0);
    let page = std::fs::read_to_string(file).expect("it was written");
    assert!(page.contains("<svg") && page.contains(id));
    let _ = on_local(&sandbox, &["deployments", "0199c0de-0000-7000-8000-000000000001"]).exits(2);
}

#[test]
fn a_deployment_that_takes_too_long_is_taken_back() {
    let sandbox = slow();
    let words = [&DEPLOY[..], &["--timeout", "300ms", "--json"]].concat();
    let ended = sandbox.deploy(&words).exits(5).json();
    assert_eq!(ended["error"]["kind"], "timeout", "{ended:#}");
    assert_eq!(ended["outcome"], "partly_done", "what was migrated holds data: {ended:#}");
    let status = on_local(&sandbox, &["status", "--customer", "acme"]).exits(0).json();
    let targets = status["targets"].as_array().expect("targets");
    assert!(targets.iter().all(|target| target["fate"] == "create"), "{status:#}");
    let wrong = [&DEPLOY[..], &["--timeout", "soon"]].concat();
    let said = sandbox.deploy(&wrong).exits(2);
    assert!(said.stderr.contains("--timeout"), "{}", said.stderr);
}
