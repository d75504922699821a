//! The code that runs while a database is migrated: that of the deployed Workers that bind it, else
//! the sources of their services.

use crate::{places::Place, sources};
use clodo::{Binder, CodeReader};
use clodo_cli::{CliError, Session, counted};
use clodo_db::{CodeCheck, RunningCode, SourceStatement};
use clodo_types::{AccountId, AccountName, Finding};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Whose statements were tried on the schema that migrations make.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct CodeDocument {
    /// Whose they are, such as `the deployed service shop in production`.
    of: Vec<String>,
    /// Different statements that work on the database as it is.
    statements: usize,
    /// Texts that do not: nothing is known of them.
    unfit: usize,
}

impl CodeDocument {
    pub(crate) fn new(code: &[RunningCode], check: &CodeCheck) -> Self {
        let mut of: Vec<String> = code.iter().map(|one| one.whose.clone()).collect();
        of.sort();
        of.dedup();
        Self { of, statements: check.statements, unfit: check.unfit }
    }

    /// For people: what was looked at.
    pub(crate) fn text(&self) -> String {
        let statements = counted(self.statements, "statement");
        let of = self.of.join(", ");
        let unfit = match self.unfit {
            0 => String::new(),
            unfit => format!("; {} not fit the database as it is", does(unfit)),
        };
        format!("tried {statements} of {of}{unfit}")
    }
}

fn does(count: usize) -> String {
    let verb = if count == 1 { "does" } else { "do" };
    format!("{} {verb}", counted(count, "text"))
}

/// The code that a database has to go on working with.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) running: Vec<RunningCode>,
    /// What could not be read.
    pub(crate) notes: Vec<Finding>,
}

/// Finds the code that runs.
pub(crate) struct Running<'a> {
    session: &'a Session,
    reader: Option<(CodeReader, BTreeMap<AccountName, AccountId>)>,
    binders: Vec<Binder>,
    sources: Mutex<BTreeMap<PathBuf, Vec<SourceStatement>>>,
}

impl<'a> Running<'a> {
    /// Looks for it among these targets; without a reader, in their sources.
    pub(crate) fn new(
        session: &'a Session,
        reader: Option<(CodeReader, BTreeMap<AccountName, AccountId>)>,
        binders: Vec<Binder>,
    ) -> Self {
        Self { session, reader, binders, sources: Mutex::default() }
    }

    /// What runs with a database: the code of every deployed Worker that binds it; where none is
    /// deployed, or one cannot be read, the source of its service.
    pub(crate) async fn of(&self, place: &Place) -> Result<Code, CliError> {
        let mut code = Code::default();
        let binders: Vec<&Binder> = self.binders.iter().filter(|one| place.is_bound(one)).collect();
        let mut unread: Vec<&Binder> = Vec::new();
        if let Some((reader, accounts)) = &self.reader {
            let mut read = BTreeSet::new();
            // A Worker may bind a database twice.
            for binder in binders.iter().filter(|one| read.insert(&one.target)) {
                let Some(account) = accounts.get(&binder.target.account) else { continue };
                match reader.read(account, &binder.target, &binder.worker).await {
                    Ok(running) => code.running.extend(running),
                    Err(note) => {
                        code.notes.push(note);
                        unread.push(binder);
                    }
                }
            }
        }
        let from_source = if code.running.is_empty() { binders } else { unread };
        for binder in from_source {
            self.add_source(&mut code, &binder.home, binder.target.service.as_str())?;
        }
        Ok(code)
    }

    /// The source of a service, once.
    pub(crate) fn add_source(
        &self,
        code: &mut Code,
        home: &Path,
        service: &str,
    ) -> Result<(), CliError> {
        let whose = format!("the source of service {service}");
        if code.running.iter().any(|one| one.whose == whose) {
            return Ok(());
        }
        let mut known = self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !known.contains_key(home) {
            known.insert(home.to_owned(), sources::of_programs(self.session, home)?);
        }
        code.running.push(RunningCode::new(whose, known[home].clone()));
        Ok(())
    }
}
