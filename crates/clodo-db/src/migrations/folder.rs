use super::file::MigrationFile;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The migration files of a database, in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrations(Vec<MigrationFile>);

/// Migration files that cannot be read, or cannot be put in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
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
    /// SQL ends at a NUL: what stands behind it would never run.
    #[error("{} holds a NUL, behind which SQL ends", .path.display())]
    Nul {
        /// Which one.
        path: PathBuf,
    },
    /// Two files have one number, so nothing says which comes first.
    #[error("{} and {} have the same number", .first.display(), .second.display())]
    SameNumber {
        /// The one whose name comes first.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Two files have one name.
    #[error("{} is there twice", .path.display())]
    SameName {
        /// Which one.
        path: PathBuf,
    },
}

impl FolderError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions",
            Self::NotText { .. } | Self::Nul { .. } => "save it as UTF-8 text",
            Self::SameNumber { .. } => {
                "give the one that no database has yet the next free number: two branches may have \
                 made them at the same time"
            }
            Self::SameName { .. } => "give one of them the next free number",
        }
    }
}

impl Migrations {
    /// Puts files in order: by the number that their name begins with, as wrangler does, those
    /// without one last, by name.
    ///
    /// # Errors
    /// When two have one number or one name.
    pub fn new(mut files: Vec<MigrationFile>) -> Result<Self, FolderError> {
        let place = |file: &MigrationFile| (file.number().is_none(), file.number());
        files.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.name.cmp(&b.name)));
        for two in files.windows(2) {
            let [first, second] = two else { continue };
            if first.name == second.name {
                return Err(FolderError::SameName { path: second.path.clone() });
            }
            if first.number().is_some() && first.number() == second.number() {
                let (first, second) = (first.path.clone(), second.path.clone());
                return Err(FolderError::SameNumber { first, second });
            }
        }
        Ok(Self(files))
    }

    /// Reads all `*.sql` of a folder; one that does not exist holds none. `shown` is the folder as
    /// messages should name it.
    ///
    /// # Errors
    /// When a file cannot be read or is no text, or two have one number.
    pub fn read(folder: &Path, shown: &Path) -> Result<Self, FolderError> {
        let unreadable = |source| FolderError::Unreadable { path: shown.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(unreadable(source)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            // A name that is not UTF-8 cannot be recorded in the database, and wrangler skips it too.
            let Ok(name) = name.into_string() else { continue };
            if name.ends_with(".sql") {
                files.push(read_file(folder, shown, name)?);
            }
        }
        Self::new(files)
    }

    /// The files in order.
    #[must_use]
    pub fn files(&self) -> &[MigrationFile] {
        &self.0
    }
}

fn read_file(folder: &Path, shown: &Path, name: String) -> Result<MigrationFile, FolderError> {
    let path = shown.join(&name);
    let bytes = fs::read(folder.join(&name))
        .map_err(|source| FolderError::Unreadable { path: path.clone(), source })?;
    let Ok(sql) = String::from_utf8(bytes) else { return Err(FolderError::NotText { path }) };
    if sql.contains('\0') {
        return Err(FolderError::Nul { path });
    }
    Ok(MigrationFile::new(name, path, sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &[&str]) -> Result<Vec<String>, String> {
        let files = names.iter().map(|name| MigrationFile::new(*name, *name, "")).collect();
        let all = Migrations::new(files).map_err(|error| error.to_string())?;
        Ok(all.files().iter().map(|file| file.name.clone()).collect())
    }

    #[test]
    fn files_come_in_the_order_of_their_numbers() {
        let names = ["10_c.sql", "z.sql", "2_b.sql", "0001_a.sql", "a.sql"];
        let want = ["0001_a.sql", "2_b.sql", "10_c.sql", "a.sql", "z.sql"];
        assert_eq!(order(&names).unwrap(), want);
        let twice = order(&["0002_b.sql", "2_a.sql"]).unwrap_err();
        assert_eq!(twice, "0002_b.sql and 2_a.sql have the same number");
        assert_eq!(order(&["a.sql", "a.sql"]).unwrap_err(), "a.sql is there twice");
    }

    #[test]
    fn a_file_that_is_no_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Migrations::read(folder.path(), Path::new("migrations"));
        fs::write(folder.path().join("notes.md"), [0xff]).unwrap();
        assert_eq!(read().unwrap(), Migrations::default());
        fs::write(folder.path().join("0001_a.sql"), [0xff]).unwrap();
        assert_eq!(read().unwrap_err().to_string(), "migrations/0001_a.sql is not UTF-8 text");
        fs::write(folder.path().join("0001_a.sql"), "SELECT 1;\0 DROP").unwrap();
        assert!(matches!(read().unwrap_err(), FolderError::Nul { .. }));
        fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(read().unwrap().files(), []);
    }
}
