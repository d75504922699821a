//! wrangler's R2 commands, both generations.

use clodo_tests::{Sandbox, Wrangler};

struct Session {
    sandbox: Sandbox,
    wrangler: Wrangler,
}

impl Session {
    fn new(wrangler: Wrangler) -> Self {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach", "--zone", "acme.test"]).exits(0);
        Self { sandbox, wrangler }
    }

    #[track_caller]
    fn run(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let run = self.wrangler.run(&self.sandbox, &self.sandbox.project(), &words).exits(0);
        run.stdout + &run.stderr
    }

    #[track_caller]
    fn says(&self, line: &str, expected: &str) {
        let said = self.run(line);
        assert!(said.contains(expected), "`{line}` does not say {expected:?}:\n{said}");
    }
}

// conformance: r2 | wrangler r2 bucket create | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket list | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket info | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket update storage-class | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket delete | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 object put | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 object get | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 object delete | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket cors set | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket cors list | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket cors delete | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket dev-url get | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket dev-url enable | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket dev-url disable | accepted by wrangler 4.86 and 4.164
fn keeps_buckets(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    session.says("r2 bucket create pictures", "pictures");
    session.says("r2 bucket list", "pictures");
    session.sandbox.write("cat.txt", "meow");
    session.run("r2 object put pictures/cat.txt --file cat.txt --remote");
    session.says("r2 object get pictures/cat.txt --remote --pipe", "meow");
    session.run("r2 bucket update storage-class pictures -s InfrequentAccess");
    session.says("r2 bucket info pictures", "InfrequentAccess");
    let rules = r#"{"rules":[{"allowed":{"origins":["https://acme.test"],"methods":["GET"]}}]}"#;
    session.sandbox.write("cors.json", rules);
    session.run("r2 bucket cors set pictures --file cors.json --force");
    session.says("r2 bucket cors list pictures", "https://acme.test");
    session.run("r2 bucket cors delete pictures --force");
    session.run("r2 bucket dev-url enable pictures --force");
    session.says("r2 bucket dev-url get pictures", "enabled");
    session.run("r2 bucket dev-url disable pictures --force");
    session.run("r2 object delete pictures/cat.txt --remote");
    session.run("r2 bucket delete pictures");
    assert!(!session.run("r2 bucket list").contains("pictures"));
}

#[test]
fn wrangler_4_86_keeps_buckets() {
    keeps_buckets(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_keeps_buckets() {
    keeps_buckets(Wrangler::v4_164());
}

// conformance: r2 | wrangler r2 bucket lifecycle add | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket lifecycle list | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket lifecycle remove | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket lifecycle set | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket lock add | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket lock list | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket lock remove | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket lock set | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket local-uploads get | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket local-uploads enable | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket local-uploads disable | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket notification create | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket notification list | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket notification get | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket notification delete | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket domain add | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket domain list | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket domain get | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket domain update | accepted by wrangler 4.86 and 4.164
// conformance: r2 | wrangler r2 bucket domain remove | accepted by wrangler 4.86 and 4.164
fn sets_buckets_up(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    session.run("r2 bucket create pictures");
    session.run("r2 bucket lifecycle add pictures old tmp/ --expire-days 7 --force");
    session.says("r2 bucket lifecycle list pictures", "old");
    session.run("r2 bucket lifecycle remove pictures --name old");
    session.sandbox.write("lifecycle.json", r#"{"rules":[]}"#);
    session.run("r2 bucket lifecycle set pictures --file lifecycle.json --force");
    session.run("r2 bucket lock add pictures keep --prefix logs/ --retention-days 1 --force");
    session.says("r2 bucket lock list pictures", "keep");
    session.run("r2 bucket lock remove pictures --name keep");
    session.sandbox.write("lock.json", r#"{"rules":[]}"#);
    session.run("r2 bucket lock set pictures --file lock.json --force");
    session.run("r2 bucket local-uploads enable pictures --force");
    session.says("r2 bucket local-uploads get pictures", "enabled");
    session.run("r2 bucket local-uploads disable pictures --force");
    session.run("queues create changes");
    session
        .run("r2 bucket notification create pictures --event-type object-create --queue changes");
    session.says("r2 bucket notification list pictures", "changes");
    session.says("r2 bucket notification get pictures", "changes");
    session.run("r2 bucket notification delete pictures --queue changes");
    let zone = zone(&session);
    let add =
        format!("r2 bucket domain add pictures --domain files.acme.test --zone-id {zone} --force");
    session.run(&add);
    session.says("r2 bucket domain list pictures", "files.acme.test");
    session.says("r2 bucket domain get pictures --domain files.acme.test", "files.acme.test");
    session.run("r2 bucket domain update pictures --domain files.acme.test --min-tls 1.2");
    session.run("r2 bucket domain remove pictures --domain files.acme.test --force");
}

#[test]
fn wrangler_4_86_sets_buckets_up() {
    sets_buckets_up(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_sets_buckets_up() {
    sets_buckets_up(Wrangler::v4_164());
}

fn zone(session: &Session) -> String {
    let settings = session.sandbox.settings();
    let of = |name: &str| {
        let found = settings.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).expect("a setting")
    };
    let url = format!("{}/zones?name=acme.test", of("CLOUDFLARE_API_BASE_URL"));
    let token = format!("authorization: Bearer {}", of("CLOUDFLARE_API_TOKEN"));
    let request = clodo_tests::Request { method: "GET", url: &url, headers: &[&token], body: "" };
    let answer = request.send().expect("the cloud answers").json();
    answer["result"][0]["id"].as_str().expect("a zone").to_owned()
}
