//! The program, as somebody at a terminal meets it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod snapshots;
mod told;

use assert_cmd::Command;
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// A project folder; its cloud is stopped when the test ends.
struct Project {
    folder: tempfile::TempDir,
    workerd: PathBuf,
}

impl Project {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), workerd: workerd() }
    }

    fn run(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("clodo-local").unwrap();
        command.env_clear().env("CLODO_WORKERD", &self.workerd).current_dir(self.folder.path());
        command.args(args);
        command
    }

    fn text(&self, args: &[&str]) -> String {
        let done = self.run(args).assert().success();
        String::from_utf8(done.get_output().stdout.clone()).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(args)).unwrap()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join(".clodo/local")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.run(&["down"]).output();
    }
}

/// `CLODO_WORKERD`, else the pinned one from the cache, installed if need be.
fn workerd() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test is a program")]
    let environment = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    if let Some(path) = environment("CLODO_WORKERD") {
        return path.into();
    }
    let cache = clodo_npm::NpmCache::new(clodo_npm::cache_root(&environment).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pinned = clodo_npm::workerd().unwrap();
    runtime.block_on(cache.ensure(&pinned)).unwrap().binary().to_owned()
}

#[test]
fn a_cloud_in_the_background_is_found_pointed_at_stopped_and_forgotten() {
    let project = Project::new();
    assert_eq!(project.text(&["status"]), "not running\n");
    let up = project.json(&["up", "--detach", "--zone", "acme.test", "--json"]);
    assert_eq!((&up["outcome"], &up["running"]), (&"done".into(), &true.into()));
    let again = project.json(&["up", "--detach", "--json"]);
    assert_eq!(again["pid"], up["pid"], "one project has one cloud");
    assert_eq!(project.json(&["status", "--json"])["url"], up["url"]);
    let environment = project.text(&["env"]);
    let base =
        format!("export CLOUDFLARE_API_BASE_URL='{}/client/v4'", up["url"].as_str().unwrap());
    assert!(environment.contains(&base), "{environment}");
    assert!(environment.contains("export CLOUDFLARE_API_TOKEN='"));
    project.text(&["logs"]);
    assert_eq!(project.text(&["down"]), "stopped\n");
    assert_eq!(project.text(&["down"]), "nothing was running\n");
    project.run(&["env"]).assert().code(1);
    project.text(&["reset", "--yes"]);
    assert!(!project.state().exists());
}

#[test]
fn a_taken_port_a_missing_workerd_and_a_wrong_config_have_codes_of_their_own() {
    let project = Project::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for detach in [&["up", "--port", &port][..], &["up", "--detach", "--port", &port]] {
        let failed = project.run(detach).assert().code(7);
        let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(said.contains("is taken by another program"), "{said}");
        assert!(said.contains("hint: leave out `--port`"), "{said}");
    }
    let missing = project.folder.path().join("no-such-workerd");
    let failed = project.run(&["up"]).env("CLODO_WORKERD", missing).assert().code(7);
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains("there is no such file"), "{said}");
    std::fs::write(project.folder.path().join("clodo.toml"), "[portfolio]\nnmae = \"x\"\n")
        .unwrap();
    let failed = project.run(&["up", "--detach"]).assert().code(2);
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains("clodo.toml:2:1"), "{said}");
}

