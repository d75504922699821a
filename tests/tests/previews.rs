//! A preview is a copy of an environment's targets for a branch: it answers at URLs of its own, writes
//! into data of its own, and goes without a trace; nothing of the environment goes with it.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, Schema, fetch};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

const LOCAL: [&str; 3] = ["--platform", "local", "--json"];
const DEPLOY: [&str; 5] = ["deploy", "--platform", "local", "--yes", "--json"];

/// Three services: `web` calls `store`, which has a database, a namespace and a bucket, and `clock`.
fn shop() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "clodo.toml",
        "[portfolio]\nname = \"shop\"\n[accounts.main]\nzones = [\"acme.test\"]\n\
         [environments.development]\nvars = { STAGE = \"development\" }\n\
         [environments.staging]\n\
         [services.store]\npath = \"store\"\n[services.clock]\npath = \"clock\"\n\
         [services.web]\npath = \"web\"\n[domains]\ndevelopment.web = \"dev.acme.test\"\n",
    );
    let config = |name: &str, more: &str| {
        format!(
            "{{ \"name\": \"{name}\", \"main\": \"index.js\", \"no_bundle\": true,\n\
             \"compatibility_date\": \"2026-04-01\"{more} }}"
        )
    };
    let data = ", \"d1_databases\": [{ \"binding\": \"DB\", \"migrations_dir\": \"migrations\" }],\n\
                \"kv_namespaces\": [{ \"binding\": \"CACHE\" }],\n\
                \"r2_buckets\": [{ \"binding\": \"FILES\", \"bucket_name\": \"files\" }],\n\
                \"triggers\": { \"crons\": [\"*/5 * * * *\"] }";
    sandbox.write("store/wrangler.jsonc", config("store", data));
    sandbox.write("store/migrations/0001_notes.sql", "CREATE TABLE notes (text TEXT);\n");
    sandbox.write(
        "store/index.js",
        "export default { async scheduled() {}, async fetch(request, env) {\n\
           const { pathname } = new URL(request.url);\n\
           if (request.method === 'POST') {\n\
             await env.DB.prepare('INSERT INTO notes VALUES (?)').bind(pathname).run();\n\
             await env.CACHE.put(pathname, 'seen', { metadata: { by: 'store' } });\n\
           }\n\
           const rows = await env.DB.prepare('SELECT text FROM notes ORDER BY text').all();\n\
           const keys = await env.CACHE.list();\n\
           return Response.json({ notes: rows.results.map((row) => row.text),\n\
             keys: keys.keys.map((key) => key.name), stage: env.STAGE ?? null }) } }\n",
    );
    sandbox.write("clock/wrangler.jsonc", config("clock", ""));
    sandbox.write(
        "clock/index.js",
        "export default { fetch(request, env) { return new Response(env.STAGE ?? 'none') } }\n",
    );
    let calls = ", \"services\": [{ \"binding\": \"STORE\", \"service\": \"store\" },\n\
                 { \"binding\": \"CLOCK\", \"service\": \"clock\" }]";
    sandbox.write("web/wrangler.jsonc", config("web", calls));
    sandbox.write("web/index.js", web("first"));
    sandbox
}

fn web(text: &str) -> String {
    format!(
        "export default {{ async fetch(request, env) {{\n\
           const store = await env.STORE.fetch(new Request(request)).then((r) => r.json());\n\
           const clock = await env.CLOCK.fetch('http://clock/').then((r) => r.text());\n\
           return Response.json({{ ...store, clock, web: '{text}' }}) }} }}\n"
    )
}

fn preview(sandbox: &Sandbox, words: &[&str], code: i32) -> Value {
    let words = [&["preview"][..], words, &LOCAL].concat();
    sandbox.deploy(&words).exits(code).json()
}

