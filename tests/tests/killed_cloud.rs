//! `kill -9` of the local Cloudflare while many write to it: whatever was acknowledged is there
//! afterwards, every file is whole, and no process is left behind.
//!
//! What is promised: a write of the API is on disk before it is answered (`--durability full`). What
//! bindings write, and everything with `--durability fast`, is in the system's hands when it is
//! answered: it survives the end of the process, which is what is tried here, but perhaps not a
//! power failure.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_sqlite::rusqlite::Connection;
use clodo_tests::Sandbox;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often the cloud is killed; `CLODO_TEST_KILLS` may ask for more.
const KILLS: u32 = 10;
/// The most writes of one round before the kill.
const MOST: u32 = 60;

/// One write that was acknowledged: its kind, and its number.
type Ack = (&'static str, u32);

/// A cloud that is killed and started again, with one of everything.
struct Cloud {
    sandbox: Sandbox,
    durability: &'static str,
    port: u16,
    pid: u32,
    account: String,
    token: String,
    ids: Ids,
}

/// What is written to.
#[derive(Clone, Default)]
struct Ids {
    zone: String,
    namespace: String,
    database: String,
    queue: String,
}

/// What a thread needs to write.
#[derive(Clone)]
struct Client {
    port: u16,
    token: String,
    account: String,
    ids: Ids,
}

impl Client {
    /// Sends a request; `None` when the connection broke before an answer began.
    fn send(&self, method: &str, host: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let form = body.starts_with(b"--B");
        let kind = if form { "multipart/form-data; boundary=B" } else { "text/plain" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             authorization: Bearer {}\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut raw = Vec::new();
        // A connection that broke may have carried the head already.
        let _ = stream.read_to_end(&mut raw);
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
        let status = String::from_utf8_lossy(&raw[..end]).split(' ').nth(1)?.parse().ok()?;
        Some((status, raw.split_off(end + 4)))
    }

    /// A call of the API below the account, or below `/zones`.
    fn api(&self, method: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let base = if path.starts_with("/zones") { "" } else { "/accounts/" };
        let account = if base.is_empty() { "" } else { &self.account };
        self.send(method, "127.0.0.1", &format!("/client/v4{base}{account}{path}"), body)
    }

    /// The result of a call that must work.
    fn result(&self, method: &str, path: &str, body: &[u8]) -> Value {
        let (status, answer) = self.api(method, path, body).expect("the cloud answers");
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status, 200, "{method} {path}: {text}");
        serde_json::from_slice::<Value>(&answer).map_or(Value::Null, |v| v["result"].clone())
    }

    /// Writes number `n` of a kind; whether that was acknowledged. `None`: there is nobody there.
    fn write(&self, kind: &str, n: u32) -> Option<bool> {
        let Ids { zone, namespace, database, queue } = &self.ids;
        let text = |value: Value| value.to_string().into_bytes();
        let (status, _) = match kind {
            "secret" => {
                let secret = json!({ "name": format!("S{n}"), "text": "x", "type": "secret_text" });
                self.api("PUT", "/workers/scripts/keep/secrets", &text(secret))
            }
            "record" => {
                let name = format!("n{n}.acme.test");
                let record = json!({ "type": "TXT", "name": name, "content": "x" });
                self.api("POST", &format!("/zones/{zone}/dns_records"), &text(record))
            }
            "script" => self.api("PUT", &format!("/workers/scripts/s{n}"), &upload(n, &json!([]))),
            "kv" => {
                let path = format!("/storage/kv/namespaces/{namespace}/values/k{n}");
                self.api("PUT", &path, &value(n))
            }
            "r2" => self.api("PUT", &format!("/r2/buckets/files/objects/o{n}"), &value(n)),
            "d1" => {
                let sql = json!({ "sql": format!("INSERT INTO t VALUES ({n}, 'api')") });
                self.api("POST", &format!("/d1/database/{database}/query"), &text(sql))
            }
            "queue" => {
                let message = json!({ "body": format!("q{n}"), "content_type": "text" });
                self.api("POST", &format!("/queues/{queue}/messages"), &text(message))
            }
            bound => self.send("GET", "shop.acme.test", &format!("/{bound}?n={n}"), b""),
        }?;
        Some(status == 200)
    }
}

/// What number `n` holds: some bytes for one, many for another.
fn value(n: u32) -> Vec<u8> {
    format!("{n:08}").repeat(if n.is_multiple_of(3) { 9_000 } else { 20 }).into_bytes()
}

/// Writes through its bindings.
const SHOP: &str = r#"export default { async fetch(request, env) {
    const url = new URL(request.url), n = url.searchParams.get("n");
    const value = n.padStart(8, "0").repeat(n % 3 == 0 ? 9000 : 20);
    switch (url.pathname) {
        case "/bound-kv": await env.KV.put("k" + n, value); break;
        case "/bound-r2": await env.FILES.put("o" + n, value); break;
        case "/bound-d1": await env.DB.prepare("INSERT INTO t VALUES (?, 'bound')").bind(+n).run(); break;
        case "/bound-queue": await env.JOBS.send("q" + n, { contentType: "text" }); break;
        default: return new Response("shop");
    }
    return new Response("kept");
} }"#;

