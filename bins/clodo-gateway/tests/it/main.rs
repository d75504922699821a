//! The program, as somebody at a terminal meets it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use assert_cmd::Command;
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Stdio},
};

fn program(folder: &Path, args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("clodo-gateway"));
    command.env_clear().current_dir(folder).args(args).stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> Command {
    Command::from_std(program(folder, args))
}

/// An API that says yes to everything; its base URL.
fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n")
                && stream.read(&mut byte).is_ok_and(|count| count > 0)
            {
                head.push(byte[0]);
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\
                connection: close\r\n\r\n{\"success\":true}";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://127.0.0.1:{port}/client/v4")
}

/// A gateway that runs; it is killed when the test ends.
struct Gateway {
    child: Child,
    stdout: BufReader<ChildStdout>,
    port: String,
}

impl Gateway {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let args = [&["run", "--port", "0", "--json=events"][..], more].concat();
        let mut child =
            program(folder, &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let report: Value = serde_json::from_str(&line).unwrap();
        Self { child, stdout, port: report["port"].to_string() }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_gateway_is_found_pointed_at_and_logs_what_passes() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = upstream();
    let gateway = Gateway::start(folder.path(), &["--upstream", &upstream]);
    assert!(gateway.get("/client/v4/zones").contains("{\"success\":true}"));
    let port = gateway.port.clone();
    let at = ["--port", &port];
    let status = run(folder.path(), &[&["status"], &at[..]].concat()).assert().success();
    let status = String::from_utf8_lossy(&status.get_output().stdout).into_owned();
    assert!(status.contains(&upstream) && status.contains("calls: 1 (1 to the API"), "{status}");
    let env = run(folder.path(), &[&["env"], &at[..]].concat()).assert().success();
    let env = String::from_utf8_lossy(&env.get_output().stdout).into_owned();
    let base = format!("http://127.0.0.1:{port}/client/v4");
    for name in ["CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_BASE_URL"] {
        assert!(env.contains(&format!("export {name}='{base}'\n")), "{env}");
    }
    drop(gateway);
    let log = std::fs::read_to_string(folder.path().join(".clodo/gateway.jsonl")).unwrap();
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["route"], &line["status"]), (&"/zones".into(), &200.into()));
    assert!(folder.path().join(".clodo/.gitignore").exists());
    run(folder.path(), &[&["env"], &at[..]].concat()).assert().code(1);
    let status = run(folder.path(), &[&["status"], &at[..]].concat()).assert().success();
    assert_eq!(String::from_utf8_lossy(&status.get_output().stdout), "not running\n");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start(folder.path(), &["--upstream", &upstream()]);
    gateway.get("/client/v4/zones");
    let pid = gateway.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    gateway.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "the document came at the start");
}

#[test]
fn wrong_usage_a_taken_port_and_a_bad_log_have_codes_and_hints() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, code, says) in [
        (&["run", "--port", &port][..], 7, "`--port` names another port"),
        (
            &["run", "--port", "0", "--upstream", "http://10.0.0.7/client/v4"],
            2,
            "--allow-plain-http",
        ),
        (&["run", "--upstream", "api.cloudflare.com"], 2, "only `http` and `https`"),
        (&["run", "--upstream", "https://me:pw@a.test/"], 2, "clients bring their own token"),
        (&["run", "--budget", "30"], 2, "such as `30/10s`"),
        (&["run", "--cache", "soon"], 2, "written like 500ms"),
        (&["run", "--timeout", "0"], 2, "leaves no time"),
        (&["run", "--port", "0", "--log", "no/such/folder/x"], 1, "`--log` names another file"),
        (&["run", "--port", "0", "--project", "nowhere"], 2, "`--project` names the folder"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
    ] {
        let failed = run(folder.path(), args).assert().code(code);
        let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn something_else_at_the_port_is_not_taken_for_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let other = upstream();
    let port = other.trim_end_matches("/client/v4").rsplit(':').next().unwrap().to_owned();
    run(folder.path(), &["status", "--port", &port]).assert().code(7);
    run(folder.path(), &["env", "--port", &port]).assert().code(7);
}