/// The names of what the account has.
fn names(sandbox: &Sandbox, path: &str, key: &str) -> Vec<String> {
    let settings: BTreeMap<_, _> = sandbox.settings().into_iter().collect();
    let base = &settings["CLOUDFLARE_API_BASE_URL"];
    let url = format!("{base}/accounts/{}/{path}", settings["CLOUDFLARE_ACCOUNT_ID"]);
    let bearer = format!("authorization: Bearer {}", settings["CLOUDFLARE_API_TOKEN"]);
    let request = Request { method: "GET", url: &url, headers: &[&bearer], body: "" };
    let answer = request.send().unwrap().json();
    let rows = answer["result"].as_array().or(answer["result"]["buckets"].as_array());
    let mut names: Vec<String> =
        rows.unwrap().iter().map(|row| row[key].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// All that the account has, by name.
fn everything(sandbox: &Sandbox) -> Vec<String> {
    let kinds = [
        ("workers/scripts", "id"),
        ("d1/database", "name"),
        ("storage/kv/namespaces", "title"),
        ("r2/buckets", "name"),
        ("workers/domains", "hostname"),
    ];
    let all = kinds.iter().flat_map(|(path, key)| {
        names(sandbox, path, key).into_iter().map(move |name| format!("{path} {name}"))
    });
    all.collect()
}

/// The URL of a service in a report of a deployment.
fn url(report: &Value, service: &str) -> String {
    let targets = report["targets"].as_array().unwrap().iter();
    let mut targets = targets.filter(|target| target["service"] == service);
    targets.next().unwrap()["urls"][0].as_str().unwrap().to_owned()
}

fn post(url: &str) -> Value {
    let request = Request { method: "POST", url, headers: &[], body: "" };
    request.send().unwrap().json()
}

#[test]
fn a_preview_has_data_of_its_own_and_goes_without_a_trace() {
    let schema = Schema::of("clodo-deploy");
    let sandbox = shop();
    let development = sandbox.deploy(&DEPLOY).exits(0).json();
    post(&format!("{}/original", url(&development, "web")));
    let before = everything(&sandbox);

    let create = ["create", "Feature/Cart", "web", "store", "--ttl", "2h"];
    let made = preview(&sandbox, &create, 0);
    schema.check("deploy", &made);
    assert_eq!(made["outcome"], "done", "{made:#}");
    let own = url(&made, "web");
    assert!(own.contains("web-development-pr-feature-cart."), "{own}");
    // What it holds is its own; what it does not hold is the environment's, with its variables.
    let wrote = post(&format!("{own}/copy"));
    let want = json!({ "notes": ["/copy"], "keys": ["/copy"], "stage": "development",
                       "clock": "development", "web": "first" });
    assert_eq!(wrote, want);
    let original = fetch(&url(&development, "web")).json();
    assert_eq!(original["notes"], json!(["/original"]), "{original:#}");
    let during = everything(&sandbox);
    let new: Vec<&String> = during.iter().filter(|one| !before.contains(one)).collect();
    let want = [
        "workers/scripts store-development-pr-feature-cart",
        "workers/scripts web-development-pr-feature-cart",
        "d1/database store-development-db-pr-feature-cart",
        "storage/kv/namespaces store-development-cache-pr-feature-cart",
        "r2/buckets files-development-pr-feature-cart",
    ];
    assert_eq!(new, want);

    // Again: nothing. With other code: only that. Its data stays.
    let again = preview(&sandbox, &create[..4], 0);
    assert_eq!(
        (&again["outcome"], &again["api_calls"]["writes"]),
        (&json!("nothing_to_do"), &json!(0))
    );
    sandbox.write("web/index.js", web("second"));
    // What it held already it still calls, whichever services are named.
    let updated = preview(&sandbox, &["create", "feature/cart", "web"], 0);
    assert_eq!(updated["targets"].as_array().unwrap().len(), 1);
    let seen = fetch(&own).json();
    assert_eq!((&seen["web"], &seen["notes"]), (&json!("second"), &json!(["/copy"])), "{seen:#}");
    assert_eq!(fetch(&url(&development, "web")).json()["web"], "first");

    // The environment's own commands leave it alone.
    sandbox.write("web/index.js", web("first"));
    let _ = sandbox.deploy(&["drift", "--platform", "local"]).exits(0);
    let pruned = sandbox.deploy(&[&DEPLOY[..], &["--prune"]].concat()).exits(0).json();
    assert_eq!(pruned["outcome"], "nothing_to_do", "{pruned:#}");
    assert_eq!(everything(&sandbox), during);

    let asked =
        sandbox.deploy(&["preview", "delete", "feature/cart", "--platform", "local"]).exits(2);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    let dry = preview(&sandbox, &["delete", "feature/cart", "--dry-run"], 0);
    schema.check("deploy", &dry);
    assert_eq!(everything(&sandbox), during, "a plan removes nothing");
    let gone = preview(&sandbox, &["delete", "feature/cart", "--yes"], 0);
    schema.check("deploy", &gone);
    assert_eq!(everything(&sandbox), before);
    let original = fetch(&url(&development, "web")).json();
    assert_eq!(original["notes"], json!(["/original"]));
    let _ = sandbox.deploy(&["drift", "--platform", "local"]).exits(0);
}

#[test]
fn previews_are_listed_and_removed_by_who_has_only_the_account() {
    let schema = Schema::of("clodo-deploy");
    let sandbox = shop();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    for (name, ttl) in [("one", "1ms"), ("two", "5h"), ("three", "7d")] {
        let _ = preview(
            &sandbox,
            &["create", name, "store", "--ttl", ttl],
            if ttl == "1ms" { 2 } else { 0 },
        );
    }
    let _ = preview(&sandbox, &["create", "one", "store", "--ttl", "1s"], 0);
    // Whoever has neither its history nor its code sees it all the same.
    for file in ["sqlite", "sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(sandbox.project().join(format!(".clodo/state-local.{file}")));
    }
    let list = preview(&sandbox, &["list"], 0);
    schema.check("previews", &list);
    let previews = list["previews"].as_array().unwrap();
    let names: Vec<&str> = previews.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one", "three", "two"]);
    assert_eq!(previews[2]["workers"][0]["service"], "store");
    assert_eq!(
        (&previews[2]["from"], &previews[2]["is_over"]),
        (&json!("development"), &json!(false))
    );
    let address = previews[2]["workers"][0]["urls"][0].as_str().unwrap();
    assert_eq!(fetch(address).status, 200);
    let text = sandbox.deploy(&["preview", "list", "--platform", "local"]).exits(0).stdout;
    assert!(text.contains("of development, made") && text.contains("ends in"), "{text}");

    // `one` has a second to live; it may or may not be over by now.
    while preview(&sandbox, &["list"], 0)["previews"][0]["is_over"] == false {}
    let _ = preview(&sandbox, &["delete", "--expired", "--yes"], 0);
    let left = |sandbox: &Sandbox| {
        let list = preview(sandbox, &["list"], 0);
        let names = list["previews"].as_array().unwrap().iter();
        names.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(left(&sandbox), ["three", "two"]);
    let none = preview(&sandbox, &["delete", "--expired", "--yes"], 0);
    assert_eq!(none["outcome"], "nothing_to_do");
    let _ = preview(&sandbox, &["delete", "--gone", "--yes"], 2);
    let _ = preview(&sandbox, &["delete", "--gone", "--yes", "--keep", "main", "TWO"], 0);
    assert_eq!(left(&sandbox), ["two"]);
    let databases = self::names(&sandbox, "d1/database", "name");
    assert_eq!(databases, ["store-development-db", "store-development-db-pr-two"]);
}

#[test]
fn what_cannot_be_a_preview_says_why_and_nothing_is_written() {
    let sandbox = shop();
    let refused = |words: &[&str], why: &str| {
        let words = [&["preview"][..], words, &["--platform", "local"]].concat();
        let run = sandbox.deploy(&words).exits(2);
        assert!(run.stderr.contains(why), "{words:?}: {}", run.stderr);
    };
    refused(&["create", "//"], "no letter or digit");
    refused(&["create"], "no branch is checked out");
    refused(&["create", "x", "--ttl", "soon"], "--ttl `soon`");
    refused(&["create", "x", "wbe"], "did you mean `web`");
    refused(&["create", "x", "--from", "stagin"], "did you mean `staging`");
    refused(&["create", "x", "web"], "which does not exist");
    refused(&["delete"], "nobody said which preview");
    refused(&["delete", "x", "--expired"], "cannot be used with");
    refused(&["delete", "x"], "there is no preview `x`");
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let _ = preview(&sandbox, &["create", "x", "clock"], 0);
    let before = everything(&sandbox);
    refused(&["create", "x", "clock", "--from", "staging"], "as a copy of `development`");
    refused(&["delete", "y", "--yes"], "there is `x`");
    // Neither an environment nor a service may have the name of what a preview makes.
    sandbox.edit("clodo.toml", "[environments.staging]", "[environments.pr-y]");
    refused(&["create", "y", "clock"], "the environment `pr-y`");
    sandbox.edit("clodo.toml", "[environments.pr-y]", "[environments.pr-x]");
    let taken = sandbox.deploy(&[&DEPLOY[..], &["clock", "--env", "pr-x"]].concat());
    assert!(
        taken.exits(0).json()["outcome"] == "done",
        "`clock-pr-x` is not `clock-development-pr-x`"
    );
    refused(&["create", "x", "clock"], "the environment `pr-x`");
    sandbox.edit("clodo.toml", "[environments.pr-x]", "[environments.staging]");
    let strays = before.iter().filter(|one| !everything(&sandbox).contains(one)).count();
    assert_eq!(strays, 0);
    // `destroy` of the environment does not take away what a preview still calls.
    let _ = preview(&sandbox, &["create", "caller", "web"], 0);
    let still = ["destroy", "store", "--platform", "local", "--yes", "--json"];
    let still = sandbox.deploy(&still).exits(3).json();
    assert!(
        still["error"]["message"].as_str().unwrap().contains("web-development-pr-caller"),
        "{still:#}"
    );
    // A Worker of the environment is no preview, whatever it is called.
    let named = ", \"env\": { \"development\": { \"name\": \"store-development-pr-k\" } } }";
    let config = std::fs::read_to_string(sandbox.project().join("clock/wrangler.jsonc")).unwrap();
    sandbox.write("clock/wrangler.jsonc", config.replace(" }", named));
    refused(&["create", "k", "store"], "worker `store-development-pr-k` of the preview");
    let _ = sandbox.deploy(&[&DEPLOY[..], &["clock"]].concat()).exits(0);
    sandbox.write("clock/wrangler.jsonc", config);
    let taken = preview(&sandbox, &["create", "k", "store"], 3);
    assert_eq!(taken["findings"][0]["rule"], "foreign-preview", "{taken:#}");
    refused(&["delete", "k", "--yes"], "there is no preview `k`");
    let workers = names(&sandbox, "workers/scripts", "id");
    assert!(workers.contains(&"store-development-pr-k".to_owned()), "{workers:?}");
}

#[test]
fn the_branch_that_is_checked_out_names_the_preview() {
    let sandbox = shop();
    sandbox.write(".git/HEAD", "ref: refs/heads/fix/Umlaut\n");
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let made = preview(&sandbox, &["create"], 0);
    assert!(url(&made, "web").contains("web-development-pr-fix-umlaut."), "{made:#}");
    assert_eq!(made["targets"].as_array().unwrap().len(), 3);
    // A rollback that names nothing means the environments, whatever branches did since.
    sandbox.write("web/index.js", web("second"));
    let development = sandbox.deploy(&DEPLOY).exits(0).json();
    assert_eq!(fetch(&url(&development, "web")).json()["web"], "second");
    let made = preview(&sandbox, &["create"], 0);
    let back = sandbox.deploy(&["rollback", "--platform", "local", "--yes", "--json"]).exits(0);
    assert!(back.stdout.contains("\"development\""), "{}", back.stdout);
    assert_eq!(fetch(&url(&development, "web")).json()["web"], "first");
    assert_eq!(fetch(&url(&made, "web")).json()["web"], "second");
}

/// Runs a command and kills it when it has printed so many events; true when it was over before.
#[cfg(unix)]
fn killed_after(sandbox: &Sandbox, words: &[&str], line: usize) -> bool {
    let words = [&["preview"][..], words, &["--platform", "local", "--json=events"]].concat();
    let mut command = sandbox.command("clodo-deploy", &words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let heard = output.by_ref().take(line).filter_map(Result::ok).count();
    let _ = Command::new("kill").args(["-KILL", &child.id().to_string()]).status();
    child.wait().unwrap();
    heard < line
}

#[cfg(unix)]
#[test]
fn killed_in_the_middle_the_same_command_finishes_and_a_removal_leaves_nothing() {
    let sandbox = shop();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let before = everything(&sandbox);
    let create = ["create", "x", "web", "store"];
    for line in (1..).step_by(5) {
        let was_over = killed_after(&sandbox, &create, line);
        // Every other time what was begun is finished first; else it is removed as it is.
        if line % 2 == 0 {
            let made = preview(&sandbox, &create, 0);
            assert_eq!(fetch(&url(&made, "web")).json()["notes"], json!([]), "after line {line}");
        }
        let is_there = everything(&sandbox) != before;
        let _ = killed_after(&sandbox, &["delete", "x", "--yes"], line);
        let rest = [&["preview", "delete", "x", "--yes"][..], &LOCAL].concat();
        let run = sandbox.deploy(&rest);
        assert!(
            run.code == Some(0) || (run.code == Some(2) && run.stdout.contains("no preview")),
            "{run:?}"
        );
        assert_eq!(
            everything(&sandbox),
            before,
            "after line {line}, there was something: {is_there}"
        );
        let past = sandbox.deploy(&["deployments", "--platform", "local", "--json"]).exits(0);
        assert!(!past.stdout.contains("\"unfinished\""), "after line {line}: {}", past.stdout);
        let _ = sandbox.deploy(&["drift", "--platform", "local"]).exits(0);
        if was_over {
            return;
        }
    }
}

#[cfg(unix)]
#[test]
fn resume_leaves_an_unfinished_preview_to_its_own_command() {
    let sandbox = shop();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    assert!(!killed_after(&sandbox, &["create", "x", "web", "store"], 8), "it is in the middle");
    let resume = ["resume", "--platform", "local", "--yes", "--json"];
    let refused = sandbox.deploy(&resume).exits(2).json();
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("`clodo-deploy preview create x`"), "{refused:#}");
    // As the hint says; then there is nothing left to go on with.
    let _ = preview(&sandbox, &["create", "x", "web", "store"], 0);
    let refused = sandbox.deploy(&resume).exits(2).json();
    assert_eq!(refused["error"]["message"], "no deployment is unfinished");
}

#[test]
fn with_data_the_copies_begin_with_what_the_environment_holds() {
    let sandbox = shop();
    let development = sandbox.deploy(&DEPLOY).exits(0).json();
    post(&format!("{}/original", url(&development, "web")));
    // The branch's own migration runs on the copied rows.
    sandbox.write(
        "store/migrations/0002_more.sql",
        "INSERT INTO notes SELECT text || '-migrated' FROM notes;\n",
    );
    let create = ["create", "x", "--with-data"];
    let made = preview(&sandbox, &create, 0);
    let own = url(&made, "web");
    let seen = fetch(&own).json();
    assert_eq!(seen["notes"], json!(["/original", "/original-migrated"]), "{seen:#}");
    assert_eq!(seen["keys"], json!(["/original"]));
    post(&format!("{own}/copy"));
    // Said again, nothing that is there is overwritten or doubled.
    let again = sandbox.deploy(&[&["preview"][..], &create, &LOCAL].concat()).exits(0);
    assert!(again.stderr.contains("left as it is"), "{}", again.stderr);
    let seen = fetch(&own).json();
    assert_eq!(seen["notes"], json!(["/copy", "/original", "/original-migrated"]), "{seen:#}");
    let original = fetch(&url(&development, "web")).json();
    assert_eq!(original["notes"], json!(["/original"]));
    assert_eq!(original["keys"], json!(["/original"]));
    // What is protected is not spread unasked.
    sandbox.edit(
        "clodo.toml",
        "[environments.staging]",
        "[environments.staging]\nprotection = \"confirm\"",
    );
    let spread = ["create", "y", "--from", "staging", "--with-data"];
    let refused = sandbox.deploy(&[&["preview"][..], &spread, &LOCAL].concat()).exits(3);
    assert!(refused.stderr.contains("--allow-protected"), "{}", refused.stderr);
    let _ = preview(
        &sandbox,
        &["create", "y", "store", "--from", "staging", "--with-data", "--allow-protected", "--yes"],
        0,
    );
}
