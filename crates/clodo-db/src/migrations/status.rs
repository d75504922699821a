use super::{
    file::{AppliedMigration, MigrationFile},
    folder::Migrations,
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// How the files and a database compare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Each migration: those that the database has, in its order, then those that it lacks.
    pub migrations: Vec<(String, Standing)>,
    /// What keeps anything from being applied.
    pub problems: Vec<Problem>,
}

/// Where one migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Standing {
    /// The database has it, and it is the file of now.
    Applied,
    /// The database has it, and nobody recorded what was in it: wrangler applied it.
    Unproved,
    /// The database lacks it.
    Pending,
    /// The file is not what was applied.
    Edited,
    /// The database has it, and there is no such file.
    Missing,
    /// The database lacks it, and has later ones.
    OutOfOrder,
}

/// Something that has to be decided before anything is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// The migration's name.
    pub name: String,
}

/// The kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// An applied file was edited.
    Edited,
    /// An applied file was deleted or renamed.
    Missing,
    /// A file was put before ones that are applied.
    OutOfOrder,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            ProblemKind::Edited => write!(f, "{name} was edited after it was applied"),
            ProblemKind::Missing => write!(f, "{name} was applied, and its file is gone"),
            ProblemKind::OutOfOrder => {
                write!(f, "{name} was not applied, and migrations behind it were")
            }
        }
    }
}

impl Problem {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ProblemKind::Edited => {
                "put the file back as it was (git may have changed its line ends) and write a new \
                 migration; if the database is as the file says, `repair` records it as it is now"
            }
            ProblemKind::Missing => {
                "bring the file back; if it is gone for good, `repair` forgets it"
            }
            ProblemKind::OutOfOrder => {
                "give it the next free number: other databases may have applied the later ones first"
            }
        }
    }
}

impl Status {
    /// Compares files with what a database says it has.
    #[must_use]
    pub fn of(files: &Migrations, applied: &[AppliedMigration]) -> Self {
        let known: BTreeMap<&str, &MigrationFile> =
            files.files().iter().map(|file| (file.name.as_str(), file)).collect();
        let mut status = Self::default();
        for done in applied {
            let standing = match (known.get(done.name.as_str()), done.checksum) {
                (None, _) => Standing::Missing,
                (Some(_), None) => Standing::Unproved,
                (Some(file), Some(sum)) if sum == file.checksum => Standing::Applied,
                (Some(_), Some(_)) => Standing::Edited,
            };
            status.add(&done.name, standing);
        }
        let has = |file: &MigrationFile| applied.iter().any(|done| done.name == file.name);
        let last = files.files().iter().rposition(has);
        for (at, file) in files.files().iter().enumerate().filter(|(_, file)| !has(file)) {
            let standing = match last {
                Some(last) if at < last => Standing::OutOfOrder,
                _ => Standing::Pending,
            };
            status.add(&file.name, standing);
        }
        status
    }

    /// The names of what would be applied.
    pub fn pending(&self) -> impl Iterator<Item = &str> {
        let pending = |standing| standing == Standing::Pending;
        self.migrations
            .iter()
            .filter(move |(_, standing)| pending(*standing))
            .map(|(name, _)| name.as_str())
    }

    fn add(&mut self, name: &str, standing: Standing) {
        let kind = match standing {
            Standing::Edited => Some(ProblemKind::Edited),
            Standing::Missing => Some(ProblemKind::Missing),
            Standing::OutOfOrder => Some(ProblemKind::OutOfOrder),
            _ => None,
        };
        self.problems.extend(kind.map(|kind| Problem { kind, name: name.to_owned() }));
        self.migrations.push((name.to_owned(), standing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(files: &[(&str, &str)], applied: &[(&str, Option<&str>)]) -> Vec<String> {
        let files = files.iter().map(|(name, sql)| MigrationFile::new(*name, *name, *sql));
        let files = Migrations::new(files.collect()).unwrap();
        let done = |(name, sql): &(&str, Option<&str>)| AppliedMigration {
            name: (*name).to_owned(),
            checksum: sql.map(|sql| super::super::file::Checksum::of(sql.as_bytes())),
        };
        let status = Status::of(&files, &applied.iter().map(done).collect::<Vec<_>>());
        let shown = status.migrations.iter().map(|(name, standing)| format!("{name} {standing:?}"));
        shown.chain(status.problems.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn each_migration_stands_somewhere() {
        let files = [("1.sql", "a"), ("2.sql", "b"), ("3.sql", "c"), ("4.sql", "d")];
        let applied = [("1.sql", Some("a")), ("0.sql", None), ("3.sql", Some("x"))];
        assert_eq!(
            status(&files, &applied),
            [
                "1.sql Applied",
                "0.sql Missing",
                "3.sql Edited",
                "2.sql OutOfOrder",
                "4.sql Pending",
                "0.sql was applied, and its file is gone",
                "3.sql was edited after it was applied",
                "2.sql was not applied, and migrations behind it were",
            ]
        );
        assert_eq!(status(&files[..1], &[("1.sql", None)]), ["1.sql Unproved"]);
    }
}