#[test]
fn limits_faults_tokens_and_requests_of_a_running_cloud() {
    let project = Project::new();
    project.run(&["faults", "list"]).assert().code(1);
    let up = project.json(&["up", "--detach", "--json", "--limits", "40/1h", "--plan", "free"]);
    let shown = project.text(&["limits"]);
    assert!(shown.contains("calls per user: 40/3600s") && shown.contains("plan: free"), "{shown}");
    let token = project.text(&["token", "ci", "--permission", "d1 read", "--account", "local"]);
    let ask = |path: &str| {
        let head = format!(
            "GET /client/v4{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            token.trim()
        );
        talk(&up, &head).unwrap().split(' ').nth(1).unwrap_or("none").to_owned()
    };
    let databases = format!("/accounts/{}/d1/database", up["accounts"][0]["id"].as_str().unwrap());
    assert_eq!((ask(&databases), ask("/user")), ("200".into(), "403".into()));
    let add = ["faults", "add", "html", "--route", "GET /accounts/*/d1/**", "--times", "1"];
    let added = project.json(&[&add[..], &["--status", "503", "--json"]].concat());
    assert_eq!(added["faults"][0]["kind"], "html");
    assert_eq!((ask(&databases), ask(&databases)), ("503".into(), "200".into()));
    assert!(project.text(&["faults", "list"]).contains("1 of 2 calls hit"));
    assert_eq!(project.text(&["faults", "clear"]), "no faults\n");
    project.text(&["limits", "1/1h", "--plan", "none"]);
    assert_eq!((ask(&databases), ask(&databases)), ("200".into(), "429".into()));
    // The log is written by a thread of its own.
    let lines = loop {
        let log = project.json(&["requests", "--route", "/accounts/*/d1/**", "--json"]);
        let lines = log["requests"].as_array().unwrap().clone();
        if lines.len() == 5 {
            break lines;
        }
    };
    assert_eq!((&lines[1]["fault"], &lines[4]["limited"]), (&"html".into(), &true.into()));
    assert_eq!(lines[0]["token"]["name"], "ci");
    let text = project.text(&["requests", "--limit", "1", "--route", "/accounts/*/d1/**"]);
    assert!(text.contains("refused by a limit") && text.lines().count() == 1, "{text}");
    for (args, code) in [
        (&["faults", "add", "boom"][..], 2),
        (&["faults", "clear", "7"], 2),
        (&["limits", "many"], 2),
        (&["token", "x", "--permission", "Workers"], 2),
        (&["token", "x", "--permission", "D1 Read", "--account", "nobody"], 2),
        (&["requests", "--route", "zones"], 2),
        (&["requests", "--follow", "--json"], 2),
        (&["up", "--limits", "many"], 2),
    ] {
        project.run(args).assert().code(code);
    }
}

#[test]
fn up_fails_where_the_running_cloud_has_not_what_was_asked_for() {
    let project = Project::new();
    let up = ["up", "--detach"];
    let begun = [&up[..], &["--zone", "acme.test", "--host", "cloud.test", "--limits", "9/10s"]];
    project.text(&begun.concat());
    project.text(&begun.concat());
    project.text(&up);
    for (more, option, hint) in [
        (&["--limits", "5/10s"][..], "`--limits 5/10s`", "`clodo-local limits 5/10s`"),
        (&["--plan", "free"], "`--plan free`", "`clodo-local limits --plan free`"),
        (&["--outbound", "internet"], "`--outbound internet`", "`clodo-local down`"),
        (&["--durability", "fast"], "`--durability fast`", "`clodo-local down`"),
        (&["--zone", "other.test"], "`--zone other.test`", "`clodo-local down`"),
        (&["--host", "cloud.test", "--host", "b.test"], "`--host b.test`", "`clodo-local down`"),
        (&["--allow-private", "127.0.0.1:9"], "`--allow-private 127.0.0.1:9`", "down"),
        (&["--port-per-worker"], "`--port-per-worker`", "`clodo-local down`"),
        (&["--listen", "0.0.0.0"], "`--listen 0.0.0.0`", "`clodo-local down`"),
    ] {
        let failed = project.run(&[&up[..], more].concat()).assert().code(7);
        let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(said.contains(&format!("without {option}\n")) && said.contains(hint), "{said}");
    }
    let shown = project.text(&["limits"]);
    assert!(shown.contains("calls per user: 9/10s"), "nothing was changed: {shown}");
    project.text(&["limits", "5/10s"]);
    project.text(&[&up[..], &["--limits", "5/10s", "--outbound", "denied"]].concat());
    project.text(&[&up[..], &["--durability", "full", "--listen", "127.0.0.1"]].concat());
}

