//! Real wranglers through the gateway, in front of a local Cloudflare that limits calls.

use clodo_tests::{Gateway, Request, Run, Sandbox, Wrangler};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    process::{Child, Stdio},
};

/// Half of the eight deploy; the other half lists what was deployed.
const EACH: usize = 4;
/// Listing asks for each deployment's version at once.
const DEPLOYMENTS: usize = 10;

/// A cloud in which eight wranglers have something to do.
struct World {
    sandbox: Sandbox,
    wrangler: Wrangler,
    url: String,
    token: String,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach"]).exits(0);
        let variables = sandbox.local(&["env", "--json"]).exits(0).json()["variables"].clone();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (url, token) =
            (text(&sandbox.status()["url"]), text(&variables["CLOUDFLARE_API_TOKEN"]));
        let world = Self { sandbox, wrangler: Wrangler::v4_86(), url, token };
        for number in 0..EACH {
            world.project(&format!("deployer-{number}"));
        }
        world.project("listed");
        let script = format!(
            "/client/v4/accounts/{}/workers/scripts/listed",
            text(&variables["CLOUDFLARE_ACCOUNT_ID"])
        );
        for number in 0..DEPLOYMENTS {
            world.upload(&script, number);
        }
        world
    }

    fn project(&self, name: &str) {
        let config = json!({
            "name": name,
            "main": "index.js",
            "compatibility_date": "2026-01-01",
            "triggers": { "crons": ["0 0 1 1 *"] },
        });
        self.sandbox.write(&format!("{name}/wrangler.jsonc"), config.to_string());
        let script = "export default { fetch() { return new Response('hello') }, scheduled() {} };";
        self.sandbox.write(&format!("{name}/index.js"), script);
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.sandbox.project().join(name)
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> Value {
        let authorization = format!("authorization: Bearer {}", self.token);
        let kind = format!("content-type: {kind}");
        let url = format!("{}{path}", self.url);
        let request = Request { method, url: &url, headers: &[&authorization, &kind], body };
        let answer = request.send().expect("the cloud answers");
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer.json()
    }

    fn upload(&self, script: &str, number: usize) {
        let form = format!(
            "--B\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n\
             {{\"main_module\":\"i.js\",\"compatibility_date\":\"2026-01-01\"}}\r\n--B\r\n\
             content-disposition: form-data; name=\"i.js\"; filename=\"i.js\"\r\n\
             content-type: application/javascript+module\r\n\r\n\
             export default {{ fetch() {{ return new Response('{number}') }} }};\r\n--B--\r\n"
        );
        self.send("PUT", script, "multipart/form-data; boundary=B", &form);
    }

    /// Cuts every token's budget, and fills it up.
    fn limit(&self) {
        self.send("PUT", "/clodo/limits", "application/json", r#"{"limits":"30/10s"}"#);
    }

    /// Calls that the cloud refused for too many since it was started.
    fn refused(&self) -> u64 {
        let lines = self.send("GET", "/clodo/requests?limit=10000", "application/json", "");
        let lines = lines["result"].as_array().cloned().unwrap_or_default();
        lines.iter().filter(|line| line["status"] == 429).count() as u64
    }

    /// Eight wranglers at once, to their ends.
    fn eight(&self, base_url: Option<&str>) -> Vec<Run> {
        let start = |name: &str, words: &[&str]| -> Child {
            let mut command = self.wrangler.command(&self.sandbox, &self.folder(name), words);
            if let Some(base_url) = base_url {
                command.env("CLOUDFLARE_API_BASE_URL", base_url);
            }
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("node starts")
        };
        let deployers = (0..EACH).map(|number| start(&format!("deployer-{number}"), &["deploy"]));
        let listers = (0..EACH).map(|_| start("listed", &["deployments", "list"]));
        let all: Vec<Child> = deployers.chain(listers).collect();
        let end = |child: Child| Run::from(child.wait_with_output().expect("wrangler ends"));
        all.into_iter().map(end).collect()
    }
}

// conformance: limits | the budget of a token, which eight clients at once share through clodo-gateway | accepted by wrangler
#[test]
fn eight_wranglers_stay_within_one_budget_through_the_gateway_and_not_without_it() {
    let world = World::new();
    let gateway = Gateway::start(&world.sandbox, &["--cache", "0"]);
    world.limit();
    for run in world.eight(Some(gateway.base_url())) {
        let run = run.exits(0);
        // Not the bare number: a start may take 429 ms.
        assert!(!run.stderr.contains("Too Many Requests"), "{run:?}");
        assert!(
            run.stdout.contains("Deployed") || run.stdout.matches("(100%)").count() == DEPLOYMENTS,
            "{run:?}"
        );
    }
    let calls = gateway.calls();
    assert!(calls.len() > 60, "{} calls are no test of a budget of 30", calls.len());
    assert!(calls.iter().all(|call| call["status"] != 429), "{calls:#?}");
    assert!(calls.iter().any(|call| call["waited_ms"].as_u64() > Some(1_000)), "{calls:#?}");
    let status = gateway.run(&world.sandbox, &["status", "--json"]).exits(0).json();
    assert_eq!(
        (&status["budgets"][0]["quota"], &status["budgets"][0]["window_seconds"]),
        (&30.into(), &10.into())
    );
    assert_eq!(status["clients"][0]["client"], "wrangler/4.86.0", "{status:#}");
    drop(gateway);

    // How tightly eight processes come together is up to the machine.
    let before = world.refused();
    let failed = (0..3).any(|_| {
        world.limit();
        let runs = world.eight(None);
        runs.iter().any(|run| run.code != Some(0))
    });
    assert!(failed, "without the gateway somebody is refused");
    assert!(world.refused() > before);
}
