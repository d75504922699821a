use clodo_tests::{Request, Run, Sandbox, fetch};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// A shop of one service, and what its code does.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
}

/// How a version behaves.
#[derive(Clone, Copy)]
pub(crate) enum Code {
    /// It answers with this word.
    Says(&'static str),
    /// It throws one time in four.
    Throws(&'static str),
    /// Its health is a 500.
    Ill(&'static str),
    /// It answers, and its health is a 500 where the variable `ILL` says so.
    IllWhereToldTo(&'static str),
}

const PLAIN: &str = "return new Response(WORD);";

impl Code {
    fn text(self) -> String {
        let (word, health, body) = match self {
            Self::Says(word) => (word, "200", PLAIN),
            Self::Throws(word) => (
                word,
                "200",
                "if (count++ % 4 === 0) throw new Error(\"broken\"); return new Response(WORD);",
            ),
            Self::Ill(word) => (word, "500", PLAIN),
            Self::IllWhereToldTo(word) => (word, "env.ILL === \"yes\" ? 500 : 200", PLAIN),
        };
        format!(
            "const WORD = \"{word}\";\nlet count = 0;\nexport default {{\n  fetch(request, env) {{\n    \
             if (new URL(request.url).pathname === \"/health\") {{\n      const said = \
             {{ word: WORD, version_metadata: env.VERSION }};\n      return Response.json(said, \
             {{ status: {health} }});\n    }}\n    {body}\n  }},\n}};\n"
        )
    }
}

pub(crate) const ONE: &str = "[customers.acme.domains]\nstaging.web = \"shop.acme.test\"\n";

impl World {
    /// A portfolio in `staging` with these lines in its `clodo.toml`, deployed once.
    pub(crate) fn serving(lines: &str) -> Self {
        let world = Self { sandbox: Sandbox::empty() };
        let toml = format!(
            "[portfolio]\nname = \"shop\"\nplatform = \"local\"\n[accounts.main]\n\
             zones = [\"acme.test\"]\n[services.web]\npath = \"web\"\nhealth = \"/health\"\n\
             [environments.staging]\nrules = \"staging\"\n{lines}\n"
        );
        world.sandbox.write("clodo.toml", toml);
        world.sandbox.write(
            "web/wrangler.toml",
            "name = \"web\"\nmain = \"index.js\"\nno_bundle = true\n\
             compatibility_date = \"2026-04-01\"\nversion_metadata = { binding = \"VERSION\" }\n",
        );
        world.code(Code::Says("one"));
        let first = world.deploy().exits(0).json();
        assert_eq!(first["outcome"], "done", "{first:#}");
        world
    }

    pub(crate) fn code(&self, code: Code) {
        self.sandbox.write("web/index.js", code.text());
    }

    pub(crate) fn deploy(&self) -> Run {
        self.sandbox.deploy(&["deploy", "--env", "staging", "--yes", "--json"])
    }

    /// Deploys while two clients ask `host` again and again.
    pub(crate) fn deploy_under_traffic(&self, host: &str) -> Rolled {
        let url = self.url(host);
        let over = Arc::new(AtomicBool::new(false));
        let answers = Arc::<Mutex<BTreeMap<String, u32>>>::default();
        let client = || {
            let (over, answers, url) = (Arc::clone(&over), Arc::clone(&answers), url.clone());
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let answer = fetch(&url);
                    let said = match answer.status {
                        200 => answer.body,
                        other => other.to_string(),
                    };
                    *answers.lock().unwrap().entry(said).or_default() += 1;
                }
            })
        };
        let clients = [client(), client()];
        let words = ["deploy", "--env", "staging", "--yes", "--json=events"];
        let mut command = self.sandbox.command("clodo-deploy", &words);
        let mut rolled = Rolled::of(&mut command);
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        rolled.answers.clone_from(&answers.lock().unwrap());
        rolled
    }

    pub(crate) fn url(&self, host: &str) -> String {
        let status = self.sandbox.status();
        let port =
            status["url"].as_str().and_then(|url| url.rsplit(':').next()).unwrap().to_owned();
        format!("http://{host}.localhost:{port}/")
    }

    /// What answers at a host now, asked often enough to meet each version that has a share.
    #[track_caller]
    pub(crate) fn only_answers(&self, host: &str, word: &str) {
        let url = self.url(host);
        for _ in 0..40 {
            let answer = fetch(&url);
            assert_eq!((answer.status, answer.body.as_str()), (200, word));
        }
    }

    /// The shares of the traffic as the API tells them, largest first.
    pub(crate) fn shares(&self, worker: &str) -> Vec<f64> {
        let settings: BTreeMap<_, _> = self.sandbox.settings().into_iter().collect();
        let (base, account) =
            (&settings["CLOUDFLARE_API_BASE_URL"], &settings["CLOUDFLARE_ACCOUNT_ID"]);
        let url = format!("{base}/accounts/{account}/workers/scripts/{worker}/deployments");
        let token = format!("authorization: Bearer {}", settings["CLOUDFLARE_API_TOKEN"]);
        let request = Request { method: "GET", url: &url, headers: &[&token], body: "" };
        let answer = request.send().unwrap().json();
        let versions = answer["result"]["deployments"][0]["versions"].as_array().unwrap().clone();
        let mut shares: Vec<f64> =
            versions.iter().filter_map(|version| version["percentage"].as_f64()).collect();
        shares.sort_by(|a, b| b.total_cmp(a));
        shares
    }
}

/// What a deployment under traffic came to.
#[derive(Debug)]
pub(crate) struct Rolled {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
    /// How often each word, or each status, was the answer.
    pub(crate) answers: BTreeMap<String, u32>,
}

impl Rolled {
    /// Runs a command that tells its events, without anybody asking the Workers meanwhile.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let events: Vec<Value> = lines
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap_or_else(|e| panic!("{e}")))
            .collect();
        let code = child.wait().unwrap().code();
        Self { code, events, answers: BTreeMap::new() }
    }

    /// The steps about which an event of this kind tells.
    pub(crate) fn steps(&self, event: &str) -> Vec<&str> {
        let told = self.events.iter().filter(|line| line["event"] == event);
        told.filter_map(|line| line["step"].as_str()).collect()
    }

    /// The document that ends the events.
    pub(crate) fn document(&self) -> &Value {
        self.events.last().unwrap()
    }

    pub(crate) fn count(&self, answer: &str) -> u32 {
        self.answers.get(answer).copied().unwrap_or_default()
    }
}