fn upload(n: u32, bindings: &Value) -> Vec<u8> {
    let metadata = json!({
        "main_module": "i.js", "compatibility_date": "2026-01-01", "bindings": bindings,
    });
    let source = if bindings.as_array().unwrap().is_empty() {
        format!("export default {{ fetch() {{ return new Response('{n}') }} }} // {n}")
    } else {
        SHOP.to_owned()
    };
    format!(
        "--B\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
         --B\r\ncontent-disposition: form-data; name=\"i.js\"; filename=\"i.js\"\r\n\
         content-type: application/javascript+module\r\n\r\n{source}\r\n--B--\r\n"
    )
    .into_bytes()
}

impl Cloud {
    fn new(durability: &'static str) -> Self {
        let (account, token, ids) = (String::new(), String::new(), Ids::default());
        let sandbox = Sandbox::empty();
        let mut cloud = Self { sandbox, durability, port: 0, pid: 0, account, token, ids };
        cloud.start();
        cloud.furnish();
        cloud
    }

    fn start(&mut self) {
        let words = ["up", "--detach", "--zone", "acme.test", "--durability", self.durability];
        let _ = self.sandbox.local(&words).exits(0);
        let status = self.sandbox.status();
        self.port = status["port"].as_u64().unwrap().try_into().unwrap();
        self.pid = status["pid"].as_u64().unwrap().try_into().unwrap();
        let settings = self.sandbox.settings();
        let of = |wanted: &str| {
            settings
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
                .unwrap()
        };
        self.account = of("CLOUDFLARE_ACCOUNT_ID");
        self.token = of("CLOUDFLARE_API_TOKEN");
    }

    fn client(&self) -> Client {
        let Self { port, token, account, ids, .. } = self;
        Client { port: *port, token: token.clone(), account: account.clone(), ids: ids.clone() }
    }

    /// One of everything that is written to.
    fn furnish(&mut self) {
        let client = self.client();
        let made =
            |path: &str, body: Value| client.result("POST", path, body.to_string().as_bytes());
        let id = |made: Value, field: &str| made[field].as_str().unwrap().to_owned();
        self.ids = Ids {
            zone: id(client.result("GET", "/zones?name=acme.test", b"")[0].clone(), "id"),
            namespace: id(made("/storage/kv/namespaces", json!({ "title": "kv" })), "id"),
            database: id(made("/d1/database", json!({ "name": "db" })), "uuid"),
            queue: id(made("/queues", json!({ "queue_name": "jobs" })), "queue_id"),
        };
        let _ = made("/r2/buckets", json!({ "name": "files" }));
        let Ids { namespace, database, queue, .. } = &self.ids;
        let _ = made(
            &format!("/d1/database/{database}/query"),
            json!({ "sql": "CREATE TABLE t (n INTEGER, by TEXT)" }),
        );
        let _ = made(&format!("/queues/{queue}/consumers"), json!({ "type": "http_pull" }));
        let bindings = json!([
            { "type": "kv_namespace", "name": "KV", "namespace_id": namespace },
            { "type": "r2_bucket", "name": "FILES", "bucket_name": "files" },
            { "type": "d1", "name": "DB", "id": database },
            { "type": "queue", "name": "JOBS", "queue_name": "jobs" },
        ]);
        client.result("PUT", "/workers/scripts/shop", &upload(0, &bindings));
        client.result("PUT", "/workers/scripts/keep", &upload(0, &json!([])));
        let domain = json!({ "hostname": "shop.acme.test", "service": "shop",
            "zone_name": "acme.test", "environment": "production" });
        client.result("PUT", "/workers/domains", domain.to_string().as_bytes());
        let (status, _) = client.send("GET", "shop.acme.test", "/?n=0", b"").unwrap();
        assert_eq!(status, 200, "the Worker runs");
    }

