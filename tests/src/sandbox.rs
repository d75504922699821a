use crate::{
    fetch::get_json,
    run::{Run, program},
};
use serde_json::Value;
use std::{
    env, fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A folder of its own with a portfolio in it. When it is dropped, its local Cloudflare is stopped
/// and the folder removed.
#[derive(Debug)]
pub struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// An empty folder.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[must_use]
    pub fn empty() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir_all(sandbox.home()).expect("a home folder");
        fs::create_dir_all(sandbox.project()).expect("a project folder");
        sandbox
    }

    /// A copy of `examples/storefront`.
    ///
    /// # Panics
    /// When it cannot be copied.
    #[must_use]
    pub fn storefront() -> Self {
        let sandbox = Self::empty();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/storefront");
        copy(&example, &sandbox.project()).expect("the example can be copied");
        sandbox
    }

    /// Where the portfolio lies.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// The home folder of the programs under test.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes a file of the portfolio.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Replaces text in a file of the portfolio.
    ///
    /// # Panics
    /// When the file does not hold `from`.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.project().join(path)).expect("a text file");
        assert!(text.contains(from), "{path} does not contain {from:?}");
        self.write(path, text.replace(from, to));
    }

    /// A program of this workspace with `--project`, and an environment that holds nothing of the
    /// machine's but the path and the cache.
    #[must_use]
    pub fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program(name));
        command.args(words).arg("--project").arg(self.project());
        self.clean(&mut command);
        command
    }

    /// Runs `clodo-db` and sends it a signal when it has printed so many events that count; its exit
    /// code, and its last line.
    ///
    /// # Panics
    /// When it cannot be started.
    #[cfg(unix)]
    pub fn signal_db(
        &self,
        words: &[&str],
        (lines, signal): (usize, &str),
        counts: impl Fn(&str) -> bool,
    ) -> (Option<i32>, String) {
        let mut command = self.command("clodo-db", &[words, &["--json=events"]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let output = child.stdout.take().expect("it is piped");
        let mut output = BufReader::new(output).lines().map_while(Result::ok);
        let heard = output.by_ref().filter(|line| counts(line)).take(lines).last();
        let id = child.id().to_string();
        Command::new("kill").args([signal, &id]).status().expect("`kill` runs");
        // Read on, so that it never waits for us.
        let last = output.last().or(heard).unwrap_or_default();
        (child.wait().expect("it ends").code(), last)
    }

    /// Runs `clodo-db` and kills it when it has printed so many events; false when it was done before.
    #[cfg(unix)]
    #[must_use]
    pub fn kill_db(&self, words: &[&str], lines: usize) -> bool {
        self.signal_db(words, (lines, "-KILL"), |_| true).0.is_none()
    }

    /// Gives a command the sandbox's environment, and nothing else.
    pub fn clean(&self, command: &mut Command) {
        let keep = [
            "PATH",
            "CLODO_CACHE_DIR",
            "CLODO_WORKERD",
            // Where a program that is built for coverage writes what it ran.
            "LLVM_PROFILE_FILE",
            "SYSTEMROOT",
            "TMPDIR",
            "TEMP",
            "TMP",
        ];
        command.env_clear();
        for name in keep {
            if let Some(value) = setting(name) {
                command.env(name, value);
            }
        }
        if let Some(cache) = crate::wrangler::cache_root() {
            command.env("CLODO_CACHE_DIR", cache);
        }
        command.env("HOME", self.home()).stdin(Stdio::null());
    }

    /// Runs `clodo-deploy` to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn deploy(&self, words: &[&str]) -> Run {
        self.command("clodo-deploy", words).output().expect("clodo-deploy starts").into()
    }

    /// Runs `clodo-local` to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn local(&self, words: &[&str]) -> Run {
        self.command("clodo-local", words).output().expect("clodo-local starts").into()
    }

    /// Runs `clodo-db` to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn db(&self, words: &[&str]) -> Run {
        self.command("clodo-db", words).output().expect("clodo-db starts").into()
    }

    /// What points clients at the running local Cloudflare: variables and their values.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let text = self.local(&["env"]).exits(0).stdout;
        let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
            .collect()
    }

    /// The status document of the running local Cloudflare.
    #[must_use]
    pub fn status(&self) -> Value {
        self.local(&["status", "--json"]).exits(0).json()
    }
}

impl Sandbox {
    /// How many requests the running local Cloudflare has in its log: `reads` and `writes`.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn requests(&self) -> Value {
        let url = self.status()["url"].as_str().expect("a running cloud has a URL").to_owned();
        let requests = get_json(&format!("{url}/clodo/status"))["result"]["requests"].clone();
        assert!(requests["writes"].is_u64(), "the cloud counts its requests: {requests}");
        requests
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The cloud may never have been started; then this says so and nothing is lost.
        let _ = self.command("clodo-local", &["down"]).output();
    }
}

#[expect(clippy::disallowed_methods, reason = "tests read their environment here, once")]
fn setting(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name)
}

/// Copies a portfolio without what programs left in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "node_modules" || name == ".clodo" || name == ".wrangler" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(&name))?;
        } else {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}
