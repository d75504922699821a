//! What a person does wrong: each mistake has an exit code, a place and a way out, and nothing is
//! written.

use clodo_tests::{Run, Sandbox, get_json};

const DEPLOY: [&str; 5] = ["deploy", "--platform", "local", "--yes", "--json"];

/// Deploys and expects a refusal with this code, kind of place and text.
#[track_caller]
fn refused(sandbox: &Sandbox, code: i32, at: Option<&str>, words: &[&str]) -> Run {
    let run = sandbox.deploy(&DEPLOY).exits(code);
    let document = run.json();
    let error = &document["error"];
    assert!(error["message"].is_string() && error["kind"].is_string(), "{document:#}");
    if let Some(at) = at {
        let place = format!(
            "{}:{}:{}",
            error["at"]["path"].as_str().unwrap_or_default(),
            error["at"]["line"],
            error["at"]["column"]
        );
        assert!(place.ends_with(at), "{place} in {document:#}");
    }
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is missing in:\n{}", run.stderr);
    }
    run
}

#[test]
fn a_syntax_error_points_at_the_source_and_the_old_version_keeps_serving() {
    let sandbox = Sandbox::storefront();
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    let url = report["targets"][0]["urls"][0].as_str().expect("a URL").to_owned();
    let before = get_json(&format!("{url}/health"));
    sandbox.edit(
        "services/catalog/src/products.ts",
        "export async function listProducts(",
        "export async function listProducts((",
    );
    let _ =
        refused(&sandbox, 1, Some("services/catalog/src/products.ts:18:36"), &["listProducts(("]);
    assert_eq!(get_json(&format!("{url}/health")), before);
}

#[test]
fn a_worker_that_throws_at_start_is_refused_and_the_old_version_keeps_serving() {
    let sandbox = Sandbox::storefront();
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    let url = report["targets"][0]["urls"][0].as_str().expect("a URL").to_owned();
    let before = get_json(&format!("{url}/health"));
    sandbox.edit("services/catalog/src/index.ts", "export default {", "null.x;\nexport default {");
    let run = refused(&sandbox, 1, None, &["services/catalog/src/index.ts:3:"]);
    assert!(run.stderr.contains("TypeError"), "{}", run.stderr);
    assert_eq!(get_json(&format!("{url}/health")), before);
}

#[test]
fn a_missing_entry_point_names_the_config() {
    let sandbox = Sandbox::storefront();
    sandbox.edit("services/catalog/wrangler.jsonc", "src/index.ts", "src/nothing.ts");
    let _ = refused(&sandbox, 2, None, &["services/catalog/wrangler.jsonc", "src/nothing.ts"]);
}

#[test]
fn an_unknown_key_and_a_wrong_type_point_at_their_place() {
    let sandbox = Sandbox::storefront();
    sandbox.edit("clodo.toml", "protection = \"confirm\"", "protecton = \"confirm\"");
    let _ = refused(&sandbox, 2, Some("clodo.toml:20:1"), &["protecton", "protection"]);

    let sandbox = Sandbox::storefront();
    sandbox.edit("clodo.toml", "zones = [\"acme.test\", \"globex.test\"]", "zones = 3");
    let _ = refused(&sandbox, 2, Some("clodo.toml:10:9"), &["zones = 3"]);

    let sandbox = Sandbox::storefront();
    sandbox.edit(
        "services/orders/wrangler.toml",
        "compatibility_date = \"2026-04-01\"",
        "compatibility_date = 3",
    );
    let _ =
        refused(&sandbox, 2, Some("services/orders/wrangler.toml:3:22"), &["compatibility_date"]);
}

#[test]
fn a_file_that_is_no_text_is_named() {
    let sandbox = Sandbox::storefront();
    sandbox.write("clodo.toml", [0xff, 0xfe, 0x00]);
    let _ = refused(&sandbox, 2, None, &["clodo.toml"]);
}

