use crate::Sandbox;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long a page may take to become what a test waits for.
const PATIENCE_MS: u64 = 30_000;

/// A headless Chromium, driven through ChromeDriver. It ends when it is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one with an empty profile.
    ///
    /// # Panics
    /// When Chromium or ChromeDriver is missing or does not start.
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("chromedriver");
        sandbox.clean(&mut command);
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("chromedriver starts; the test set-up installs it");
        let port = port_of(&mut driver);
        let data = format!("--user-data-dir={}", profile.path().display());
        // Nothing but loopback can be reached, and tests may run as root.
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &data,
        ];
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "timeouts": { "script": PATIENCE_MS },
        } } });
        let made = browser.call("POST", "/session", &wanted);
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// Opens an address; a new fragment alone does not load the page again.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(&self, url: &str) {
        let _ = self.ask("url", &json!({ "url": url }));
    }

    /// Waits until an element that `selector` finds has `text` in it, and returns all its text.
    ///
    /// # Panics
    /// When that does not happen in time.
    #[must_use]
    pub fn wait_for(&self, selector: &str, text: &str) -> String {
        let script = "
            const [selector, text, done] = arguments;
            const look = () => {
              const found = [...document.querySelectorAll(selector)].find((e) => e.innerText.includes(text));
              if (found) { observer.disconnect(); done({ found: found.innerText }); }
            };
            setTimeout(() => done({ page: document.body.innerText }), 20000);
            const observer = new MutationObserver(look);
            observer.observe(document, { subtree: true, childList: true, characterData: true });
            look();";
        let answer =
            self.ask("execute/async", &json!({ "script": script, "args": [selector, text] }));
        let found = answer["found"].as_str();
        found.unwrap_or_else(|| panic!("{selector} without {text:?}: {answer:#}")).to_owned()
    }

    /// The cells of a table's body.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn table(&self, id: &str) -> Vec<Vec<String>> {
        let script = "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)]
            .map((row) => [...row.cells].map((cell) => cell.innerText));";
        let rows = self.ask("execute/sync", &json!({ "script": script, "args": [id] }));
        serde_json::from_value(rows).expect("rows of texts")
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{what}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("chromedriver");
        stream.set_read_timeout(Some(Duration::from_secs(90))).expect("a socket");
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("chromedriver listens");
        let mut answer = String::new();
        let mut reader = BufReader::new(stream);
        // It keeps the connection open whatever it is asked, so the length counts.
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("an answer");
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
        }
        reader.take(length).read_to_string(&mut answer).expect("a body");
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{method} {path}: {value:#}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.call("DELETE", &format!("/session/{}", self.session), &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn port_of(driver: &mut Child) -> u16 {
    let stdout = driver.stdout.take().expect("piped");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let said = lines.find_map(|line| {
        let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // It goes on writing, and must not find the pipe closed.
    std::thread::spawn(move || lines.for_each(drop));
    said.expect("chromedriver says its port")
}
