//! Runners carry out what somebody else enqueued, from the shared state alone.

#![cfg(unix)]

use clodo_postgres_fixture::PostgresServer;
use clodo_tests::{Run, Sandbox, Schema, get_json};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

const ENQUEUE: [&str; 8] =
    ["deploy", "--enqueue", "--customer", "acme", "--yes", "--json", "--reason", "a test"];

/// The storefront with its state in PostgreSQL.
struct Team {
    server: PostgresServer,
    sandbox: Sandbox,
}

impl Team {
    fn new() -> Option<Self> {
        let server = PostgresServer::start()?;
        let sandbox = Sandbox::storefront();
        let named = format!("platform = \"local\"\nstate = \"{}\"", server.database());
        sandbox.edit("clodo.toml", "platform = \"local\"", &named);
        Some(Self { server, sandbox })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command("clodo-deploy", words);
        command.env("CLODO_STATE_PASSWORD", self.server.password());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[&str]) -> Run {
        self.command(words).output().expect("clodo-deploy starts").into()
    }

    fn enqueue(&self) -> Value {
        let report = self.run(&ENQUEUE).exits(0).json();
        Schema::of("clodo-deploy").check("enqueued", &report);
        report
    }

    /// What became of the deployments, the newest first.
    fn past(&self) -> Vec<(Value, Value)> {
        let list = self.run(&["deployments", "--json"]).exits(0).json();
        let list = list["deployments"].as_array().expect("a list").clone();
        list.into_iter().map(|past| (past["id"].clone(), past["state"].clone())).collect()
    }
}

/// A runner whose lines are heard as they come.
struct Runner(Child);