#[test]
fn a_cloud_listens_beyond_loopback_only_when_told_and_says_so() {
    let project = Project::new();
    project.run(&["up", "--detach", "--listen", "127.0.0.7"]).assert().code(2);
    let up = project.run(&["up", "--detach", "--listen", "0.0.0.0", "--host", "cloud.test"]);
    let done = { up }.assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains("every machine that reaches this one"), "{said}");
    let status = project.json(&["status", "--json"]);
    let ask = |host: &str| {
        let head =
            format!("GET /clodo/status HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        talk(&status, &head).unwrap().split(' ').nth(1).unwrap_or("none").to_owned()
    };
    assert_eq!(
        (ask("cloud.test"), ask("192.168.1.7"), ask("evil.test")),
        ("200".into(), "200".into(), "404".into())
    );
}

#[test]
fn a_reset_without_a_terminal_asks_for_the_flag() {
    let project = Project::new();
    project.text(&["up", "--detach"]);
    project.run(&["reset"]).assert().code(2);
    assert!(project.state().exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_cloud_leaves_no_workerd_behind_and_starts_again() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json"]);
    deploy_hello(&project, &up);
    let ask = || http_get(&up, "hello.local.workers.dev");
    assert!(ask().unwrap().ends_with("hello"), "{:?}", ask());
    let runtimes = workerds_of(&project.state());
    assert!(!runtimes.is_empty());
    let pid = up["pid"].to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    while runtimes.iter().any(|pid| Path::new(&format!("/proc/{pid}/exe")).exists()) {
        std::thread::yield_now();
    }
    let again = project.json(&["up", "--detach", "--json"]);
    assert_eq!(again["port"], up["port"]);
    assert!(ask().unwrap().ends_with("hello"));
}

/// Processes whose command line names the state folder and workerd's config.
#[cfg(target_os = "linux")]
fn workerds_of(state: &Path) -> Vec<u32> {
    let state = state.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains(state) && line.contains("config.capnp")
    })
    .collect()
}

fn deploy_hello(project: &Project, up: &Value) {
    let source = "export default { fetch() { return new Response('hello') } };";
    deploy(project, up, "hello", source, &json!({}));
}

/// Uploads a Worker, with `more` in its metadata, and turns its name below workers.dev on.
fn deploy(project: &Project, up: &Value, name: &str, source: &str, more: &Value) {
    let mut metadata = json!({ "main_module": "i.js", "compatibility_date": "2026-01-01" });
    for (key, value) in more.as_object().unwrap() {
        metadata[key] = value.clone();
    }
    let script = format!("/workers/scripts/{name}");
    let form = format!(
        "--B\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n--B\r\n\
        content-disposition: form-data; name=\"i.js\"; filename=\"i.js\"\r\n\
        content-type: application/javascript+module\r\n\r\n{source}\r\n--B--\r\n"
    );
    call(project, up, ["PUT", &script, "multipart/form-data; boundary=B"], &form);
    let on = r#"{"enabled":true}"#;
    call(project, up, ["POST", &format!("{script}/subdomain"), "application/json"], on);
}

/// A call of the API, below the account: method, path and content type.
fn call(project: &Project, up: &Value, [method, path, kind]: [&str; 3], body: &str) -> Value {
    let variables = project.json(&["env", "--json"])["variables"].clone();
    let token = variables["CLOUDFLARE_API_TOKEN"].as_str().unwrap();
    let account = variables["CLOUDFLARE_ACCOUNT_ID"].as_str().unwrap();
    let head = format!(
        "{method} /client/v4/accounts/{account}{path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\
         authorization: Bearer {token}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    let answer = talk(up, &format!("{head}{body}")).unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
}

fn http_get(up: &Value, host: &str) -> std::io::Result<String> {
    talk(up, &format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"))
}

fn talk(up: &Value, request: &str) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let port = u16::try_from(up["port"].as_u64().unwrap()).unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
