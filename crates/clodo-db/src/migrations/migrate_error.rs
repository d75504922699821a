use super::{
    down::DOWN, protect::Refusal, rebuild::OTHER_ROWS, script::OTHER_SCHEMA, status::Problem,
};
use crate::error::{DatabaseError, DatabaseErrorKind};
use clodo_types::Location;
use std::path::PathBuf;

/// Nothing more was applied. Files before the one that is named were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The database cannot be read.
    #[error("could not {doing}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// Why.
        #[source]
        source: DatabaseError,
    },
    /// Files and database disagree.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
    /// A restore into the database did not come to its end.
    #[error("the database is half restored")]
    HalfRestored,
    /// Somebody else migrated the database after it was looked at.
    #[error(
        "could not apply {}: the last migration of the database was {seen} and is {now} now",
        .path.display()
    )]
    Overtaken {
        /// The file that was not applied.
        path: PathBuf,
        /// The last migration that the database had, or `none`.
        seen: String,
        /// That which it has now.
        now: String,
        /// What the database said.
        #[source]
        source: DatabaseError,
    },
    /// A file would lose rows, or does not fit the schema.
    #[error(transparent)]
    Refused(Refusal),
    /// A file was not applied: nothing of it, unless its source says that it may have been.
    #[error("could not apply {}", .path.display())]
    Failed {
        /// Which file.
        path: PathBuf,
        /// The statement that failed, where the database says which.
        at: Option<Location>,
        /// Why.
        #[source]
        source: DatabaseError,
    },
    /// There is no such migration.
    #[error("there is no migration `{0}`")]
    Unknown(String),
    /// The table of applied migrations would be one that is somebody's own.
    #[error("`{0}` cannot be the table of applied migrations")]
    Reserved(String),
    /// Nobody wrote how to take it back.
    #[error("there is no file that takes {0} back")]
    NoDown(String),
}

impl MigrateError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Problems(problems) => Some(problems.first()?.hint().to_owned()),
            Self::Refused(refusal) => refusal.0.hint.clone(),
            Self::Failed { source, .. } if source.may_have_happened() => {
                Some("run `status`: it says whether the file was applied".to_owned())
            }
            Self::Failed { source, .. } => match source.kind() {
                DatabaseErrorKind::Constraint if is_about_another_schema(source) => {
                    Some("nothing of the file was applied: run the same command again".to_owned())
                }
                DatabaseErrorKind::Constraint if source.message().contains(OTHER_ROWS) => Some(
                    "nothing of the file was applied: carry all rows over, or write \
                     `-- clodo:allow rebuild-filters REASON` on the line before its DROP TABLE"
                        .to_owned(),
                ),
                DatabaseErrorKind::Constraint if source.message().contains("FOREIGN KEY") => Some(
                    "nothing of the file was applied: a row refers to one that is not there, or not any \
                     more; `clodo-db health` finds those that do so already"
                        .to_owned(),
                ),
                DatabaseErrorKind::Constraint => Some(
                    "nothing of the file was applied: rows that are there do not fit it, so change those \
                     first, or the file"
                        .to_owned(),
                ),
                DatabaseErrorKind::Sql => {
                    Some("nothing of the file was applied: correct the statement".to_owned())
                }
                _ => None,
            },
            Self::NoDown(name) => {
                Some(format!("write `{DOWN}/{name}` in the folder of the migrations"))
            }
            Self::HalfRestored => {
                let hint = "run the restore or sync that was stopped again: it goes on";
                Some(hint.to_owned())
            }
            Self::Overtaken { .. } => {
                Some("run the same command again: it looks at the database anew".to_owned())
            }
            Self::Unknown(_) => Some("`status` lists all".to_owned()),
            Self::Reserved(_) => Some("choose another `migrations_table`".to_owned()),
            _ => None,
        }
    }
}

/// Whether a request failed because the schema is not the one that it was worked out for.
pub(super) fn is_about_another_schema(error: &DatabaseError) -> bool {
    error.kind() == DatabaseErrorKind::Constraint && error.message().contains(OTHER_SCHEMA)
}
