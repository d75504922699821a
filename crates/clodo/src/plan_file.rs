//! Saved plans as files: one tar with the plan and the bundles that it needs.

use clodo_bundle::{ArchiveError, Bundle};
use clodo_orchestrator::{Desired, SavedPlan, SavedPlanError};
use clodo_types::ContentHash;
use std::{
    collections::BTreeMap,
    fs, io,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

const PLAN: &str = "plan.json";
const BUNDLES: &str = "bundles/";

/// A plan that was read from a file, ready to be carried out.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadPlan {
    /// The plan as it was looked at.
    pub saved: SavedPlan,
    /// What it is for, with the content of all bundles. Assets lie in the folder that was given.
    pub desired: Desired,
}

/// A plan could not be written to a file, or read from one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// The file cannot be read or written.
    #[error("`{}` cannot be {doing}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds no plan, or one that a newer Clodo made.
    #[error("`{}` holds no usable plan", .path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SavedPlanError,
    },
    /// A bundle in it is damaged or missing.
    #[error("`{}` is damaged", .path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl PlanFileError {
    fn io(path: &Path, doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), doing, source }
    }

    fn damaged(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Bundle { path: path.to_owned(), source: source.into() }
    }
}

/// Writes a plan with the bundles of what it is for, whole or not at all, readable by its owner only:
/// migrations and plain variables are in it as they are.
///
/// # Errors
/// When the file cannot be written, or an asset can no longer be read.
pub fn write_plan(path: &Path, saved: &SavedPlan) -> Result<(), PlanFileError> {
    let failed = PlanFileError::io(path, "written");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(&failed)?;
    let text = saved.to_json().map_err(|error| failed(error.into()))?;
    let bundles: BTreeMap<ContentHash, &Arc<Bundle>> =
        saved.desired().targets.iter().map(|one| (one.bundle.hash, &one.bundle)).collect();
    let written = (|| {
        let mut tar = tar::Builder::new(io::BufWriter::new(&mut file));
        add(&mut tar, PLAN, &text)?;
        for (hash, bundle) in bundles {
            let mut packed = Vec::new();
            bundle.pack(&mut packed)?;
            add(&mut tar, &format!("{BUNDLES}{hash}"), &packed)?;
        }
        tar.into_inner()?.flush()
    })();
    written.map_err(&failed)?;
    file.as_file().sync_all().map_err(&failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Reads a plan. Assets of its bundles are put into `folder`, where they must stay until it has been
/// carried out.
///
/// # Errors
/// When the file cannot be read, is no plan, or is damaged.
pub fn read_plan(path: &Path, folder: &Path) -> Result<ReadPlan, PlanFileError> {
    let failed = PlanFileError::io(path, "read");
    let file = fs::File::open(path).map_err(&failed)?;
    let broken = |why: &str| {
        let source = io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        PlanFileError::damaged(path, source)
    };
    let mut tar = tar::Archive::new(io::BufReader::new(file));
    let (mut saved, mut bundles) = (None, BTreeMap::new());
    for entry in tar.entries().map_err(&failed)? {
        let mut entry = entry.map_err(|error| PlanFileError::damaged(path, error))?;
        let name = entry.path().map_err(&failed)?.to_string_lossy().into_owned();
        if name == PLAN {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(|error| PlanFileError::damaged(path, error))?;
            let plan = |source| PlanFileError::Plan { path: path.to_owned(), source };
            saved = Some(SavedPlan::from_json(&text).map_err(plan)?);
        } else if let Some(hash) = name.strip_prefix(BUNDLES) {
            // Only what reads as a hash becomes a folder's name.
            let hash: ContentHash = hash.parse().map_err(|_| broken("it holds something else"))?;
            let bundle = Bundle::unpack(&mut entry, &folder.join(hash.to_string()));
            let bundle =
                bundle.map_err(|error: ArchiveError| PlanFileError::damaged(path, error))?;
            bundles.insert(bundle.hash, Arc::new(bundle));
        } else {
            return Err(broken("it holds something else"));
        }
    }
    let saved = saved.ok_or_else(|| broken("there is no plan in it"))?;
    let mut desired = saved.desired().clone();
    desired.attach(&bundles).map_err(|_| broken("a bundle is missing"))?;
    Ok(ReadPlan { saved, desired })
}

fn add(tar: &mut tar::Builder<impl io::Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    tar.append_data(&mut header, name, content)
}
