use crate::{
    Run, Sandbox, install,
    wrangler::{cache_root, pin},
};
use clodo_npm::Pinned;
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What pip installs: versions and hashes.
const REQUIREMENTS: &str = include_str!("../pins/cloudflare-python-5.9.0/requirements.txt");

/// One of Cloudflare's own SDKs, with a script of ours that uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// The npm package `cloudflare` 7.3.0.
    Npm,
    /// The Python package `cloudflare` 5.9.0.
    Python,
}

impl Sdk {
    /// Calls everything about one noun, such as `kv`, and returns what the SDK made of the answers.
    ///
    /// # Panics
    /// When the SDK cannot be installed, or the script fails.
    #[must_use]
    pub fn run(self, sandbox: &Sandbox, noun: &str) -> Value {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let (mut command, script) = match self {
            Self::Npm => (Command::new("node"), clients.join("sdk.mjs")),
            Self::Python => (Command::new(python()), clients.join("sdk.py")),
        };
        sandbox.clean(&mut command);
        command.arg(script).arg(noun).envs(sandbox.settings());
        match self {
            Self::Npm => {
                let root = install(&pin_npm()).root().join("node_modules");
                command.env("SDK_MODULES", root)
            }
            Self::Python => command.env("PYTHONPATH", install_python()),
        };
        let run: Run = command.output().expect("the interpreter starts").into();
        run.exits(0).json()
    }
}

pub(crate) fn pin_npm() -> Pinned {
    let manifest = include_str!("../pins/cloudflare-7.3.0/package.json");
    let lock = include_str!("../pins/cloudflare-7.3.0/package-lock.json");
    pin("cloudflare-7.3.0", manifest, lock, "node_modules/cloudflare/package.json")
}

/// The interpreter itself: version managers put a script before it that looks into the home folder,
/// which tests do not have.
fn python() -> PathBuf {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    let asked = asked.expect("python3 starts");
    PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim())
}

/// The folder with the Python SDK and what it needs; installed into the cache if need be.
///
/// # Panics
/// When pip fails.
#[must_use]
pub fn install_python() -> PathBuf {
    let root = cache_root().expect("a cache folder").join("pip");
    let done = root.join("cloudflare-5.9.0");
    if done.join("cloudflare").is_dir() {
        return done;
    }
    fs::create_dir_all(&root).expect("the cache folder can be made");
    let made = tempfile::tempdir_in(&root).expect("a temporary folder");
    let requirements = made.path().join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).expect("a file");
    let target = made.path().join("packages");
    let pip: Run = Command::new(python())
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--require-hashes", "--no-deps", "--only-binary", ":all:", "--target"])
        .arg(&target)
        .arg("-r")
        .arg(&requirements)
        .output()
        .expect("python3 starts")
        .into();
    let _ = pip.exits(0);
    // Whoever comes second finds the first one's folder in its place, which is as good.
    let _ = fs::rename(&target, &done);
    assert!(done.join("cloudflare").is_dir(), "{} was not made", done.display());
    done
}
