use crate::load_error::{LoadError, LoadErrorKind};
use clodo_config::{FILE_NAME, Portfolio, find_root};
use clodo_types::{EnvironmentName, Finding, ServiceName};
use clodo_wrangler::WorkerConfig;
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// The environment that is meant when none is named.
const UNNAMED: &str = "development";

/// A portfolio on disk: a folder with a `clodo.toml`, or one with only a wrangler config.
#[derive(Clone, Debug)]
pub struct Project {
    root: PathBuf,
    shown: PathBuf,
    portfolio: Portfolio,
    is_single: bool,
}

/// `.clodo/` ignores itself, so nobody commits state or a token. Without it nothing breaks.
pub fn ignore_in_git(clodo_folder: &Path) {
    let ignore = clodo_folder.join(".gitignore");
    if !ignore.exists() && fs::create_dir_all(clodo_folder).is_ok() {
        let _ = fs::write(ignore, "*\n");
    }
}

/// One service's wrangler config as one environment sees it.
#[derive(Clone, Debug)]
pub(crate) struct ServiceConfig {
    /// The service's folder.
    pub(crate) folder: PathBuf,
    /// The config file, as the user would write it.
    pub(crate) shown: PathBuf,
    /// The effective config.
    pub(crate) config: WorkerConfig,
    /// The name that the file has at its top level, by which other Workers' bindings call it.
    pub(crate) base_name: Option<String>,
    /// wrangler's warnings.
    pub(crate) warnings: Vec<Finding>,
}

impl Project {
    /// Opens the portfolio in `given`, or else the nearest one from `current` upwards.
    ///
    /// # Errors
    /// When there is none, or its `clodo.toml` is wrong.
    pub fn open(given: Option<&Path>, current: &Path) -> Result<Self, LoadError> {
        let is_file = |path: &Path| path.is_file();
        let start = given.map_or_else(|| current.to_owned(), |given| current.join(given));
        if !start.is_dir() {
            let message = format!("there is no folder `{}`", start.display());
            return Err(LoadError::new(LoadErrorKind::Config, message));
        }
        // A folder that was named is meant itself; without one the search goes upwards.
        let root = match given {
            Some(_) => is_file(&start.join(FILE_NAME)).then(|| start.clone()),
            None => find_root(&start, &is_file),
        };
        if let Some(root) = root {
            return Self::with_clodo_toml(root, current, given);
        }
        match clodo_wrangler::find(&start, &is_file) {
            Some(config) => Self::single(start, &config, current, given),
            None => Err(nothing_in(&start)),
        }
    }

    fn with_clodo_toml(
        root: PathBuf,
        current: &Path,
        given: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let shown = shown_folder(&root, current, given);
        let path = root.join(FILE_NAME);
        let bytes = fs::read(&path).map_err(|error| unreadable(&shown.join(FILE_NAME), error))?;
        let portfolio = Portfolio::parse_bytes(shown.join(FILE_NAME), &bytes)?;
        Ok(Self { root, shown, portfolio, is_single: false })
    }

    fn single(
        root: PathBuf,
        config: &Path,
        current: &Path,
        given: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let shown = shown_folder(&root, current, given);
        let file = config.file_name().map(PathBuf::from).unwrap_or_default();
        let bytes = fs::read(config).map_err(|error| unreadable(&shown.join(&file), error))?;
        let document = clodo_wrangler::parse(&shown.join(&file), &bytes)?;
        // An environment that cannot be named in Clodo is one of wrangler's alone.
        let environments = document.environments();
        let environments = environments.iter().filter_map(|name| name.parse().ok());
        let reading = document.worker(None)?;
        let folder = root.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = reading.config.name.map(|name| name.to_string()).or(folder);
        let name: ServiceName = name.unwrap_or_default().parse().map_err(|error| {
            let message = format!("{}: the Worker has no usable name", shown.join(&file).display());
            LoadError::new(LoadErrorKind::Config, message).with_source(error)
        })?;
        let mut portfolio = Portfolio::single_service(name, &shown).with_environments(environments);
        if let Some(id) = reading.config.account_id {
            portfolio = portfolio.with_account_id(id);
        }
        Ok(Self { root, shown, portfolio, is_single: true })
    }

