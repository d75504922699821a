//! What happens to a project from outside: folders vanish, programs start at the same time, a
//! client is killed in the middle of a request.

use clodo_tests::{Run, Sandbox, get_json};
use std::{fs, process::Stdio};

const DEPLOY: [&str; 7] =
    ["deploy", "--platform", "local", "--yes", "--customer", "acme", "--json"];

#[test]
fn a_state_folder_deleted_while_its_cloud_runs_costs_one_deployment() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    fs::remove_dir_all(sandbox.project().join(".clodo")).expect("the folder can be deleted");
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    assert_eq!(report["outcome"], "done");
    for target in report["targets"].as_array().expect("targets") {
        let url = target["urls"][0].as_str().expect("a URL");
        assert_eq!(get_json(&format!("{url}/health"))["status"], "ok");
    }
    assert_eq!(sandbox.deploy(&DEPLOY).exits(0).json()["outcome"], "nothing_to_do");
}

#[test]
fn of_several_first_deployments_at_once_one_is_done_and_the_others_find_it_locked() {
    let sandbox = Sandbox::storefront();
    let start = |_| {
        let mut command = sandbox.command("clodo-deploy", &DEPLOY);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let children: Vec<_> = (0..3).map(start).collect();
    let outcomes: Vec<(Option<i32>, String, String)> = children
        .into_iter()
        .map(|child| {
            let run = Run::from(child.wait_with_output().expect("it ends"));
            let outcome = run.json()["outcome"].as_str().unwrap_or_default().to_owned();
            (run.code, outcome, run.stderr)
        })
        .collect();
    // One that comes late finds the work done.
    for (code, outcome, said) in &outcomes {
        let fits = match code {
            Some(0) => outcome == "done" || outcome == "nothing_to_do",
            Some(6) => outcome == "failed",
            _ => false,
        };
        assert!(fits, "{code:?}: {outcome}\n{said}");
    }
    let done = outcomes.iter().filter(|(_, outcome, _)| outcome == "done").count();
    assert_eq!(done, 1, "{outcomes:?}");
    assert_eq!(sandbox.deploy(&DEPLOY).exits(0).json()["outcome"], "nothing_to_do");
}

#[test]
fn a_damaged_history_says_what_deleting_it_costs_and_costs_no_more() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let file = ".clodo/state-local.sqlite";
    sandbox.write(file, "no database".repeat(1000));
    for log in ["-wal", "-shm"] {
        // What SQLite finds there it puts back.
        let _ = fs::remove_file(sandbox.project().join(format!("{file}{log}")));
    }
    let failed = sandbox.deploy(&DEPLOY).exits(1);
    assert_eq!(failed.json()["error"]["kind"], "state");
    assert!(failed.stderr.contains(&format!("delete {file}")), "{}", failed.stderr);
    fs::remove_file(sandbox.project().join(file)).expect("the file can be deleted");
    assert_eq!(sandbox.deploy(&DEPLOY).exits(0).json()["outcome"], "nothing_to_do");
}

#[cfg(target_os = "linux")]
#[test]
fn a_cloud_gets_no_secret_of_whoever_starts_it() {
    let sandbox = Sandbox::storefront();
    let secrets = ["CLOUDFLARE_API_TOKEN", "CLODO_SECRET_ORDER_SIGNING_KEY", "AWS_SECRET"];
    for (program, words) in
        [("clodo-deploy", &["plan", "--json"][..]), ("clodo-local", &["up", "--detach"])]
    {
        let mut command = sandbox.command(program, words);
        command.envs(secrets.map(|name| (name, "not-for-others")));
        let _ = Run::from(command.output().expect("it starts")).exits(0);
        let pid = &sandbox.status()["pid"];
        let environment = fs::read(format!("/proc/{pid}/environ")).expect("Linux shows it");
        let environment = String::from_utf8_lossy(&environment);
        assert!(environment.contains("PATH="), "{program}: {environment}");
        assert!(!environment.contains("not-for-others"), "{program}: {environment}");
        let _ = sandbox.local(&["down"]).exits(0);
    }
}
