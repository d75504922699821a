use crate::{run::Run, sandbox::Sandbox};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
};

/// A running `clodo-gateway`, in front of the sandbox's local Cloudflare unless told otherwise. It
/// is ended when this is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    report: Value,
}

impl Gateway {
    /// Starts it with these words after `run`, at a free port.
    ///
    /// # Panics
    /// When it does not start, or the local Cloudflare does not run.
    #[must_use]
    pub fn start(sandbox: &Sandbox, words: &[&str]) -> Self {
        let upstream =
            sandbox.status()["api_base_url"].as_str().expect("a running cloud").to_owned();
        let run = ["run", "--port", "0", "--json=events", "--upstream", &upstream];
        let mut command = sandbox.command("clodo-gateway", &[&run[..], words].concat());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("clodo-gateway starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("its stdout is a pipe"));
        stdout.read_line(&mut line).expect("clodo-gateway says where it is");
        let mut report: Value = serde_json::from_str(&line).expect("a document");
        if let Some(fields) = report.as_object_mut() {
            fields.remove("event");
        }
        Self { child, report }
    }

    /// What it printed when it was ready.
    #[must_use]
    pub fn report(&self) -> &Value {
        &self.report
    }

    /// What clients call their base URL.
    ///
    /// # Panics
    /// Never: it has one.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.report["api_base_url"].as_str().expect("a base URL")
    }

    /// Another command of the program, about this gateway.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn run(&self, sandbox: &Sandbox, words: &[&str]) -> Run {
        let port = self.report["port"].to_string();
        let words = [words, &["--port", &port]].concat();
        sandbox.command("clodo-gateway", &words).output().expect("clodo-gateway starts").into()
    }

    /// The lines of its log so far.
    ///
    /// # Panics
    /// When there is no log, or a line is no JSON.
    #[must_use]
    pub fn calls(&self) -> Vec<Value> {
        let path = PathBuf::from(self.report["log"].as_str().expect("a log"));
        let text = fs::read_to_string(path).expect("the log can be read");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