    /// What the portfolio describes.
    #[must_use]
    pub fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }

    /// The portfolio's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of Clodo's own files in the portfolio.
    #[must_use]
    pub fn clodo_folder(&self) -> PathBuf {
        self.root.join(".clodo")
    }

    /// The folder of the portfolio's local Cloudflare.
    #[must_use]
    pub fn local_folder(&self) -> PathBuf {
        self.clodo_folder().join("local")
    }

    /// True without a `clodo.toml`, for the environment that is meant when none is named: then
    /// names are those that wrangler gives without `--env`.
    pub(crate) fn is_top_level(&self, environment: &EnvironmentName) -> bool {
        self.is_single && environment.as_str() == UNNAMED
    }

    /// Reads a service's wrangler config for one environment.
    pub(crate) fn service(
        &self,
        service: &ServiceName,
        environment: &EnvironmentName,
    ) -> Result<ServiceConfig, LoadError> {
        let relative = &self.portfolio.services()[service].path;
        let folder = self.root.join(relative);
        let shown_folder = plain(&self.shown.join(relative));
        let Some(path) = clodo_wrangler::find(&folder, &|path| path.is_file()) else {
            return Err(self.no_config(service, &shown_folder));
        };
        let shown = shown_folder.join(path.file_name().unwrap_or_default());
        let bytes = fs::read(&path).map_err(|error| unreadable(&shown, error))?;
        let document = clodo_wrangler::parse(&shown, &bytes)?;
        let sections = document.environments();
        let section = sections.iter().find(|name| name.as_str() == environment.as_str());
        let reading = document.worker(section.map(String::as_str))?;
        let base = document.worker(None)?.config.name;
        Ok(ServiceConfig {
            folder,
            shown,
            config: reading.config,
            base_name: base.map(|name| name.to_string()),
            warnings: reading.warnings,
        })
    }

    fn no_config(&self, service: &ServiceName, folder: &Path) -> LoadError {
        let message =
            format!("service `{service}` has no wrangler config in `{}`", folder.display());
        let error = LoadError::new(LoadErrorKind::Config, message);
        error.with_hint("add a wrangler.jsonc there, or correct `path` in clodo.toml")
    }
}

/// The folder as messages show it: as it was given, or relative to where the user stands.
fn shown_folder(root: &Path, current: &Path, given: Option<&Path>) -> PathBuf {
    match given {
        Some(given) => plain(given),
        None => root.strip_prefix(current).map_or_else(|_| root.to_owned(), plain),
    }
}

/// The path without `.` parts.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn unreadable(shown: &Path, error: io::Error) -> LoadError {
    let message = format!("could not read {}", shown.display());
    LoadError::new(LoadErrorKind::Files, message).with_source(error)
}

fn nothing_in(folder: &Path) -> LoadError {
    let message =
        format!("there is no clodo.toml and no wrangler config in `{}`", folder.display());
    let hint = "go to a project's folder, or name one with --project DIR";
    LoadError::new(LoadErrorKind::Config, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_with_only_a_wrangler_config_is_a_portfolio_of_one_service() {
        let folder = folder(&[("wrangler.toml", "name = \"my-shop\"\n")]);
        let project = Project::open(None, folder.path()).unwrap();
        let services: Vec<_> = project.portfolio().services().keys().collect();
        assert_eq!(services[0].as_str(), "my-shop");
        assert!(project.is_single);
    }

    #[test]
    fn the_nearest_clodo_toml_upwards_counts_and_a_named_folder_is_meant_itself() {
        let text = "[portfolio]\nname = \"shop\"\n[services.web]\npath = \"web\"\n";
        let folder = folder(&[("clodo.toml", text), ("web/wrangler.toml", "name = \"web\"\n")]);
        let inside = folder.path().join("web");
        let project = Project::open(None, &inside).unwrap();
        assert_eq!(project.root(), folder.path());
        let named = Project::open(Some(Path::new("web")), folder.path()).unwrap();
        assert!(named.is_single);
    }

    #[test]
    fn an_empty_or_missing_folder_says_what_to_do() {
        let folder = folder(&[]);
        let error = Project::open(None, folder.path()).unwrap_err();
        assert_eq!(error.kind(), LoadErrorKind::Config);
        assert!(error.hint().unwrap().contains("--project"));
        let error = Project::open(Some(Path::new("nowhere")), folder.path()).unwrap_err();
        assert!(error.to_string().contains("nowhere"));
    }

    #[test]
    fn errors_name_files_as_the_user_would_write_them() {
        let folder = folder(&[("shop/clodo.toml", "nonsense = 1\n")]);
        let error = Project::open(Some(Path::new("./shop")), folder.path()).unwrap_err();
        assert_eq!(error.places()[0].at.path, Path::new("shop/clodo.toml"));
    }
}
