use super::{
    down::DOWN,
    file::{Checksum, MigrationFile},
    pattern::{MigrationPattern, have_same_number, in_order},
};
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
    /// None of its files is a migration, and there are files that may be meant.
    #[error("`{pattern}` means no file of {}, but there is {}", .folder.display(), .found.display())]
    Overlooked {
        /// The folder.
        folder: PathBuf,
        /// Which of its files are meant.
        pattern: MigrationPattern,
        /// A file below it.
        found: PathBuf,
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
                 made them at the same time; where databases have both, rename one, then `clodo-db \
                 repair` and `clodo-db baseline NAME` record it by its new name"
            }
            Self::Overlooked { .. } => {
                "say which files are migrations: `migrations_pattern` in the wrangler config, beside \
                 `migrations_dir`, or `--migrations 'DIR/*/migration.sql'`"
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
        files.sort_by(|a, b| in_order(&a.name, &b.name));
        for two in files.windows(2) {
            let [first, second] = two else { continue };
            if first.name == second.name {
                return Err(FolderError::SameName { path: second.path.clone() });
            }
            if have_same_number(&first.name, &second.name) {
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
        MigrationFolder::new(folder, shown).read()
    }

    /// The checksum of all files together: of their names, their order and what is in each. Where it is the
    /// same, nothing about them differs.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        let lines = self.0.iter().map(|file| format!("{}  {}\n", file.checksum, file.name));
        Checksum::of(lines.collect::<String>().as_bytes())
    }

    /// The files in order.
    #[must_use]
    pub fn files(&self) -> &[MigrationFile] {
        &self.0
    }
}

/// Where migrations are, and which files they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct MigrationFolder {
    /// The folder.
    pub path: PathBuf,
    /// The same as messages should name it.
    pub shown: PathBuf,
    /// Which of its files.
    pub pattern: MigrationPattern,
}

impl MigrationFolder {
    /// A folder all of whose `*.sql` are migrations.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, shown: impl Into<PathBuf>) -> Self {
        let (path, shown) = (path.into(), shown.into());
        Self { path, shown, pattern: MigrationPattern::default() }
    }

    /// The same where a pattern says which.
    #[must_use]
    pub fn with_pattern(mut self, pattern: MigrationPattern) -> Self {
        self.pattern = pattern;
        self
    }

    /// Its files in order, whatever their numbers. A folder that does not exist holds none.
    ///
    /// # Errors
    /// When a file cannot be read or is no text; when the pattern means none of it and there are files of
    /// SQL all the same ([`FolderError::Overlooked`]).
    pub fn files(&self) -> Result<Vec<MigrationFile>, FolderError> {
        let files = self.all()?;
        let found = if files.is_empty() { self.pattern.overlooked(&self.path) } else { None };
        match found {
            Some(found) => Err(FolderError::Overlooked {
                folder: self.shown.clone(),
                pattern: self.pattern.clone(),
                found: self.shown.join(found),
            }),
            None => Ok(files),
        }
    }

    /// Its migrations.
    ///
    /// # Errors
    /// As for [`MigrationFolder::files`], and when two files have one number.
    pub fn read(&self) -> Result<Migrations, FolderError> {
        Migrations::new(self.files()?)
    }

    /// What it holds, where that need be nothing: other files than migrations.
    ///
    /// # Errors
    /// When a file cannot be read or is no text, or two have one number.
    pub fn read_any(&self) -> Result<Migrations, FolderError> {
        Migrations::new(self.all()?)
    }

    fn all(&self) -> Result<Vec<MigrationFile>, FolderError> {
        if let Err(error) = fs::metadata(&self.path)
            && error.kind() == io::ErrorKind::NotFound
        {
            return Ok(Vec::new());
        }
        let names = self.pattern.names(&self.path);
        let mut names =
            names.map_err(|source| FolderError::Unreadable { path: self.shown.clone(), source })?;
        names.sort_by(|a, b| in_order(a, b));
        names.into_iter().map(|name| read_file(&self.path, &self.shown, name)).collect()
    }

    /// The files that take migrations back, out of the folder [`DOWN`] in it.
    ///
    /// # Errors
    /// As for [`MigrationFolder::read`].
    pub fn read_down(&self) -> Result<Migrations, FolderError> {
        let down = Self::new(self.path.join(DOWN), self.shown.join(DOWN));
        down.with_pattern(self.pattern.clone()).read_any()
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
        let nested = ["10_c/m.sql", "2_b/10.sql", "2_b/9.sql", "1.sql"];
        assert_eq!(order(&nested).unwrap(), ["1.sql", "2_b/9.sql", "2_b/10.sql", "10_c/m.sql"]);
        let twice = order(&["2_b/m.sql", "0002_a/m.sql"]).unwrap_err();
        assert_eq!(twice, "0002_a/m.sql and 2_b/m.sql have the same number");
    }

    #[test]
    fn a_checksum_is_of_names_and_texts() {
        let of = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, sql)| MigrationFile::new(*name, *name, *sql));
            Migrations::new(files.collect()).unwrap().checksum()
        };
        let one = of(&[("1.sql", "a"), ("2.sql", "b")]);
        assert_eq!(one, of(&[("2.sql", "b"), ("1.sql", "a")]));
        for other in [
            &[("1.sql", "a"), ("2.sql", "c")][..],
            &[("1.sql", "a"), ("3.sql", "b")],
            &[("1.sql", "b"), ("2.sql", "a")],
            &[("1.sql", "a")],
        ] {
            assert_ne!(one, of(other));
        }
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
        fs::remove_file(folder.path().join("0001_a.sql")).unwrap();
        fs::create_dir(folder.path().join("0001_init")).unwrap();
        fs::write(folder.path().join("0001_init/migration.sql"), "SELECT 1").unwrap();
        let message =
            "`*.sql` means no file of migrations, but there is migrations/0001_init/migration.sql";
        assert_eq!(read().unwrap_err().to_string(), message);
        let of = |glob: &str| {
            let pattern = MigrationPattern::new(glob).unwrap();
            MigrationFolder::new(folder.path(), "migrations").with_pattern(pattern)
        };
        assert_eq!(of("*/migration.sql").read().unwrap().files().len(), 1);
        assert!(matches!(of("*/migraton.sql").read().unwrap_err(), FolderError::Overlooked { .. }));
        assert_eq!(of("*/migraton.sql").read_any().unwrap().files(), []);
        fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(read().unwrap().files(), []);
    }
}
