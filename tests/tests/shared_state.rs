//! A team's state in PostgreSQL: what one machine deployed, another knows.

use clodo_postgres_fixture::PostgresServer;
use clodo_tests::{Run, Sandbox};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

/// A folder of the storefront, as another machine would have it, with the state of a team.
fn machine(state: &str) -> Sandbox {
    let sandbox = Sandbox::storefront();
    let named = format!("platform = \"local\"\nstate = \"{state}\"");
    sandbox.edit("clodo.toml", "platform = \"local\"", &named);
    sandbox
}

/// Runs `clodo-deploy` with the password of the state.
fn run(sandbox: &Sandbox, server: &PostgresServer, words: &[&str]) -> Run {
    let mut command = sandbox.command("clodo-deploy", words);
    command.env("CLODO_STATE_PASSWORD", server.password());
    command.output().expect("clodo-deploy starts").into()
}

const DEPLOY: [&str; 6] = ["deploy", "catalog", "--customer", "acme", "--yes", "--json"];

#[test]
fn what_one_machine_deployed_another_lists_and_nothing_lies_in_a_file() {
    let Some(server) = PostgresServer::start() else { return };
    let state = server.database();
    let (here, there) = (machine(&state), machine(&state));
    let report = run(&here, &server, &DEPLOY).exits(0).json();
    assert_eq!(report["outcome"], "done", "{report:#}");
    let id = &report["deployment_id"];
    assert!(id.is_string());
    let list = |words: &[&str]| -> Vec<Value> {
        let list = run(&there, &server, &[&["deployments", "--json"], words].concat());
        let past = list.exits(0).json()["deployments"].clone();
        past.as_array().expect("a list").iter().map(|past| past["id"].clone()).collect()
    };
    assert_eq!(list(&[]), std::slice::from_ref(id));
    assert!(list(&["--platform", "cloudflare"]).is_empty(), "each platform has its own history");
    assert!(!here.project().join(".clodo/state-local.sqlite").exists());

    assert_eq!(run(&here, &server, &DEPLOY).exits(0).json()["outcome"], "nothing_to_do");
    here.edit("services/catalog/src/index.ts", "status: \"ok\"", "status: \"better\"");
    assert_eq!(run(&here, &server, &DEPLOY).exits(0).json()["outcome"], "done");
    let back = run(&here, &server, &["rollback", "--yes", "--json"]).exits(0).json();
    assert_eq!(back["outcome"], "done", "{back:#}");
    assert_eq!(list(&[]).len(), 3);
}

#[test]
fn a_state_that_cannot_be_used_says_how_to_mend_it() {
    let Some(server) = PostgresServer::start() else { return };
    let sandbox = machine(&server.database());
    let list = ["deployments", "--json"];
    let locked_out = sandbox.deploy(&list).exits(6);
    assert!(locked_out.stderr.contains("CLODO_STATE_PASSWORD"), "{}", locked_out.stderr);

    let mut wrong = sandbox.command("clodo-deploy", &list);
    let wrong = wrong.env("CLODO_STATE_PASSWORD", "hunter2").output().expect("it starts");
    let wrong = Run::from(wrong).exits(6);
    assert!(wrong.stderr.contains("password authentication failed"), "{}", wrong.stderr);
    assert!(!format!("{wrong:?}").contains("hunter2"));

    pgpass(&sandbox, server.password(), 0o644);
    assert!(sandbox.deploy(&list).exits(6).stderr.contains("chmod 600"));
    pgpass(&sandbox, server.password(), 0o600);
    assert_eq!(sandbox.deploy(&list).exits(0).json()["outcome"], "done");

    drop(server);
    let away = sandbox.deploy(&list).exits(7);
    assert_eq!(away.json()["error"]["kind"], "state_unreachable");
}

fn pgpass(sandbox: &Sandbox, password: &str, mode: u32) {
    let file = sandbox.home().join(".pgpass");
    std::fs::write(&file, format!("# for tests\n127.0.0.1:*:*:clodo:{password}\n"))
        .expect("a home folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file, mode).expect("the file is our own");
    }
    #[cfg(not(unix))]
    let _ = mode;
}

#[test]
fn a_state_is_reached_over_tls_and_its_certificate_must_be_known() {
    let key = KeyPair::generate().expect("a key");
    let authority = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a good name");
    let certificate = authority.self_signed(&key).expect("a certificate").pem();
    let server = PostgresServer::start_with_tls(&certificate, &key.serialize_pem());
    let Some(server) = server else { return };
    let plain = machine(&server.database());
    let refused = run(&plain, &server, &["deployments", "--json"]).exits(6);
    assert!(refused.stderr.contains("no encryption"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`?sslmode=require`"), "{}", refused.stderr);

    let sandbox = machine(&format!("{}?sslmode=verify-full", server.database()));
    sandbox.write("authority.pem", &certificate);
    let deploy = |authority: Option<&str>| -> Run {
        let mut command = sandbox.command("clodo-deploy", &DEPLOY);
        command.env("CLODO_STATE_PASSWORD", server.password());
        command.envs(authority.map(|file| ("SSL_CERT_FILE", sandbox.project().join(file))));
        command.output().expect("clodo-deploy starts").into()
    };
    let unknown = deploy(None).exits(7);
    assert!(unknown.stderr.contains("certificate"), "{}", unknown.stderr);
    assert_eq!(deploy(Some("authority.pem")).exits(0).json()["outcome"], "done");
}