    /// Everybody writes until the cloud was killed after so many acknowledgements.
    fn hammered(&self, numbers: &Arc<AtomicU32>, until: u32) -> BTreeSet<Ack> {
        let (sender, acks) = channel();
        let kinds: [&[&'static str]; 6] = [
            &["secret"],
            &["record", "script"],
            &["kv", "r2"],
            &["d1", "queue"],
            &["bound-kv", "bound-d1"],
            &["bound-r2", "bound-queue"],
        ];
        let writers = kinds.map(|kinds| writer(self.client(), kinds, numbers, &sender));
        drop(sender);
        let mut kept = BTreeSet::new();
        for _ in 0..until {
            kept.insert(acks.recv().expect("somebody writes"));
        }
        let running = processes_of(&self.sandbox.project());
        assert!(running.iter().any(|line| line.contains("workerd")), "{running:?}");
        signal(self.pid, "KILL");
        // What was acknowledged up to the very end counts too.
        kept.extend(acks.iter());
        for writer in writers {
            writer.join().unwrap();
        }
        kept
    }

    fn state(&self) -> std::path::PathBuf {
        self.sandbox.project().join(".clodo/local")
    }
}

fn writer(
    client: Client,
    kinds: &'static [&'static str],
    numbers: &Arc<AtomicU32>,
    acks: &Sender<Ack>,
) -> JoinHandle<()> {
    let (numbers, acks) = (Arc::clone(numbers), acks.clone());
    thread::spawn(move || {
        for kind in kinds.iter().cycle() {
            let n = numbers.fetch_add(1, Ordering::Relaxed);
            match client.write(kind, n) {
                Some(true) => drop(acks.send((kind, n))),
                // A Worker's process may have ended a moment before its cloud.
                Some(false) => {}
                None => return,
            }
        }
    })
}

fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "{pid} could not be sent {signal}");
}

/// Every acknowledged write is there.
fn check_all(client: &Client, kept: &BTreeSet<Ack>, new: &BTreeSet<Ack>) {
    let Ids { zone, namespace, database, .. } = &client.ids;
    let names = |path: &str, field: &str| -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for page in 1.. {
            let list = client.result("GET", &format!("{path}?per_page=100&page={page}"), b"");
            let list = list.as_array().unwrap().clone();
            let before = found.len();
            found.extend(list.iter().map(|item| item[field].as_str().unwrap().to_owned()));
            if list.len() < 100 || found.len() == before {
                break;
            }
        }
        found
    };
    let secrets = names("/workers/scripts/keep/secrets", "name");
    let records = names(&format!("/zones/{zone}/dns_records"), "name");
    let scripts = names("/workers/scripts", "id");
    let rows = json!({ "sql": "SELECT n || by AS k FROM t" }).to_string();
    let rows = client.result("POST", &format!("/d1/database/{database}/query"), rows.as_bytes());
    let rows = rows[0]["results"].as_array().unwrap().clone();
    let all = rows.len();
    let rows: BTreeSet<String> =
        rows.iter().map(|row| row["k"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rows.len(), all, "a row was written twice");
    for (kind, n) in kept {
        let there = match *kind {
            "secret" => secrets.contains(&format!("S{n}")),
            "record" => records.contains(&format!("n{n}.acme.test")),
            "script" => scripts.contains(&format!("s{n}")),
            "d1" => rows.contains(&format!("{n}api")),
            "bound-d1" => rows.contains(&format!("{n}bound")),
            _ => continue,
        };
        assert!(there, "{kind} {n} was acknowledged and is gone");
    }
    for (kind, n) in new {
        let path = match *kind {
            "kv" | "bound-kv" => format!("/storage/kv/namespaces/{namespace}/values/k{n}"),
            "r2" | "bound-r2" => format!("/r2/buckets/files/objects/o{n}"),
            "script" => format!("/workers/scripts/s{n}/content/v2"),
            _ => continue,
        };
        let (status, body) = client.api("GET", &path, b"").unwrap();
        assert_eq!(status, 200, "{kind} {n} was acknowledged and is gone");
        assert!(*kind == "script" || body == value(*n), "{kind} {n} is not what was written");
    }
}

