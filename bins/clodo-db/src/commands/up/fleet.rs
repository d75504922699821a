//! Many databases: wave after wave, and the first of each kind alone.

use super::report::{Event, Fate, FrozenDocument, RebuildDocument, Row};
use crate::{
    failure,
    keeping::{self, Kept},
    places::{Maker, Opened, Place},
};
use clodo_cli::{CliError, Exit, Session};
use clodo_db::{BackupError, Frozen, Untouched, UpPlan};
use futures_util::{StreamExt as _, stream};
use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

/// A database that has something to be applied.
pub(super) struct Job<'a> {
    pub(super) place: &'a mut Place,
    pub(super) row: &'a mut Row,
    /// Where it is backed up before.
    pub(super) kept: Option<Kept>,
    /// What is to run.
    pub(super) plan: UpPlan,
}

/// What all jobs share.
pub(super) struct Fleet<'a> {
    session: &'a Session,
    maker: Maker<'a>,
    /// One has failed: the others stop before their next file.
    failed: AtomicBool,
    /// Values that no file names are compared.
    freezes: bool,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(session: &'a Session, maker: Maker<'a>) -> Self {
        Self { session, maker, failed: AtomicBool::new(false), freezes: false }
    }

    /// Says whether values that no file names are read before and behind.
    pub(super) fn freezing(self, freezes: bool) -> Self {
        Self { freezes, ..self }
    }

    /// Carries out all jobs, or those up to the first that fails. The first database of each folder
    /// of migrations is the canary of the others.
    pub(super) async fn run(
        &self,
        mut jobs: Vec<Job<'_>>,
        at_once: NonZeroUsize,
    ) -> Result<(), CliError> {
        jobs.sort_by_key(|job| job.place.wave());
        let mut proved: BTreeSet<PathBuf> = BTreeSet::new();
        for wave in jobs.chunk_by_mut(|one, next| one.place.wave() == next.place.wave()) {
            let is_first = |job: &&mut Job<'_>| proved.insert(job.place.folder().to_owned());
            let (first, rest): (Vec<_>, Vec<_>) = wave.iter_mut().partition(is_first);
            for job in first {
                self.migrate(job).await?;
            }
            let rest = stream::iter(rest.into_iter().map(|job| self.migrate(job)));
            let ended: Vec<Result<(), CliError>> =
                rest.buffer_unordered(at_once.get()).collect().await;
            ended.into_iter().collect::<Result<(), CliError>>()?;
        }
        Ok(())
    }

    async fn migrate(&self, job: &mut Job<'_>) -> Result<(), CliError> {
        if self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let outcome = self.apply(job).await;
        if let Err(error) = &outcome {
            self.failed.store(true, Ordering::Release);
            job.row.fate = match error.exit() {
                Exit::Interrupted => Fate::Stopped,
                _ => Fate::Failed,
            };
        }
        outcome
    }

    /// Applies what is pending to one database, file by file.
    async fn apply(&self, job: &mut Job<'_>) -> Result<(), CliError> {
        let ui = &self.session.ui;
        let opened = self.maker.ensure(job.place).await?;
        let (place, row) = (&*job.place, &mut *job.row);
        row.name = place.name.clone();
        if let Some(d1) = &opened.d1 {
            let bookmark = d1.bookmark().await.map_err(failure::of_platform)?;
            ui.detail(&format!("{}: before it stands at {bookmark}", place.name));
            row.bookmark = Some(bookmark);
        }
        // Of what was just made there is nothing to keep.
        if let Some(kept) = job.kept.as_ref().filter(|_| row.existed) {
            let claim = kept.claim(self.session)?;
            let before = (&kept.before(), &claim);
            let taken = keeping::take(self.session, place, &opened, before).await?;
            row.saved = Some((&taken).into());
        }
        let untouched = job.plan.untouched();
        let frozen = match self.freezes && row.existed {
            true => Some(self.freeze(place, &opened, untouched).await?),
            false => None,
        };
        let migrator = place.migrator(&opened);
        let of_migrate = |error| failure::of_migrate(&place.shown(), error);
        let pending = migrator.carry_out(&place.files, job.plan.clone());
        let mut pending = pending.map_err(of_migrate)?;
        let line = ui.progress(place.shown());
        while let Some(file) = pending.peek() {
            let name = file.name.clone();
            if self.session.cancel.is_cancelled() {
                let hint = "run the same command again to apply the rest";
                return Err(failure::interrupted(hint));
            }
            if self.failed.load(Ordering::Acquire) {
                if !row.applied.is_empty() {
                    row.fate = Fate::Stopped;
                }
                return Ok(());
            }
            line.set(&name);
            ui.event(&Event::started(&place.name, &name))?;
            // None when somebody else has applied the rest.
            let Some(applied) = pending.next().await.map_err(of_migrate)? else { break };
            ui.event(&Event::applied(&place.name, &applied.name))?;
            row.applied.push(applied.name);
            row.rebuilds.extend(applied.rebuilds.into_iter().map(RebuildDocument::from));
        }
        if let Some(frozen) = frozen {
            line.set("comparing");
            let changed = untouched.changed(&*opened.database, &frozen).await;
            let changed = changed.map_err(|error| unread(place, error))?;
            if !changed.is_empty() {
                return Err(thawed(place, &changed));
            }
            let rows = usize::try_from(frozen.rows()).unwrap_or(usize::MAX);
            row.frozen = Some(FrozenDocument { tables: untouched.tables(), rows });
        }
        // What is left of it somebody else has applied.
        row.pending.clear();
        row.fate = if row.applied.is_empty() { Fate::Unchanged } else { Fate::Applied };
        line.finish(&format!("{} applied", row.applied.len()));
        Ok(())
    }

    /// Reads what no file names.
    async fn freeze(
        &self,
        place: &Place,
        opened: &Opened,
        untouched: &Untouched,
    ) -> Result<Frozen, CliError> {
        let line = self.session.ui.progress(place.shown());
        line.set("reading what no file names");
        let frozen = untouched.freeze(&*opened.database).await;
        frozen.map_err(|error| unread(place, error))
    }
}

fn unread(place: &Place, error: BackupError) -> CliError {
    keeping::of_backup(&place.shown(), error)
}

fn thawed(place: &Place, changed: &[String]) -> CliError {
    let message =
        format!("{}: values changed that no file names, in {}", place.name, changed.join(", "));
    CliError::new(Exit::Failed, "changed_meanwhile", message).with_hint(
        "somebody else wrote meanwhile, or a file did more than it says: compare with what was before",
    )
}