#[test]
fn a_dependency_cycle_is_named() {
    let sandbox = Sandbox::storefront();
    sandbox.edit(
        "clodo.toml",
        "[services.catalog] ",
        "[services.catalog]\ndepends_on = [\"orders\"]\n#",
    );
    let _ = refused(&sandbox, 2, None, &["catalog", "orders", "circle"]);
}

#[test]
fn a_hostname_claimed_twice_and_one_without_a_zone_are_refused() {
    let sandbox = Sandbox::storefront();
    sandbox.edit("clodo.toml", "dev.globex.test", "dev.acme.test");
    let _ = refused(&sandbox, 2, None, &["dev.acme.test", "clodo.toml:"]);

    let sandbox = Sandbox::storefront();
    sandbox.edit("clodo.toml", "dev.globex.test", "dev.nowhere.test");
    let _ = refused(&sandbox, 2, None, &["dev.nowhere.test", "zone"]);
}

#[test]
fn a_migration_that_drops_a_table_is_refused_before_anything_is_written() {
    let sandbox = Sandbox::storefront();
    sandbox.write(
        "services/catalog/migrations/0003_new.sql",
        "CREATE TABLE x (id);\n/* tidy */ DROP TABLE products;\n",
    );
    let run = sandbox.deploy(&DEPLOY).exits(3);
    assert_eq!(run.json()["outcome"], "refused");
    assert!(run.stderr.contains("0003_new.sql:2:"), "{}", run.stderr);
    assert_eq!(sandbox.requests()["writes"], 0);
}

#[test]
fn no_platform_is_a_question_and_not_a_guess() {
    let sandbox = Sandbox::storefront();
    sandbox.edit("clodo.toml", "platform = \"local\"", "#");
    let _ = sandbox.deploy(&["deploy", "--yes", "--json"]).exits(2);
}

#[test]
fn production_asks_and_without_a_terminal_that_is_exit_2() {
    let sandbox = Sandbox::storefront();
    let run = sandbox
        .deploy(&["deploy", "--env", "production", "--platform", "local", "--json"])
        .exits(2);
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
}

#[test]
fn an_unknown_service_environment_or_customer_is_named_with_a_near_one() {
    let sandbox = Sandbox::storefront();
    for (words, near) in [
        (["plan", "catalg"], "catalog"),
        (["plan", "--env=prodction"], "production"),
        (["plan", "--customer=acm"], "acme"),
    ] {
        let run = sandbox.deploy(&words).exits(2);
        assert!(run.stderr.contains(near), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn a_wrong_token_is_exit_6() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    let port = sandbox.status()["port"].as_u64().expect("a port");
    let mut command =
        sandbox.command("clodo-deploy", &["deploy", "--platform", "cloudflare", "--yes", "--json"]);
    command.env("CLOUDFLARE_API_BASE_URL", format!("http://127.0.0.1:{port}/client/v4"));
    command
        .env("CLOUDFLARE_API_TOKEN", "not-the-token")
        .env("CLOUDFLARE_ACCOUNT_ID", "0123456789abcdef0123456789abcdef");
    let run: Run = command.output().expect("clodo-deploy starts").into();
    let run = run.exits(6);
    assert!(!run.stderr.contains("not-the-token") && !run.stdout.contains("not-the-token"));
}

#[test]
fn a_taken_port_is_exit_7() {
    let sandbox = Sandbox::storefront();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let run = sandbox.local(&["up", "--detach", "--port", &port]).exits(7);
    assert!(run.stderr.contains(&port), "{}", run.stderr);
}

#[test]
fn a_missing_workerd_is_exit_7() {
    let sandbox = Sandbox::storefront();
    let mut command = sandbox.command("clodo-deploy", &DEPLOY);
    command.env("CLODO_WORKERD", sandbox.home().join("no-workerd"));
    let run: Run = command.output().expect("clodo-deploy starts").into();
    let run = run.exits(7);
    assert!(run.stderr.contains("CLODO_WORKERD"), "{}", run.stderr);
}
