//! wrangler's commands for Workflows, both generations; what the engine does is tested in
//! `clodo-local`.

use clodo_tests::{Sandbox, Wrangler};
use serde_json::{Value, json};
use std::process::Command;

/// How often wrangler, which takes a second or more, is asked for what will come.
const TRIES: usize = 40;

const CODE: &str = r#"
import { WorkflowEntrypoint } from "cloudflare:workers";
export class Orders extends WorkflowEntrypoint {
  async run(event, step) {
    const twice = await step.do("double", { retries: { limit: 2, delay: "1 second" } }, async () => event.payload.n * 2);
    const paid = await step.waitForEvent("wait for money", { type: "paid", timeout: "1 hour" });
    await step.sleep("breathe", 10);
    return { twice, by: paid.payload.by };
  }
}
export default {
  async fetch(request, env) {
    const instance = await env.ORDERS.create({ id: "bound", params: { n: 1 } });
    return Response.json(await instance.status());
  },
};"#;
const CONFIG: &str = r#"
name = "shop"
main = "index.js"
compatibility_date = "2026-04-01"
[[workflows]]
name = "orders"
binding = "ORDERS"
class_name = "Orders"
"#;

struct Shop<'a> {
    wrangler: &'a Wrangler,
    sandbox: Sandbox,
}

impl Shop<'_> {
    fn run(&self, line: &str) -> String {
        // Parameters are JSON, which has spaces of its own nowhere here.
        let words: Vec<&str> = line.split(' ').collect();
        let run = self.wrangler.run(&self.sandbox, &self.sandbox.project(), &words).exits(0);
        run.stdout + &run.stderr
    }

    fn says(&self, line: &str, expected: &[&str]) {
        let said = self.run(line);
        for expected in expected {
            assert!(said.contains(expected), "`{line}` does not say {expected:?}:\n{said}");
        }
    }

    /// Asks until it says this.
    fn comes_to_say(&self, line: &str, expected: &str) -> String {
        let said = (0..TRIES).map(|_| self.run(line)).find(|said| said.contains(expected));
        said.unwrap_or_else(|| panic!("`{line}` does not come to say {expected:?}"))
    }
}

// conformance: workflows | wrangler deploy with [[workflows]] | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows list | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows describe | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows trigger | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows delete | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances list | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances describe | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances pause | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances resume | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances restart | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances terminate | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances terminate-all | accepted by wrangler 4.86 and 4.164
// conformance: workflows | wrangler workflows instances send-event | accepted by wrangler 4.86 and 4.164
fn manages_workflows(wrangler: &Wrangler) -> Shop<'_> {
    let sandbox = Sandbox::empty();
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    sandbox.write("index.js", CODE);
    sandbox.write("wrangler.toml", CONFIG);
    let shop = Shop { wrangler, sandbox };
    shop.says("deploy", &["workflow: orders"]);
    shop.says("workflows list", &["orders", "shop", "Orders"]);
    shop.says("workflows describe orders", &["Latest Version", "Class Name"]);
    shop.says("workflows trigger orders {\"n\":21} --id first", &["\"first\" has been queued"]);
    shop.comes_to_say("workflows instances list orders", "Waiting");
    shop.says("workflows instances list orders --status waiting", &["first"]);
    shop.run("workflows instances pause orders first");
    shop.says("workflows instances describe orders latest", &["Paused"]);
    shop.run("workflows instances resume orders first");
    let event =
        "workflows instances send-event orders latest --type paid --payload {\"by\":\"ann\"}";
    shop.says(event, &["was sent to the instance \"first\""]);
    let described = shop.comes_to_say("workflows instances describe orders first", "Completed");
    for expected in ["double-1", "42", "wait for money-1", "breathe-1", "API", "Yes"] {
        assert!(described.contains(expected), "{expected}:\n{described}");
    }
    shop.run("workflows instances restart orders first");
    shop.comes_to_say("workflows instances describe orders first", "Waiting");
    shop.run("workflows instances terminate orders first");
    shop.says("workflows instances describe orders first", &["Terminated"]);
    shop.run("workflows trigger orders {\"n\":2} --id second");
    shop.run("workflows instances terminate-all orders");
    shop.comes_to_say("workflows instances describe orders second", "Terminated");
    shop
}

/// `kill -9`, and `up` again: an instance goes on where it was.
fn survives_a_kill(shop: &Shop<'_>) {
    let pid = shop.sandbox.status()["pid"].to_string();
    let killed = Command::new("kill").args(["-9", &pid]).status();
    assert!(killed.is_ok_and(|killed| killed.success()));
    let _ = shop.sandbox.local(&["up", "--detach"]).exits(0);
    shop.run("workflows instances send-event orders third --type paid --payload {\"by\":\"bob\"}");
    let said = shop.comes_to_say("workflows instances describe orders third --json", "complete");
    let told: Value = serde_json::from_str(&said).expect("what --json prints is JSON");
    assert_eq!(told["output"], json!({ "twice": 6, "by": "bob" }));
    let attempts = told["steps"][0]["attempts"].as_array().map(Vec::len);
    assert_eq!(attempts, Some(1), "what was done is not done again: {said}");
}

fn is_gone(shop: &Shop<'_>) {
    shop.run("workflows delete orders");
    assert!(!shop.run("workflows list").contains("Orders"));
}

#[test]
fn wrangler_4_86_manages_workflows() {
    is_gone(&manages_workflows(&Wrangler::v4_86()));
}

// conformance: workflows | wrangler workflows instances delete | accepted by wrangler 4.164
// conformance: workflows | wrangler workflows instances terminate --rollback, restart --from-step-name, list --date-start | accepted by wrangler 4.164
#[test]
fn wrangler_4_164_manages_workflows() {
    let wrangler = Wrangler::v4_164();
    let shop = manages_workflows(&wrangler);
    shop.says("workflows instances list orders --date-start 2020-01-01 --json", &["second"]);
    shop.says("workflows instances delete orders second", &["Deleted"]);
    shop.run("workflows instances restart orders first --from-step-name double");
    shop.comes_to_say("workflows instances describe orders first", "Waiting");
    shop.run("workflows trigger orders {\"n\":3} --id third");
    shop.comes_to_say("workflows instances describe orders third", "Waiting");
    shop.run("workflows instances terminate orders first --rollback");
    survives_a_kill(&shop);
    is_gone(&shop);
}
