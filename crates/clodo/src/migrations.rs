use clodo_orchestrator::MigrationFile;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The migration files could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrationsError {
    /// The folder or a file cannot be read.
    #[error("could not read {}", .path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not UTF-8, and SQL for D1 is sent as text.
    #[error("{} is not UTF-8 text", .path.display())]
    NotText {
        /// Which one.
        path: PathBuf,
    },
}

/// Reads a service's migration files in the order in which wrangler applies them: all `*.sql` of
/// the folder, sorted by name. A folder that does not exist holds none.
///
/// `shown` is the folder as messages should name it.
///
/// # Errors
/// When a file cannot be read or is not text.
pub(crate) fn read(folder: &Path, shown: &Path) -> Result<Vec<MigrationFile>, MigrationsError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(MigrationsError::Unreadable { path: shown.into(), source }),
    };
    let mut names = Vec::new();
    for entry in entries {
        let unreadable = |source| MigrationsError::Unreadable { path: shown.to_owned(), source };
        let name = entry.map_err(unreadable)?.file_name();
        // A name that is not UTF-8 cannot be recorded in the database, and wrangler skips it too.
        names.extend(name.into_string().ok().filter(|name| name.ends_with(".sql")));
    }
    names.sort();
    names.into_iter().map(|name| read_file(folder, shown, name)).collect()
}

fn read_file(folder: &Path, shown: &Path, name: String) -> Result<MigrationFile, MigrationsError> {
    let path = shown.join(&name);
    let bytes = fs::read(folder.join(&name))
        .map_err(|source| MigrationsError::Unreadable { path: path.clone(), source })?;
    let sql =
        String::from_utf8(bytes).map_err(|_| MigrationsError::NotText { path: path.clone() })?;
    Ok(MigrationFile::new(name, path, sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for (name, sql) in [("0002_b.sql", "b"), ("0001_a.sql", "a"), ("notes.md", "c")] {
            fs::write(folder.path().join(name), sql).unwrap();
        }
        let files = read(folder.path(), Path::new("migrations")).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["0001_a.sql", "0002_b.sql"]);
        assert_eq!(files[0].path, Path::new("migrations/0001_a.sql"));
        assert!(read(&folder.path().join("none"), Path::new("none")).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_is_not_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("0001_a.sql"), [0xff]).unwrap();
        let error = read(folder.path(), Path::new("migrations")).unwrap_err();
        assert_eq!(error.to_string(), "migrations/0001_a.sql is not UTF-8 text");
    }
}
