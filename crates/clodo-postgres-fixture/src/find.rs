#[cfg(unix)]
use std::path::{Path, PathBuf};

/// The folder with PostgreSQL's programs: on `PATH`, else where Debian puts them, the newest first.
#[cfg(unix)]
pub(super) fn programs() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test looks where its user would")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter_map(|folder| has_programs(&folder));
    on_path.chain(debian()).next()
}

#[cfg(unix)]
fn debian() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        versions.filter_map(|version| has_programs(&version.path().join("bin"))).collect();
    folders.sort();
    folders.reverse();
    folders
}

/// The folder where the programs really are: their libraries are found from there.
#[cfg(unix)]
fn has_programs(folder: &Path) -> Option<PathBuf> {
    let all = ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file());
    let real = all.then(|| folder.join("initdb").canonicalize().ok()).flatten()?;
    let folder = real.parent().map(Path::to_owned)?;
    folder.join("createdb").is_file().then_some(folder)
}

#[expect(clippy::print_stderr, reason = "whoever reads the test's output is to know")]
pub(super) fn skipped() {
    eprintln!("skipped: PostgreSQL is not installed here");
}
