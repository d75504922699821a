use crate::world::{Code, ONE, World};
use serde_json::Value;

/// Two steps, judged by Cloudflare's analytics; what is ruled out is large, so that little traffic
/// is enough.
const CANARY: &str = "strategy = \"canary\"\n[environments.staging.canary]\nsteps = [20, 50]\n\
    bake = \"300ms\"\nlimit = \"2m\"\ninterval = \"100ms\"\ninconclusive = \"roll-back\"\n\
    minimum_requests = 50\nerror_margin = 0.1\n";

#[test]
fn a_good_canary_is_promoted_under_real_traffic() {
    let world = World::serving(&format!("{CANARY}{ONE}"));
    world.code(Code::Says("two"));
    let rolled = world.deploy_under_traffic("shop.acme.test");
    assert_eq!(rolled.code, Some(0), "{:#}", rolled.document());
    let worker = "main/web-staging-acme";
    let done = rolled.steps("step_done");
    let expected = [
        format!("traffic {worker} 20%"),
        format!("judge {worker} 20%"),
        format!("traffic {worker} 50%"),
        format!("judge {worker} 50%"),
        format!("traffic {worker}"),
    ];
    let takes_over = |step: &&&str| step.starts_with("traffic") || step.starts_with("judge");
    assert_eq!(done.iter().filter(takes_over).copied().collect::<Vec<_>>(), expected);
    evidence_is_of_both_versions(&rolled.events);
    let (one, two) = (rolled.count("one"), rolled.count("two"));
    assert!(one > 50 && two > 50, "{:?}", rolled.answers);
    assert_eq!(rolled.answers.len(), 2, "no request failed: {:?}", rolled.answers);
    assert_eq!(world.shares("web-staging-acme"), [100.0]);
    world.only_answers("shop.acme.test", "two");
}

/// No step was promoted without the requests that it needs.
fn evidence_is_of_both_versions(events: &[Value]) {
    let judged: Vec<&Value> = events.iter().filter(|line| line["event"] == "judged").collect();
    let promoted: Vec<&&Value> =
        judged.iter().filter(|line| line["report"]["verdict"] == "not-worse").collect();
    assert!(promoted.len() >= 2, "{judged:#?}");
    for line in promoted {
        let errors = &line["report"]["metrics"][0];
        for arm in ["baseline", "canary"] {
            assert!(errors[arm]["total"].as_u64().unwrap() >= 50, "{line:#}");
        }
    }
}

#[test]
fn a_canary_that_throws_is_taken_back_and_the_old_version_serves_all() {
    let world = World::serving(&format!("{CANARY}{ONE}"));
    world.code(Code::Throws("two"));
    let rolled = world.deploy_under_traffic("shop.acme.test");
    assert_eq!(rolled.code, Some(1), "{:#}", rolled.document());
    let document = rolled.document();
    assert_eq!(document["outcome"], "failed");
    assert_eq!(document["error"]["kind"], "unhealthy");
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.contains("the canary is worse by errors"), "{message}");
    assert!(rolled.steps("step_failed")[0].starts_with("judge"), "{:?}", rolled.events);
    assert!(rolled.count("500") > 0, "{:?}", rolled.answers);
    assert_eq!(world.shares("web-staging-acme"), [100.0]);
    world.only_answers("shop.acme.test", "one");
    // What was refused is still to be done, and is again judged.
    let plan = world.sandbox.deploy(&["plan", "--env", "staging", "--json"]).exits(0).json();
    assert_eq!(plan["targets"][0]["changed"], true);
}

#[test]
fn without_traffic_a_canary_is_not_promoted() {
    let world = World::serving(&format!("{CANARY}{ONE}").replace("2m", "500ms"));
    world.code(Code::Says("two"));
    let failed = world.deploy().exits(1).json();
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("no verdict about the canary in 500 ms"), "{message}");
    assert_eq!(world.shares("web-staging-acme"), [100.0]);
    world.only_answers("shop.acme.test", "one");
}

#[test]
fn an_upload_that_migrates_durable_objects_takes_all_traffic_and_says_so() {
    let world = World::serving(&format!("{CANARY}{ONE}"));
    world.sandbox.write(
        "web/index.js",
        "import { DurableObject } from \"cloudflare:workers\";\n\
         export class Counter extends DurableObject {}\n\
         export default { fetch(request, env) {\n  return new URL(request.url).pathname === \
         \"/health\" ? Response.json({ version_metadata: env.VERSION }) : new Response(\"two\");\n} };\n",
    );
    world.sandbox.edit(
        "web/wrangler.toml",
        "name = \"web\"",
        "name = \"web\"\nmigrations = [{ tag = \"v1\", new_sqlite_classes = [\"Counter\"] }]\n\
         durable_objects.bindings = [{ name = \"COUNTER\", class_name = \"Counter\" }]",
    );
    let words = ["plan", "--env", "staging", "--json"];
    let plan = world.sandbox.deploy(&words).exits(0).json();
    assert_eq!(plan["findings"][0]["rule"], "migrations-at-once", "{plan:#}");
    let report = world.deploy().exits(0).json();
    assert!(!report["steps"].to_string().contains("judge"), "{report:#}");
    world.only_answers("shop.acme.test", "two");
    // What is migrated stands in nobody's way.
    world.sandbox.edit("web/index.js", "\"two\"", "\"three\"");
    let plan = world.sandbox.deploy(&words).exits(0).json();
    assert!(plan["steps"].to_string().contains("judge"), "{plan:#}");
    assert_eq!(plan["findings"].as_array().map(Vec::len), Some(0), "{plan:#}");
}

#[test]
fn the_command_line_overrides_the_strategy() {
    let world = World::serving(&format!("{CANARY}{ONE}"));
    world.code(Code::Says("two"));
    let judges = |words: &[&str]| {
        let all = [&["plan", "--env", "staging", "--json"], words].concat();
        world.sandbox.deploy(&all).exits(0).json()["steps"].to_string().contains("judge")
    };
    assert!(judges(&[]));
    assert!(!judges(&["--strategy", "all-at-once"]));
    assert!(!judges(&["--strategy", "blue-green"]));
    let all_at_once = ["--strategy", "all-at-once", "--json"];
    let words = [&["deploy", "--env", "staging", "--yes"], &all_at_once[..]].concat();
    let _ = world.sandbox.deploy(&words).exits(0);
    world.only_answers("shop.acme.test", "two");
}