impl Runner {
    fn start(team: &Team, name: &'static str, heard: &Sender<(&'static str, String)>) -> Self {
        let mut child = team.command(&["runner", "--json=events"]).spawn().expect("it starts");
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            out.map(|out| Box::new(out) as Box<dyn Read + Send>),
            err.map(|err| Box::new(err) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let heard = heard.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = heard.send((name, line));
                }
            });
        }
        Self(child)
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(sent.expect("there is `kill`").success());
    }

    fn code(&mut self) -> Option<i32> {
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Listens until a runner says what is waited for, and tells which one said it.
#[track_caller]
fn until(heard: &Receiver<(&'static str, String)>, word: &str) -> (&'static str, String) {
    let mut all = Vec::new();
    while let Ok((name, line)) = heard.recv_timeout(std::time::Duration::from_secs(120)) {
        if line.contains(word) {
            return (name, line);
        }
        all.push(format!("{name}: {line}"));
    }
    panic!("nobody said {word:?}:\n{}", all.join("\n"));
}

/// The document with which a runner ends.
#[track_caller]
fn last(heard: &Receiver<(&'static str, String)>) -> Value {
    let (_, line) = until(heard, "\"finished\"");
    let mut document: Value = serde_json::from_str(&line).expect("JSON");
    document.as_object_mut().expect("an object").remove("event");
    Schema::of("clodo-deploy").check("runner", &document);
    document
}

#[test]
fn a_runner_that_is_killed_is_taken_over_by_the_other() {
    let Some(team) = Team::new() else { return };
    let (tell, heard) = channel();
    let mut one = Runner::start(&team, "one", &tell);
    let mut two = Runner::start(&team, "two", &tell);
    let ready = [until(&heard, "Waiting for").0, until(&heard, "Waiting for").0];
    assert_ne!(ready[0], ready[1]);
    let order = team.enqueue();
    let (busy, _) = until(&heard, "\"step_done\"");
    let (dead, alive) = if busy == "one" { (&one, &mut two) } else { (&two, &mut one) };
    dead.signal("-KILL");
    until(&heard, "\"interrupted_found\"");
    until(&heard, "\"completed\"");
    // Told to end, it has nothing left to do.
    alive.signal("-INT");
    assert_eq!(alive.code(), Some(0));
    let document = last(&heard);
    assert_eq!(document["jobs"][0]["job"], order["deployment_id"], "{document:#}");
    assert_eq!(document["jobs"][0]["outcome"], "done");
    assert_eq!(document["jobs"][0]["attempt"], 2);
    let second = document["jobs"][0]["deployment_id"].clone();
    let first = (order["deployment_id"].clone(), json!("superseded"));
    assert_eq!(team.past(), [(second, json!("done")), first]);
    let report = team.run(&["deploy", "--customer", "acme", "--yes", "--json"]).exits(0).json();
    assert_eq!(report["outcome"], "nothing_to_do", "{report:#}");
    for target in report["targets"].as_array().expect("targets") {
        let url = target["urls"][0].as_str().expect("a URL");
        assert_eq!(get_json(&format!("{url}/health"))["customer"], "acme");
    }
}

#[test]
fn a_state_that_goes_away_in_the_middle_and_comes_back_costs_nothing() {
    let Some(team) = Team::new() else { return };
    let (tell, heard) = channel();
    let mut runner = Runner::start(&team, "runner", &tell);
    let order = team.enqueue();
    until(&heard, "\"step_done\"");
    team.server.stop();
    team.server.restart();
    until(&heard, "\"completed\"");
    runner.signal("-INT");
    assert_eq!(runner.code(), Some(0));
    let document = last(&heard);
    assert_eq!(document["jobs"][0]["outcome"], "done", "{document:#}");
    assert_eq!(document["jobs"][0]["attempt"], 1, "nobody had to begin anew");
    assert_eq!(team.past(), [(order["deployment_id"].clone(), json!("done"))]);
    let report = team.run(&["deploy", "--customer", "acme", "--yes", "--json"]).exits(0).json();
    assert_eq!(report["outcome"], "nothing_to_do", "{report:#}");
}

#[test]
fn a_runner_that_is_told_to_end_does_what_it_has_begun() {
    let Some(team) = Team::new() else { return };
    let (first, second) = (team.enqueue(), team.enqueue());
    let (tell, heard) = channel();
    let mut runner = Runner::start(&team, "runner", &tell);
    until(&heard, "\"step_done\"");
    runner.signal("-INT");
    assert_eq!(runner.code(), Some(0));
    let document = last(&heard);
    assert_eq!(document["jobs"].as_array().map(Vec::len), Some(1), "{document:#}");
    assert_eq!(document["jobs"][0]["job"], first["deployment_id"]);
    assert_eq!(document["jobs"][0]["outcome"], "done");
    // The second one still waits, and there is nothing left to change.
    let rest = team.run(&["runner", "--until-empty", "--json"]).exits(0).json();
    assert_eq!(rest["jobs"][0]["job"], second["deployment_id"], "{rest:#}");
    assert_eq!(rest["jobs"].as_array().map(Vec::len), Some(1));
    assert_eq!(team.past().len(), 1);
}

#[test]
fn a_runner_that_lacks_a_secret_leaves_the_job_to_one_that_has_it() {
    let Some(team) = Team::new() else { return };
    team.sandbox.edit(
        "clodo.toml",
        "{ generate = \"local\", kind = \"jwt\" }",
        "{ kind = \"jwt\" }",
    );
    let order = team.enqueue();
    let needed = order["requires"][0].as_str().expect("a secret");
    assert!(needed.contains("ORDER_SIGNING_KEY"), "{order:#}");
    let (tell, heard) = channel();
    let mut lacking = Runner::start(&team, "lacking", &tell);
    assert!(until(&heard, "this runner lacks").1.contains(needed));
    let refused = team.run(&["runner", "--until-empty", "--json"]).exits(2);
    assert!(refused.stderr.contains("this runner lacks"), "it does not wait: {}", refused.stderr);
    let mut able = team.command(&["runner", "--until-empty", "--json"]);
    let value = "a-value-that-only-the-runner-knows-0123456789";
    let able = able.env("CLODO_SECRET_ORDER_SIGNING_KEY", value).output().expect("it starts");
    let able = Run::from(able).exits(0);
    assert_eq!(able.json()["jobs"][0]["outcome"], "done", "{able:?}");
    assert!(!format!("{able:?}").contains(value));
    lacking.signal("-INT");
    assert_eq!(lacking.code(), Some(0));
    assert_eq!(last(&heard)["jobs"], json!([]));
}
