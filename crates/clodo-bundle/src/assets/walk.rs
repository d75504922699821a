use super::{AssetLimits, HEADERS, IGNORE, REDIRECTS};
use crate::{AssetProblem, BundleError, modules::read_error, project::Project};
use clodo_types::{Finding, Severity};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Server code of a Pages project.
const PAGES_WORKER: &str = "_worker.js";

/// A file to serve.
#[derive(Debug)]
pub(super) struct Found {
    /// The path in the URL.
    pub(super) path: String,
    pub(super) source: PathBuf,
}

/// What a walk brings.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) notes: Vec<Finding>,
}

/// A walk through the folder of assets.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    project: &'a Project,
    root: &'a Path,
    ignored: Gitignore,
    has_ignore_file: bool,
    limits: AssetLimits,
    walked: Walked,
    /// The real paths of the folders that the walk is inside of.
    inside: Vec<PathBuf>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        project: &'a Project,
        root: &'a Path,
        ignore: Option<&str>,
        limits: AssetLimits,
    ) -> Self {
        let mut builder = GitignoreBuilder::new("");
        // wrangler's library for this takes capitals and small letters as the same.
        let _ = builder.case_insensitive(true);
        let own = [IGNORE, REDIRECTS, HEADERS].map(|name| format!("/{name}"));
        let lines = ignore.unwrap_or_default().lines();
        for line in own.iter().map(String::as_str).chain(lines) {
            // A line that is no pattern ignores nothing, in git as well.
            let _ = builder.add_line(None, line);
        }
        let ignored = builder.build().unwrap_or_else(|_| Gitignore::empty());
        let (has_ignore_file, walked, inside) = (ignore.is_some(), Walked::default(), Vec::new());
        Self { project, root, ignored, has_ignore_file, limits, walked, inside }
    }

    pub(super) fn run(mut self) -> Result<Walked, BundleError> {
        self.folder(self.root, "")?;
        self.walked.found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.walked)
    }

    /// Hidden files are served, and links are followed: both as wrangler does.
    fn folder(&mut self, folder: &Path, below: &str) -> Result<(), BundleError> {
        let failed = |source| read_error(self.project, folder, source);
        let real = fs::canonicalize(folder).map_err(failed)?;
        if self.inside.contains(&real) {
            return Err(self.problem(folder, AssetProblem::Loop));
        }
        let entries = fs::read_dir(folder).map_err(failed)?;
        let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(failed)?;
        self.inside.push(real);
        for entry in entries {
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(self.problem(&path, AssetProblem::Name));
            };
            let relative = if below.is_empty() { name } else { format!("{below}/{name}") };
            self.entry(&path, &relative)?;
        }
        self.inside.pop();
        Ok(())
    }

    fn entry(&mut self, path: &Path, relative: &str) -> Result<(), BundleError> {
        let Ok(file) = fs::metadata(path) else {
            return if self.is_ignored(relative, false) {
                Ok(())
            } else {
                Err(self.problem(path, AssetProblem::DanglingLink))
            };
        };
        if self.is_ignored(relative, file.is_dir()) {
            return Ok(());
        }
        self.look_at_link(path);
        if file.is_dir() {
            return self.folder(path, relative);
        }
        if !file.is_file() {
            // A socket or a pipe has no content to serve.
            return Ok(());
        }
        if !self.has_ignore_file && relative.starts_with(PAGES_WORKER) {
            return Err(self.problem(path, AssetProblem::PagesWorker));
        }
        let (bytes, most) = (file.len(), self.limits.bytes);
        if bytes > most {
            return Err(self.problem(path, AssetProblem::TooLarge { bytes, most }));
        }
        self.walked.found.push(Found { path: format!("/{relative}"), source: path.to_owned() });
        Ok(())
    }

    fn is_ignored(&self, relative: &str, is_folder: bool) -> bool {
        self.ignored.matched_path_or_any_parents(relative, is_folder).is_ignore()
    }

    /// A link out of the folder may serve what nobody meant to.
    fn look_at_link(&mut self, path: &Path) {
        if !fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink()) {
            return;
        }
        let (Ok(target), Some(root)) = (fs::canonicalize(path), self.inside.first()) else {
            return;
        };
        if !target.starts_with(root) {
            self.walked.notes.push(Finding {
                rule: "asset-link-leaves-folder".to_owned(),
                severity: Severity::Note,
                at: None,
                message: format!(
                    "the asset `{}` is a link to something outside the folder of assets, which becomes public",
                    self.project.shown(path).display()
                ),
                hint: Some("list it in `.assetsignore` if that is not meant".to_owned()),
            });
        }
    }

    fn problem(&self, path: &Path, problem: AssetProblem) -> BundleError {
        BundleError::Asset { path: self.project.shown(path), problem }
    }
}
