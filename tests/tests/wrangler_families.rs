//! Every command family of real wrangler that has a REST call, with both generations.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Run, Sandbox, Wrangler, fetch};
use std::fs;

const CODE: &str = "export default { fetch(_, env) { return new Response(`v1 ${env.KEY ?? \"none\"} ${env.MODE}`) } };";
const CONFIG: &str = r#"
name = "probe"
main = "index.js"
compatibility_date = "2026-04-01"
workers_dev = true
preview_urls = true
vars = { MODE = "plain" }
[triggers]
crons = ["*/5 * * * *"]
"#;

/// One wrangler in a folder with one Worker, and a cloud of its own.
struct Session {
    sandbox: Sandbox,
    wrangler: Wrangler,
}

impl Session {
    fn new(wrangler: Wrangler) -> Self {
        let sandbox = Sandbox::empty();
        sandbox.write("index.js", CODE);
        sandbox.write("wrangler.toml", CONFIG);
        let _ = sandbox.local(&["up", "--detach", "--zone", "acme.test"]).exits(0);
        Self { sandbox, wrangler }
    }

    /// Runs a command line, words apart by spaces, and returns what it printed.
    #[track_caller]
    fn run(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let run = self.wrangler.run(&self.sandbox, &self.sandbox.project(), &words).exits(0);
        run.stdout + &run.stderr
    }

    /// Runs it and looks for a text in what it printed.
    #[track_caller]
    fn says(&self, line: &str, expected: &str) -> String {
        let said = self.run(line);
        assert!(said.contains(expected), "`{line}` does not say {expected:?}:\n{said}");
        said
    }

    /// The same with standard input.
    #[track_caller]
    fn fed(&self, line: &str, input: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let file = self.sandbox.home().join("input");
        fs::write(&file, input).unwrap();
        let mut command = self.wrangler.command(&self.sandbox, &self.sandbox.project(), &words);
        let run: Run = command.stdin(fs::File::open(&file).unwrap()).output().unwrap().into();
        let run = run.exits(0);
        run.stdout + &run.stderr
    }

    fn body(&self, host: &str) -> String {
        let port = self.sandbox.status()["port"].as_u64().expect("a port");
        fetch(&format!("http://{host}.local.workers.dev.localhost:{port}/")).body
    }
}

/// The first word with `length` characters that are hexadecimal digits or dashes.
fn id(text: &str, length: usize) -> String {
    let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut words = text.split(|c: char| !is_id(c));
    words.find(|word| word.len() == length).unwrap_or_else(|| panic!("no id in {text}")).to_owned()
}

