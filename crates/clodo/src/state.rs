//! Where a portfolio's journals, leases, budgets and jobs lie.

use crate::project::{Project, ignore_in_git};
use clodo_config::Platform;
use clodo_saga::{SqliteStore, StateStore, StoreError, StoreErrorKind};
use ring::digest::{SHA256, digest};
use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The state of a portfolio cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is no place for it.
    #[error("could not make the folder {}", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// `state` in clodo.toml is no URL of a database.
    #[error("`state` in clodo.toml is not usable")]
    Url(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This program was built without PostgreSQL.
    #[error("this program cannot use PostgreSQL")]
    NoPostgres,
    /// The store cannot be opened.
    #[error(transparent)]
    Store(StoreError),
}

impl StateError {
    /// What kind of failure the store had, if it was that.
    #[must_use]
    pub fn kind(&self) -> Option<StoreErrorKind> {
        match self {
            Self::Store(error) => Some(error.kind()),
            _ => None,
        }
    }
}

/// Opens what `state` in clodo.toml names, else a file under `.clodo/`: for each platform its own,
/// since versions and rollback points of one mean nothing on another.
///
/// A PostgreSQL database has a schema for each platform. Its password comes from
/// `CLODO_STATE_PASSWORD`, else from the pgpass file that `PGPASSFILE` names, else from `~/.pgpass`.
/// `environment` reads a variable.
///
/// # Errors
/// When the state cannot be read or created.
pub async fn open_state(
    project: &Project,
    platform: Platform,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn StateStore>, StateError> {
    match project.portfolio().state() {
        Some(url) => open_postgres(url, platform, environment).await,
        None => open_file(project, platform).await,
    }
}

/// The file under `.clodo/` that holds the state of a platform, unless `state` says otherwise.
#[must_use]
pub fn state_file(platform: Platform) -> &'static str {
    match platform {
        Platform::Local => "state-local.sqlite",
        Platform::Cloudflare => "state.sqlite",
    }
}

/// Tells stores of state apart, without saying where they lie: leases of one name can be compared
/// within one store only. A file that was deleted and made again is another store.
#[must_use]
pub fn state_name(project: &Project, platform: Platform) -> String {
    let place = match project.portfolio().state() {
        Some(url) => format!("{url} {platform}"),
        None => made(&project.clodo_folder().join(state_file(platform))),
    };
    let hash = digest(&SHA256, place.as_bytes());
    hash.as_ref()[..8].iter().fold(String::new(), |mut name, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// Which file it is, and since when.
fn made(path: &Path) -> String {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let Ok(known) = std::fs::metadata(&path) else { return path.display().to_string() };
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&known);
    #[cfg(not(unix))]
    let number = 0;
    format!("{} {number} {:?}", path.display(), known.created().ok())
}

async fn open_file(
    project: &Project,
    platform: Platform,
) -> Result<Arc<dyn StateStore>, StateError> {
    let folder = project.clodo_folder();
    ignore_in_git(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| StateError::Folder(folder.clone(), error))?;
    let store = SqliteStore::open(folder.join(state_file(platform))).await;
    Ok(Arc::new(store.map_err(StateError::Store)?))
}

#[cfg(not(feature = "postgres"))]
async fn open_postgres(
    _: &str,
    _: Platform,
    _: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn StateStore>, StateError> {
    Err(StateError::NoPostgres)
}

#[cfg(feature = "postgres")]
async fn open_postgres(
    url: &str,
    platform: Platform,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<dyn StateStore>, StateError> {
    use clodo_saga::{PostgresOptions, PostgresStore};
    use clodo_types::Secret;
    let options = PostgresOptions::new(&Secret::new(url.to_owned()));
    let mut options = options.map_err(|error| StateError::Url(error.into()))?;
    options = options.with_namespace(match platform {
        Platform::Local => "clodo_local",
        Platform::Cloudflare => "clodo",
    });
    if let Some(password) = crate::pgpass::password(&options.place(), environment) {
        options = options.with_password(&password);
    }
    let store = PostgresStore::open(&options).await.map_err(StateError::Store)?;
    Ok(Arc::new(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_made_again_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.sqlite");
        std::fs::write(&path, "1").unwrap();
        let first = made(&path);
        std::fs::write(&path, "22").unwrap();
        assert_eq!(made(&path), first, "it was only written to");
        let other = folder.path().join("other.sqlite");
        std::fs::copy(&path, &other).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(made(&path), first);
    }
}
