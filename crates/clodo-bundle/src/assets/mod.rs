//! Static assets: which files are served, and what each is called, hashed and typed.

mod hash;
mod media_type;
mod walk;

use crate::{
    AssetFile, AssetProblem, AssetSet, BundleError, modules::read_error, project::Project,
};
use clodo_types::Finding;
use std::{fs, io, path::Path};
use walk::{Walk, Walked};

const HEADERS: &str = "_headers";
const REDIRECTS: &str = "_redirects";
const IGNORE: &str = ".assetsignore";

/// How much a Worker may bring as assets. The default is what every plan allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssetLimits {
    /// Files; some plans allow more.
    pub files: usize,
    /// Bytes in one file.
    pub bytes: u64,
}

impl Default for AssetLimits {
    fn default() -> Self {
        Self { files: 20_000, bytes: 25 << 20 }
    }
}

/// Reads the assets of a project, when it has any. Blocks; hashes on several threads.
pub(crate) fn collect(
    project: &Project,
    limits: AssetLimits,
) -> Result<Option<(AssetSet, Vec<Finding>)>, BundleError> {
    let Some(directory) =
        project.config().assets.as_ref().and_then(|assets| assets.directory.as_ref())
    else {
        return Ok(None);
    };
    let folder = project.resolve(directory);
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "does not exist" };
        let message = format!("the folder of assets `{}` {what}", project.shown(&folder).display());
        let error = project.config_error("directory", message, directory);
        let error = error.with_hint("correct `assets.directory`, or build the assets first");
        return Err(BundleError::Config(Box::new(error)));
    }
    let ignore = optional(project, &folder, IGNORE)?;
    let walk = Walk::new(project, &folder, ignore.as_deref(), limits);
    let Walked { found, notes } = walk.run()?;
    if let Some(extra) = found.get(limits.files) {
        let problem = AssetProblem::TooMany { most: limits.files };
        return Err(BundleError::Asset { path: project.shown(&extra.source), problem });
    }
    let hashes = hash::all(&found, project)?;
    let files = found.into_iter().zip(hashes).map(|(found, (hash, size))| AssetFile {
        content_type: media_type::of(&found.path),
        path: found.path,
        hash,
        size,
        source: found.source,
    });
    let mut files: Vec<AssetFile> = files.collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let headers = optional(project, &folder, HEADERS)?;
    let redirects = optional(project, &folder, REDIRECTS)?;
    Ok(Some((AssetSet { files, headers, redirects }, notes)))
}

fn optional(project: &Project, folder: &Path, name: &str) -> Result<Option<String>, BundleError> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(read_error(project, &path, error)),
    }
}