// conformance: identity | wrangler whoami | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv namespace create | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv namespace list | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv namespace rename | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv namespace delete | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv key put | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv key get | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv key list | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv key delete | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv bulk put | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv bulk get | accepted by wrangler 4.86 and 4.164
// conformance: kv | wrangler kv bulk delete | accepted by wrangler 4.86 and 4.164
fn keeps_keys(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    session.says("whoami", "local");
    let space = id(&session.run("kv namespace create notes"), 32);
    session.says("kv namespace list", &space);
    session.run(&format!("kv namespace rename --namespace-id {space} --new-name minutes"));
    session.says("kv namespace list", "minutes");
    let at = format!("--namespace-id {space} --remote");
    session.run(&format!("kv key put a/b one {at} --metadata {{\"n\":1}}"));
    session.says(&format!("kv key get a/b {at} --text"), "one");
    session.says(&format!("kv key list {at}"), "\"n\": 1");
    session.sandbox.write("bulk.json", r#"[{"key":"x","value":"1"},{"key":"y","value":"2"}]"#);
    session.run(&format!("kv bulk put bulk.json {at}"));
    session.sandbox.write("keys.json", r#"["x","y"]"#);
    session.says(&format!("kv bulk get keys.json {at}"), "\"x\"");
    session.run(&format!("kv bulk delete keys.json {at} --force"));
    session.run(&format!("kv key delete a/b {at}"));
    assert!(!session.run(&format!("kv key list {at}")).contains("a/b"));
    session.run(&format!("kv namespace delete --namespace-id {space} -y"));
    assert!(!session.run("kv namespace list").contains(&space));
}

#[test]
fn wrangler_4_86_keeps_keys() {
    keeps_keys(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_keeps_keys() {
    keeps_keys(Wrangler::v4_164());
}

// conformance: workers | wrangler deploy | accepted by wrangler 4.86 and 4.164
// conformance: versions | wrangler versions upload | accepted by wrangler 4.86 and 4.164
// conformance: versions | wrangler versions list | accepted by wrangler 4.86 and 4.164
// conformance: versions | wrangler versions view | accepted by wrangler 4.86 and 4.164
// conformance: versions | wrangler versions deploy | accepted by wrangler 4.86 and 4.164
// conformance: versions | wrangler deployments list | accepted by wrangler 4.86 and 4.164
// conformance: versions | wrangler deployments status | accepted by wrangler 4.86 and 4.164
// conformance: versions | wrangler rollback | accepted by wrangler 4.86 and 4.164
// conformance: triggers | wrangler triggers deploy | accepted by wrangler 4.86 and 4.164
// conformance: workers | wrangler delete | accepted by wrangler 4.86 and 4.164
fn moves_versions(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    let first = id(&session.says("deploy --message first", "Current Version ID"), 36);
    assert_eq!(session.body("probe"), "v1 none plain");
    session.sandbox.write("index.js", CODE.replace("v1", "v2"));
    let uploaded = session.run("versions upload --tag two --message second --preview-alias stage");
    let second = id(&uploaded, 36);
    assert_eq!(session.body(&format!("{}-probe", &second[..8])), "v2 none plain");
    assert_eq!(session.body("stage-probe"), "v2 none plain");
    session.says("versions list", "second");
    session.says(&format!("versions view {second}"), &second);
    session.run(&format!("versions deploy {first}@90% {second}@10% -y --message split"));
    session.says("deployments status", "(10%)");
    session.run(&format!("versions deploy {second}@100% -y"));
    assert_eq!(session.body("probe"), "v2 none plain");
    session.says("deployments list", "split");
    session.run(&format!("rollback {first} -y --message back"));
    assert_eq!(session.body("probe"), "v1 none plain");
    session.says("triggers deploy", "*/5 * * * *");
    session.run("delete --force");
    assert!(!session.body("probe").contains("v1"));
}

#[test]
fn wrangler_4_86_moves_versions() {
    moves_versions(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_moves_versions() {
    moves_versions(Wrangler::v4_164());
}

// conformance: secrets | wrangler secret put | accepted by wrangler 4.86 and 4.164
// conformance: secrets | wrangler secret list | accepted by wrangler 4.86 and 4.164
// conformance: secrets | wrangler secret delete | accepted by wrangler 4.86 and 4.164
// conformance: secrets | wrangler secret bulk | accepted by wrangler 4.86 and 4.164
// conformance: secrets | wrangler versions secret put | accepted by wrangler 4.86 and 4.164
// conformance: secrets | wrangler versions secret list | accepted by wrangler 4.86 and 4.164
// conformance: secrets | wrangler versions secret delete | accepted by wrangler 4.86 and 4.164
// conformance: secrets | wrangler versions secret bulk | accepted by wrangler 4.86 and 4.164
fn keeps_secrets(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    let first = id(&session.says("deploy", "Current Version ID"), 36);
    session.fed("secret put KEY", "one");
    assert_eq!(session.body("probe"), "v1 one plain");
    session.says("secret list", "KEY");
    session.sandbox.write("secrets.json", r#"{"KEY":"two","OTHER":"three"}"#);
    session.run("secret bulk secrets.json");
    assert_eq!(session.body("probe"), "v1 two plain");
    session.run("secret delete OTHER");
    assert!(!session.run("secret list").contains("OTHER"));
    // Going back to a version with other secrets is asked about; without a terminal, yes.
    session.run(&format!("rollback {first} -y --message back"));
    assert_eq!(session.body("probe"), "v1 none plain");
    let put = session.fed("versions secret put KEY", "four");
    let version = id(&put, 36);
    session.run(&format!("versions deploy {version}@100% -y"));
    assert_eq!(session.body("probe"), "v1 four plain");
    session.says("versions secret list", "KEY");
    let bulk = id(&session.run("versions secret bulk secrets.json"), 36);
    session.run(&format!("versions deploy {bulk}@100% -y"));
    assert_eq!(session.body("probe"), "v1 two plain");
    let deleted = id(&session.run("versions secret delete KEY"), 36);
    session.run(&format!("versions deploy {deleted}@100% -y"));
    assert_eq!(session.body("probe"), "v1 none plain");
}

#[test]
fn wrangler_4_86_keeps_secrets() {
    keeps_secrets(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_keeps_secrets() {
    keeps_secrets(Wrangler::v4_164());
}

// conformance: d1 | wrangler d1 create | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 list | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 info | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 execute | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 export | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 time-travel info | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 time-travel restore | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 migrations create | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 migrations list | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 migrations apply | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 insights | accepted by wrangler 4.86 and 4.164
// conformance: d1 | wrangler d1 delete | accepted by wrangler 4.86 and 4.164
fn keeps_databases(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    let database = id(&session.run("d1 create books"), 36);
    let binding = format!(
        "[[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"books\"\ndatabase_id = \"{database}\"\n"
    );
    session.sandbox.write("wrangler.toml", format!("{CONFIG}{binding}"));
    session.says("d1 list", &database);
    session.run("d1 migrations create books first");
    let sql = "CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT);";
    session.sandbox.write("migrations/0001_first.sql", sql);
    session.says("d1 migrations list books --remote", "0001_first.sql");
    session.says("d1 migrations apply books --remote", "0001_first.sql");
    session.sandbox.write("rows.sql", "INSERT INTO book (title) VALUES ('one;two'), ('three');");
    session.run("d1 execute books --remote --file rows.sql -y");
    let count =
        "d1 execute books --remote --json --command SELECT/**/count(*)/**/AS/**/n/**/FROM/**/book";
    session.says(count, "\"n\": 2");
    let bookmark = id(&session.run("d1 time-travel info books --json"), 59);
    session.run("d1 execute books --remote -y --command DELETE/**/FROM/**/book");
    session.says(count, "\"n\": 0");
    session.run(&format!("d1 time-travel restore books --bookmark {bookmark} --json"));
    session.says(count, "\"n\": 2");
    session.run("d1 export books --remote --output dump.sql -y");
    let dump = fs::read_to_string(session.sandbox.project().join("dump.sql")).unwrap();
    assert!(dump.contains("'one;two'") && dump.contains("CREATE TABLE"), "{dump}");
    session.says("d1 info books", "books");
    session.run("d1 insights books");
    session.run("d1 delete books -y");
    assert!(!session.run("d1 list").contains(&database));
}

#[test]
fn wrangler_4_86_keeps_databases() {
    keeps_databases(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_keeps_databases() {
    keeps_databases(Wrangler::v4_164());
}

// conformance: workers | wrangler init | accepted by wrangler 4.86 and 4.164 (`--from-dash`; without it nothing is asked of the API)
// conformance: workers | GET /accounts/{account}/workers/services/{script}/environments/{environment}/content/v2 | accepted by wrangler 4.86 and 4.164
fn downloads_a_worker(wrangler: Wrangler) {
    let session = Session::new(wrangler);
    session.run("deploy --message first");
    // Without the option wrangler has create-cloudflare call it with the option.
    session.run("init --from-dash probe --no-delegate-c3 --yes");
    let folder = session.sandbox.project().join("probe");
    let config = fs::read_to_string(folder.join("wrangler.jsonc")).unwrap();
    for part in ["\"main\": \"src/index.js\"", "2026-04-01", "\"MODE\": \"plain\"", "*/5 * * * *"] {
        assert!(config.contains(part), "{part} is missing in {config}");
    }
    let code = fs::read_to_string(folder.join("src/index.js")).unwrap();
    assert!(code.contains("env.MODE"), "{code}");
    // What came down goes up again, and does the same.
    let again = ["deploy", "--name", "copy"];
    let _ = session.wrangler.run(&session.sandbox, &folder, &again).exits(0);
    assert_eq!(session.body("copy"), "v1 none plain");
}

#[test]
fn wrangler_4_86_downloads_a_worker() {
    downloads_a_worker(Wrangler::v4_86());
}

#[test]
fn wrangler_4_164_downloads_a_worker() {
    downloads_a_worker(Wrangler::v4_164());
}
