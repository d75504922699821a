use clodo_bundle::{Bundle, BundleError, Bundler, Module, Project};
use clodo_npm::{NpmCache, cache_root};
use clodo_wrangler::WorkerConfig;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A project in a folder of its own.
pub(crate) struct Sandbox {
    folder: TempDir,
    pub(crate) config: WorkerConfig,
}

impl Sandbox {
    /// Writes the files; the entry point is `src/index.ts` unless a test says otherwise.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = WorkerConfig::default();
        config.main = Some("src/index.ts".into());
        config.compatibility_date = Some("2026-04-01".to_owned());
        config.keep_names = true;
        let sandbox = Self { folder, config };
        for (path, content) in files {
            sandbox.write(path, content.as_bytes());
        }
        sandbox
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut WorkerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("services/web").join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn project(&self) -> Project {
        fs::create_dir_all(self.path("")).unwrap();
        Project::new(self.path(""), self.config.clone(), "services/web/wrangler.jsonc").unwrap()
    }

    pub(crate) async fn bundle(&self) -> Result<Bundle, BundleError> {
        bundler().bundle(&self.project()).await
    }

    /// The error of a project that must not bundle, with its hint.
    pub(crate) async fn failure(&self) -> String {
        explain(&self.bundle().await.unwrap_err())
    }
}

/// An error as a program shows it.
pub(crate) fn explain(error: &BundleError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text += &format!("\ncaused by: {inner}");
        cause = inner.source();
    }
    text + &error.hint().map_or(String::new(), |hint| format!("\nhint: {hint}"))
}

pub(crate) fn bundler() -> Bundler {
    Bundler::new(cache())
}

/// The user's cache, which all tests share.
pub(crate) fn cache() -> NpmCache {
    #[expect(clippy::disallowed_methods, reason = "tests share the user's cache")]
    NpmCache::new(cache_root(&|name| std::env::var_os(name)).unwrap())
}

/// A bundler that could not install anything.
pub(crate) fn without_npm(cache: &Path) -> Bundler {
    let npm = clodo_npm::NpmProgram::at("no-such-npm");
    Bundler::new(NpmCache::new(cache).with_npm(npm))
}

pub(crate) fn text(module: &Module) -> &str {
    std::str::from_utf8(&module.body).unwrap()
}

pub(crate) fn main_text(bundle: &Bundle) -> &str {
    let name = bundle.main_module.as_deref().unwrap();
    text(bundle.modules.iter().find(|module| module.name == name).unwrap())
}

pub(crate) fn names(bundle: &Bundle) -> Vec<&str> {
    bundle.modules.iter().map(|module| module.name.as_str()).collect()
}
