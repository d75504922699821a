use super::cloud::cache;
use clodo::{LoadError, LoadOptions, Loaded, Project, Secrets, load};
use clodo_bundle::Bundler;
use clodo_config::{Platform, Selection};
use clodo_orchestrator::DesiredTarget;
use clodo_types::Finding;
use std::{fs, path::Path};

/// A portfolio in a folder of one test.
pub(crate) struct Folder(tempfile::TempDir);

/// What a test says about a load; the rest is usual.
#[derive(Default)]
pub(crate) struct Ask<'a> {
    pub(crate) environments: &'a [&'a str],
    pub(crate) services: &'a [&'a str],
    pub(crate) customers: &'a [&'a str],
    pub(crate) cloudflare: bool,
    pub(crate) secrets_file: &'a str,
}

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    /// A `clodo.toml` with these lines and one service per pair of name and wrangler config.
    pub(crate) fn with_services(clodo_toml: &str, services: &[(&str, &str)]) -> Self {
        let mut text = format!("[portfolio]\nname = \"shop\"\n{clodo_toml}\n");
        for (name, _) in services {
            text += &format!("[services.{name}]\npath = \"{name}\"\n");
        }
        let folder = Self::new(&[("clodo.toml", &text)]);
        for (name, config) in services {
            folder.write(&format!("{name}/wrangler.toml"), &worker(config));
            folder.write(&format!("{name}/index.js"), CODE);
        }
        folder
    }

    /// No `clodo.toml`.
    pub(crate) fn of_wrangler(config: &str) -> Self {
        Self::new(&[("wrangler.toml", &worker(config)), ("index.js", CODE)])
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) async fn load(&self, ask: Ask<'_>) -> Result<Loaded, LoadError> {
        load_from(self.path(), ask).await
    }

    pub(crate) async fn refused(&self, ask: Ask<'_>) -> String {
        let error = self.load(ask).await.unwrap_err();
        let hint = error.hint().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
        format!("{error}{hint}")
    }
}

const CODE: &str = "export default { fetch() { return new Response('hello') } };\n";

fn worker(config: &str) -> String {
    let usual = "main = \"index.js\"\nno_bundle = true\ncompatibility_date = \"2026-04-01\"\n";
    format!("{usual}{config}\n")
}

pub(crate) async fn load_from(folder: &Path, ask: Ask<'_>) -> Result<Loaded, LoadError> {
    let project = Project::open(None, folder)?;
    let mut selection = Selection::default();
    selection.environments = ask.environments.iter().map(|name| name.parse().unwrap()).collect();
    selection.services = ask.services.iter().map(|name| name.parse().unwrap()).collect();
    selection.customers = ask.customers.iter().map(|name| name.parse().unwrap()).collect();
    let options = LoadOptions {
        selection: &selection,
        platform: if ask.cloudflare { Platform::Cloudflare } else { Platform::Local },
        adopt: false,
        secrets: Secrets::new().with_file(ask.secrets_file),
        environment: &|_| None,
    };
    load(&project, &Bundler::new(cache()), options).await
}

/// The target of a service.
pub(crate) fn target<'a>(loaded: &'a Loaded, service: &str) -> &'a DesiredTarget {
    let mut targets = loaded.desired.targets.iter();
    targets.find(|target| target.id.service.as_str() == service).unwrap()
}

/// The rules of findings, and where they say what.
pub(crate) fn rules(notes: &[Finding]) -> Vec<&str> {
    notes.iter().map(|note| note.rule.as_str()).collect()
}
