//! The migration files of a service, as its wrangler config says.

use crate::{
    load_error::{LoadError, LoadErrorKind},
    project::ServiceConfig,
};
use clodo_db::{MigrationFolder, MigrationPattern};
use clodo_orchestrator::MigrationFile;
use clodo_wrangler::D1Database;
use std::path::{Component, Path, PathBuf};

/// Where the migrations of a database are.
///
/// # Errors
/// When its pattern is none.
pub(crate) fn folder(
    files: &ServiceConfig,
    database: &D1Database,
) -> Result<MigrationFolder, LoadError> {
    let parent = files.shown.parent().unwrap_or(Path::new(""));
    let shown = plain(&parent.join(&database.migrations_dir));
    let folder = MigrationFolder::new(files.folder.join(&database.migrations_dir), shown);
    let Some(given) = &database.migrations_pattern else { return Ok(folder) };
    let refused = |why: &str| {
        let message = format!("{}: {why}", files.shown.display());
        let hint = "write `migrations_pattern` as `FOLDER/*.sql` or `FOLDER/*/migration.sql`, with the \
                    folder of `migrations_dir`";
        LoadError::new(LoadErrorKind::Config, message).with_hint(hint)
    };
    let (glob, dir) = (normal(given), normal(&database.migrations_dir.to_string_lossy()));
    let below = match dir.as_str() {
        "" => Some(glob.as_str()),
        dir => glob.strip_prefix(dir).and_then(|rest| rest.strip_prefix('/')),
    };
    let below = below.ok_or_else(|| {
        refused(&format!("`migrations_pattern` `{given}` does not begin with `{dir}/`"))
    })?;
    let pattern = MigrationPattern::new(below).map_err(|error| refused(&error.to_string()))?;
    Ok(folder.with_pattern(pattern))
}

/// What is wrong where a config names a folder that is not there.
///
/// # Errors
/// When there is none, and it is not wrangler's usual one.
pub(crate) fn expect(folder: &MigrationFolder, named: &Path) -> Result<(), LoadError> {
    if named == Path::new("migrations") || folder.path.is_dir() {
        return Ok(());
    }
    let message = format!("there is no folder `{}` of migrations", folder.shown.display());
    Err(LoadError::new(LoadErrorKind::Config, message)
        .with_hint("correct `migrations_dir`; `clodo-db new` makes the folder with its first file"))
}

/// A folder and which files of it, as a config says them.
pub(crate) type Wanted = (PathBuf, Option<String>);

/// Those that a database has.
pub(crate) fn wanted(database: &D1Database) -> Wanted {
    (database.migrations_dir.clone(), database.migrations_pattern.clone())
}

/// The files of a folder, in the order in which they are applied.
///
/// # Errors
/// When one cannot be read or is no text.
pub(crate) fn read(folder: &MigrationFolder) -> Result<Vec<MigrationFile>, LoadError> {
    let whole = |file: clodo_db::MigrationFile| {
        let (name, path) = (file.name.clone(), file.path.clone());
        MigrationFile::new(name, path, file.into_text())
    };
    Ok(folder.files()?.into_iter().map(whole).collect())
}

/// A relative path without `.` and `..`, as far as it says; empty for the folder of the config itself.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_compared_without_its_detours() {
        for (path, is) in [
            ("./migrations/", "migrations"),
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("../../db\\m", "../../db/m"),
            (".", ""),
        ] {
            assert_eq!(normal(path), is, "{path}");
        }
    }
}
