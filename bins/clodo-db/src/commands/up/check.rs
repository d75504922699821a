use crate::{
    failure,
    findings::blocks,
    places::{Opened, Place},
    running::{CodeDocument, Running},
};
use clodo_cli::CliError;
use clodo_db::{MigrateError, SqliteDatabase, UpPlan};
use clodo_types::Finding;
use std::sync::Arc;

/// What would become of one database.
pub(crate) struct Checked {
    /// Whether it is there.
    pub(crate) exists: bool,
    /// What would run, if nothing keeps it from running.
    pub(crate) plan: Option<UpPlan>,
    /// What the files have to say.
    pub(crate) findings: Vec<Finding>,
    /// How many files are pending.
    pub(crate) pending: usize,
    /// Whose code was tried on what they make, where they can break any.
    pub(crate) code: Option<CodeDocument>,
    /// Why nothing of it may run, where that is no finding about a file.
    pub(crate) refused: Option<CliError>,
}

impl Checked {
    /// How many files would run.
    pub(crate) fn planned(&self) -> usize {
        self.plan.as_ref().map_or(0, |plan| plan.files().len())
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some() || blocks(&self.findings)
    }
}

/// Looks at one database; nothing is written.
pub(crate) async fn check(
    place: &Place,
    opened: Option<&Opened>,
    running: &Running<'_>,
    create: bool,
) -> Result<Checked, CliError> {
    match opened {
        Some(opened) => on_live(place, opened, running).await,
        None if !create && !place.files.files().is_empty() => Err(place.missing()),
        None => {
            // What a database of nothing would make of the files.
            let empty = SqliteDatabase::in_memory().await;
            let doing = "the files could not be tried";
            let empty =
                empty.map_err(|error| failure::of_database(&place.shown(), doing, error))?;
            let empty = Opened { database: Arc::new(empty), d1: None };
            let mut checked = on_live(place, &empty, running).await?;
            checked.exists = false;
            Ok(checked)
        }
    }
}

async fn on_live(
    place: &Place,
    opened: &Opened,
    running: &Running<'_>,
) -> Result<Checked, CliError> {
    let of_migrate = |error| failure::of_migrate(&place.shown(), error);
    let migrator = place.migrator(opened);
    let look = migrator.look(&place.files).await.map_err(of_migrate)?;
    let mut checked = Checked {
        exists: true,
        plan: None,
        findings: Vec::new(),
        pending: 0,
        code: None,
        refused: None,
    };
    if !look.status.problems.is_empty() {
        checked.refused = Some(of_migrate(MigrateError::Problems(look.status.problems)));
        return Ok(checked);
    }
    checked.pending = look.status.pending().count();
    checked.findings = look.findings(&place.capabilities());
    if look.may_break_code() {
        let code = running.of(place).await?;
        checked.findings.extend(code.notes);
        if !code.running.is_empty() {
            let check = look.check_code(&code.running);
            checked.code = Some(CodeDocument::new(&code.running, &check));
            checked.findings.extend(check.findings);
        }
    }
    if !blocks(&checked.findings) {
        let plan = look.plan(&migrator).map_err(MigrateError::Refused).map_err(of_migrate)?;
        checked.plan = Some(plan);
    }
    Ok(checked)
}
