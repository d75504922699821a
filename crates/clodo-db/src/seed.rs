//! Rows that a database is to have while one develops and tests.

use crate::{
    database::{Capabilities, Database},
    error::DatabaseError,
    migrations::{
        MigrationFile, Refusal, Schema,
        meaning::{Meaning, NoSql, steps},
        only_reads,
        replay::{Replay, said},
    },
    statement::Statement,
};
use clodo_types::{Finding, Location, Severity};

/// A file of statements about rows that fits a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed {
    name: String,
    statements: Vec<Statement>,
}

impl Seed {
    /// Checks a file on the schema of the database; nothing is asked and nothing is written. A seed adds,
    /// changes and deletes rows: what changes the schema belongs into a migration.
    ///
    /// # Errors
    /// When it is no SQL, does not fit the schema, or is about more than rows; the finding says where.
    pub fn check(
        schema: &Schema,
        file: &MigrationFile,
        capabilities: &Capabilities,
    ) -> Result<Self, Refusal> {
        let refused = |offset, rule: &str, message, hint: &str| {
            Refusal(Box::new(Finding {
                rule: rule.to_owned(),
                severity: Severity::Block,
                at: Some(Location::of_offset(&file.path, &file.sql, offset)),
                message,
                hint: Some(hint.to_owned()),
            }))
        };
        let steps = steps(&file.sql).map_err(|NoSql { offset, message }| {
            refused(offset, "seed-unreadable", message, "correct the statement")
        })?;
        let (replay, _) = Replay::as_far_as_possible(schema).map_err(|error| {
            refused(0, "schema-unreadable", said(&error).0, "run `clodo-db health`")
        })?;
        let mut statements = Vec::new();
        for step in &steps {
            let (text, at) = (step.piece.text, step.piece.offset);
            let about_rows = match step.meaning {
                Meaning::Insert { .. } | Meaning::Update { .. } | Meaning::Delete { .. } => true,
                Meaning::Other => only_reads(text),
                _ => false,
            };
            if !about_rows {
                let why = "a seed adds, changes and deletes rows, and nothing else".to_owned();
                let hint = "write it into a migration; leave BEGIN and COMMIT out: a file is run whole \
                            or not at all";
                return Err(refused(at, "seed-not-rows", why, hint));
            }
            let longest = capabilities.statement_bytes;
            if text.len() > longest {
                let why =
                    format!("a statement of {} bytes: the database takes {longest}", text.len());
                let hint = "split it; rows can come in several INSERTs";
                return Err(refused(at, "statement-too-long", why, hint));
            }
            match replay.fits(text) {
                Ok(0) => statements.push(Statement::new(text)),
                Ok(_) => {
                    let why = "a seed has no values for parameters".to_owned();
                    return Err(refused(at, "parameters", why, "write the values"));
                }
                Err(error) => {
                    let (why, within) = said(&error);
                    let at = at + within.min(text.len());
                    let hint = "correct the statement, or apply the migrations first";
                    return Err(refused(at, "seed-fails", why, hint));
                }
            }
        }
        Ok(Self { name: file.name.clone(), statements })
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it in one transaction: all of it happens, or nothing. Gives how many rows were changed. It is
    /// not recorded: whoever runs it again has to have written it so that it can be.
    ///
    /// # Errors
    /// As for [`Database::batch`].
    pub async fn run(&self, database: &dyn Database) -> Result<u64, DatabaseError> {
        let done = database.batch(&self.statements).await?;
        Ok(done.iter().map(|rows| rows.changes).sum())
    }
}
