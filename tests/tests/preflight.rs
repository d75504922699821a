//! What would fail in the middle of a deployment is found before it begins.

use clodo_tests::{Request, Sandbox};
use serde_json::{Value, json};

const LOCAL: [&str; 4] = ["--platform", "local", "--yes", "--json"];

/// A call of the local Cloudflare's API with its full token.
fn api(sandbox: &Sandbox, method: &str, path: &str, body: &Value) -> Value {
    let settings = sandbox.settings();
    let of = |name: &str| {
        let found = settings.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).expect("the cloud says how to reach it")
    };
    let path = path.replace("{account}", &of("CLOUDFLARE_ACCOUNT_ID"));
    let url = format!("{}{path}", of("CLOUDFLARE_API_BASE_URL"));
    let token = format!("authorization: Bearer {}", of("CLOUDFLARE_API_TOKEN"));
    let headers = [token.as_str(), "content-type: application/json"];
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = Request { method, url: &url, headers: &headers, body: &text }.send();
    let answer = answer.expect("the API answers").json();
    assert_eq!(answer["success"], true, "{method} {path}: {answer}");
    answer["result"].clone()
}

fn rules(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().filter_map(|finding| finding["rule"].as_str()).collect()
}

#[test]
fn a_dns_record_in_the_way_of_a_new_domain_is_found_before_the_upload() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.local(&["up", "--detach", "--zone", "acme.test"]).exits(0);
    let shop = ["deploy", "--customer", "acme"];
    let _ = sandbox.deploy(&[&["plan", "--customer", "acme"], &LOCAL[..2]].concat()).exits(0);
    let zone = api(&sandbox, "GET", "/zones?name=acme.test", &Value::Null)[0]["id"].clone();
    let records = format!("/zones/{}/dns_records", zone.as_str().expect("an id"));
    let record = json!({ "type": "A", "name": "dev.acme.test", "content": "192.0.2.1", "ttl": 1 });
    let made = api(&sandbox, "POST", &records, &record);
    let before = sandbox.requests()["writes"].clone();
    let standard = ["--preflight", "standard"];
    let refused = sandbox.deploy(&[&shop[..], &LOCAL, &standard].concat()).exits(3).json();
    assert_eq!(rules(&refused), ["domain-has-record"], "{refused:#}");
    assert!(refused["findings"][0]["message"].as_str().expect("text").contains("192.0.2.1"));
    assert_eq!(sandbox.requests()["writes"], before, "nothing was written");

    let gone = format!("{records}/{}", made["id"].as_str().expect("an id"));
    let _ = api(&sandbox, "DELETE", &gone, &Value::Null);
    let done = sandbox.deploy(&[&shop[..], &LOCAL, &standard].concat()).exits(0).json();
    assert_eq!((&done["outcome"], rules(&done).len()), (&json!("done"), 0), "{done:#}");
    // What serves is found to serve.
    sandbox.edit(
        "services/web/src/index.js",
        "export default {",
        "console.debug(1);\nexport default {",
    );
    let closely = ["plan", "--customer", "acme", "--preflight", "comprehensive"];
    let plan = sandbox.deploy(&[&closely[..], &LOCAL[..2], &["--json"]].concat()).exits(0).json();
    assert!(rules(&plan).is_empty() && !plan["steps"].as_array().expect("steps").is_empty());
}

#[test]
fn a_token_that_ends_soon_or_may_too_little_is_found_out() {
    let sandbox = Sandbox::storefront();
    let _ =
        sandbox.local(&["up", "--detach", "--zone", "acme.test", "--zone", "globex.test"]).exits(0);
    let groups = api(&sandbox, "GET", "/accounts/{account}/tokens/permission_groups", &Value::Null);
    let group = |name: &str| {
        let all = groups.as_array().expect("groups");
        let found = all.iter().find(|group| group["name"] == name);
        json!({ "id": found.unwrap_or_else(|| panic!("no group {name}: {groups}"))["id"] })
    };
    let account = sandbox.settings().into_iter().find(|(key, _)| key == "CLOUDFLARE_ACCOUNT_ID");
    let account = account.expect("an account").1;
    let token = |names: &[&str]| {
        let policy = json!({
            "effect": "allow",
            "permission_groups": names.iter().map(|name| group(name)).collect::<Vec<_>>(),
            "resources": { format!("com.cloudflare.api.account.{account}"): "*" },
        });
        let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
        let ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let new = json!({ "name": "deployer", "policies": [policy], "expires_on": ends });
        let made = api(&sandbox, "POST", "/accounts/{account}/tokens", &new);
        made["value"].as_str().expect("the token").to_owned()
    };
    let plan = |token: &str, exit: i32| {
        let words = ["plan", "catalog", "--platform", "cloudflare", "--json", "--preflight"];
        let mut command = sandbox.command("clodo-deploy", &[&words[..], &["standard"]].concat());
        command.envs(sandbox.settings()).env("CLOUDFLARE_API_TOKEN", token);
        let run = clodo_tests::Run::from(command.output().expect("it starts"));
        assert!(!format!("{run:?}").contains(token), "no token is shown");
        run.exits(exit).json()
    };
    let all = ["Workers Scripts Write", "D1 Write", "Workers KV Storage Write", "Zone Read"];
    let told = plan(&token(&all), 0);
    assert_eq!(rules(&told), ["token-ends-soon", "permissions-not-read"], "{told:#}");
    let lacking = [
        "Workers Scripts Write",
        "D1 Read",
        "Workers KV Storage Write",
        "Zone Read",
        "Account API Tokens Read",
    ];
    let refused = plan(&token(&lacking), 3);
    let lacks = "token-lacks-permission";
    assert!(rules(&refused).contains(&lacks), "{refused:#}");
    let finding =
        refused["findings"].as_array().and_then(|all| all.iter().find(|f| f["rule"] == lacks));
    assert!(finding.expect("it")["message"].as_str().expect("text").ends_with("to write: D1"));
}
