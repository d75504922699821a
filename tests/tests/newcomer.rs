//! What stumbles who does not know the program yet: short ids, words that say what happened, files
//! that are judged before anything is deployed.

use clodo_tests::{Sandbox, Schema};

const ONE: [&str; 7] =
    ["catalog", "--customer", "acme", "--platform", "local", "--env", "development"];

#[test]
fn the_beginning_of_an_id_is_enough_everywhere() {
    let sandbox = Sandbox::storefront();
    let deploy = [&["deploy"][..], &ONE, &["--yes", "--json"]].concat();
    let report = sandbox.deploy(&deploy).exits(0).json();
    let id = report["deployment_id"].as_str().expect("an id");
    // The first half holds the time, which no other deployment of this test shares.
    let short = &id[..18];
    let shown = sandbox.deploy(&["deployments", short]).exits(0).stdout;
    assert!(shown.contains(id), "{shown}");
    let _ = sandbox.deploy(&["watch", short]).exits(0);
    let resumed = sandbox.deploy(&["resume", short, "--json"]).exits(2).json();
    assert!(resumed["error"]["message"].as_str().expect("text").contains("has ended"));
    let unknown = sandbox.deploy(&["deployments", "ffff", "--json"]).exits(2).json();
    assert_eq!(unknown["error"]["message"], "no deployment begins with `ffff`");
    sandbox.edit("services/catalog/src/index.ts", "status: \"ok\"", "status: \"better\"");
    let report = sandbox.deploy(&deploy).exits(0).json();
    let short = &report["deployment_id"].as_str().expect("an id")[..18];
    let back = ["rollback", short, "--platform", "local", "--yes", "--json"];
    assert_eq!(sandbox.deploy(&back).exits(0).json()["outcome"], "done");
}

#[test]
fn validate_refuses_the_migration_that_a_deployment_would_refuse() {
    let sandbox = Sandbox::storefront();
    let fine = sandbox.deploy(&["validate"]).exits(0);
    assert!(fine.stdout.contains(" targets can be deployed, "), "{}", fine.stdout);
    sandbox.write("services/catalog/migrations/0009_gone.sql", "SELECT 1;\nDROP TABLE products;\n");
    let refused = sandbox.deploy(&["validate", "--json"]).exits(3).json();
    Schema::of("clodo-deploy").check("validate", &refused);
    let findings = refused["findings"].as_array().expect("findings");
    let blocks: Vec<_> = findings.iter().filter(|one| one["severity"] == "block").collect();
    assert_eq!(blocks.len(), 1, "once, for whatever targets: {refused:#}");
    assert_eq!(blocks[0]["rule"], "drop-table");
    assert_eq!((&blocks[0]["at"]["line"], &blocks[0]["at"]["column"]), (&2.into(), &1.into()));
    let deploy = [&["deploy"][..], &ONE, &["--yes", "--json"]].concat();
    let deployed = sandbox.deploy(&deploy).exits(3).json();
    assert_eq!(deployed["findings"][0]["rule"], "drop-table", "{deployed:#}");
}

#[test]
fn status_tells_of_a_bound_worker_that_is_gone() {
    let sandbox = Sandbox::storefront();
    let acme = ["--customer", "acme", "--platform", "local"];
    let deploy = [&["deploy"][..], &acme, &["--yes"]].concat();
    let _ = sandbox.deploy(&deploy).exits(0);
    let destroy = [&["destroy", "catalog"][..], &acme, &["--yes"]].concat();
    let gone = sandbox.deploy(&destroy);
    assert_eq!(gone.code, Some(3), "what others call is not taken away: {gone:?}");
    sandbox.edit(
        "services/orders/wrangler.toml",
        "[version_metadata]",
        "[[services]]\nbinding = \"OLD\"\nservice = \"long-gone\"\n\n[version_metadata]",
    );
    let status = [&["status", "orders"][..], &acme, &["--json"]].concat();
    let report = sandbox.deploy(&status).exits(0).json();
    Schema::of("clodo-deploy").check("status", &report);
    assert_eq!(report["findings"][0]["rule"], "bound-gone", "{report:#}");
    assert_eq!(report["targets"][0]["service"], "orders", "{report:#}");
}

#[test]
fn a_step_that_was_done_already_is_told_once() {
    let sandbox = Sandbox::storefront();
    let deploy = [&["deploy"][..], &ONE, &["--yes"]].concat();
    let _ = sandbox.deploy(&deploy).exits(0);
    let again = [&deploy[..], &["--redeploy"]].concat();
    let said = sandbox.deploy(&again).exits(0).stderr;
    let steps: Vec<&str> = said.lines().filter(|line| line.starts_with("  ")).collect();
    let ended = steps.iter().filter(|line| line.contains(" done ") || line.contains("already"));
    let mut told: Vec<&str> = ended
        .map(|line| line.trim().trim_start_matches("already ").trim_start_matches("done "))
        .map(|line| line.split(" (").next().unwrap_or_default())
        .collect();
    let all = told.len();
    told.sort_unstable();
    told.dedup();
    assert!(all > 2 && told.len() == all, "{said}");
}