/// All messages, once.
fn messages(client: &Client) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let path = format!("/queues/{}/messages/pull", client.ids.queue);
    loop {
        let asked = json!({ "batch_size": 100, "visibility_timeout_ms": 600_000 }).to_string();
        let pulled = client.result("POST", &path, asked.as_bytes());
        let pulled = pulled["messages"].as_array().unwrap().clone();
        if pulled.is_empty() {
            return found;
        }
        found.extend(pulled.iter().map(|one| one["body"].as_str().unwrap().to_owned()));
    }
}

/// A copy of what the kill left: every database is whole, and every blob is what its name says.
fn check_files(state: &Path) {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(state, copy.path());
    let (mut databases, mut blobs) = (0, 0);
    for path in files(copy.path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".sqlite") {
            let db = Connection::open(&path).unwrap();
            let said: String =
                db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(said, "ok", "{}", path.display());
            databases += 1;
        } else if path.components().any(|part| part.as_os_str() == "blobs")
            && !name.starts_with('.')
        {
            let digest = sha2::Sha256::digest(fs::read(&path).unwrap());
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, name, "a blob is not what its name says");
            blobs += 1;
        }
    }
    assert!(databases >= 5 && blobs > 0, "{databases} databases, {blobs} blobs");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &to);
        } else if kind.is_file() {
            // A watchdog may be tidying up sockets and files of the run.
            let _ = fs::copy(entry.path(), to);
        }
    }
}

/// Processes whose command line or environment names this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let wanted = folder.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let own = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if own && line.contains(&wanted) {
            found.push(line);
        }
    }
    found
}

/// Waits until no process of the killed cloud is left.
fn wait_for_none_left(folder: &Path) {
    for _ in 0..2_000 {
        if processes_of(folder).is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("processes are left: {:?}", processes_of(folder));
}

/// So many kinds of things are written.
const KINDS: usize = 11;

fn killed_again_and_again(durability: &'static str, kills: u32) {
    let mut cloud = Cloud::new(durability);
    let numbers = Arc::new(AtomicU32::new(1));
    let mut kept = BTreeSet::new();
    let mut seed = 0x5eed_u32;
    let kinds = |kept: &BTreeSet<(&str, u32)>| {
        kept.iter().map(|(kind, _)| (*kind).to_owned()).collect::<BTreeSet<String>>()
    };
    let mut killed = 0;
    // On a slow machine some kind may not have had its turn yet.
    while killed < kills || (kinds(&kept).len() < KINDS && killed < 5 * kills) {
        killed += 1;
        // An LCG: the same moments in every run, counted in acknowledgements.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let new = cloud.hammered(&numbers, 1 + (seed >> 16) % MOST);
        kept.extend(new.iter().copied());
        wait_for_none_left(&cloud.sandbox.project());
        check_files(&cloud.state());
        cloud.start();
        check_all(&cloud.client(), &kept, &new);
    }
    let messages = messages(&cloud.client());
    for (kind, n) in &kept {
        let sent = kind.ends_with("queue");
        assert!(!sent || messages.contains(&format!("q{n}")), "{kind} {n} is gone");
    }
    let kinds = kinds(&kept);
    assert_eq!(kinds.len(), KINDS, "everything was written to: {kinds:?}");
}

// conformance: limits and faults | `kill -9` under load loses no acknowledged write and leaves no process | guessed: nothing acknowledged is lost, since a durable write is what Cloudflare promises; nobody can kill it to see
#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    #[expect(clippy::disallowed_methods, reason = "a test is a program")]
    let wanted = std::env::var("CLODO_TEST_KILLS").ok().and_then(|kills| kills.parse().ok());
    killed_again_and_again("full", wanted.unwrap_or(KILLS));
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill_when_writes_do_not_wait_for_the_disk() {
    killed_again_and_again("fast", 4);
}
