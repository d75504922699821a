//! One database whose rows are copied: what it is found to be, and what will be done.

use super::{ends::Both, masks::MasksFile, report::Row, rules};
use crate::{
    args::SyncDataArgs,
    failure,
    keeping::{self, Claim, Dump, Kept, of_backup},
    places::{Opened, Place},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::{
    BACKUP_END, Checksum, CopyPlan, Database, HalfRestored, MaskKey, Moments, SchemaDriftKind,
    SqliteDatabase, Standing, held,
};
use std::path::PathBuf;

/// What all jobs share.
pub(super) struct Work<'a> {
    pub(super) session: &'a Session,
    pub(super) global: &'a GlobalArgs,
    pub(super) args: &'a SyncDataArgs,
    pub(super) key: Option<MaskKey>,
}

/// A database, with what tells whether somebody writes to it.
pub(super) struct Side {
    pub(super) opened: Opened,
    /// The file, if it is one.
    pub(super) file: Option<SqliteDatabase>,
}

impl Side {
    async fn of(place: &Place, opened: Opened) -> Result<Self, CliError> {
        let file = match place.file() {
            Some(path) => Some(keeping::live(place, path).await?),
            None => None,
        };
        Ok(Self { opened, file })
    }

    pub(super) fn database(&self) -> &dyn Database {
        &*self.opened.database
    }

    pub(super) fn moments(&self) -> &dyn Moments {
        match (&self.opened.d1, &self.file) {
            (Some(d1), _) => &d1.database,
            (None, Some(file)) => file,
            (None, None) => unreachable!("a place is a D1 database or a file"),
        }
    }
}

/// Where the rows go.
pub(super) enum Target {
    There(Side),
    /// A file that is made.
    New(PathBuf),
}

pub(super) struct Job {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) source: Side,
    pub(super) target: Target,
    pub(super) kept: Kept,
    pub(super) claim: Claim,
    /// The name of what is put together, the same for the same question.
    pub(super) dump: String,
    pub(super) next: Next,
}

/// What will be done.
pub(super) enum Next {
    Copy(CopyPlan),
    /// What an earlier run put together, and began to write.
    GoOn(Dump),
}

/// Looks at both, and works out what is copied; nothing is written.
pub(super) async fn prepare(
    work: &Work<'_>,
    both: &mut Both<'_>,
    (from, to): (usize, usize),
    row: &mut Row,
) -> Result<Job, CliError> {
    let source = both.from.expect(from).await?;
    let found = both.to.find(to).await?;
    (row.from, row.to) = (both.from.all[from].name.clone(), both.to.all[to].name.clone());
    let (from_place, to_place) = (&both.from.all[from], &both.to.all[to]);
    // What is half there is no source.
    let known = from_place.migrator(&source).applied().await;
    known.map_err(|error| failure::of_migrate(&from_place.shown(), error))?;
    if let (Some(one), Some(other)) = (&source.d1, found.as_ref().and_then(|one| one.d1.as_ref()))
        && one.id == other.id
    {
        let message = format!("{} and {} are the same database", from_place.name, to_place.name);
        return Err(
            CliError::usage(message).with_hint("give each environment a database of its own")
        );
    }
    let source = Side::of(from_place, source).await?;
    let target = match (found, to_place.file()) {
        (Some(opened), _) => Target::There(Side::of(to_place, opened).await?),
        (None, Some(path)) => Target::New(path.to_owned()),
        (None, None) => return Err(to_place.missing()),
    };
    let masks = rules::of(work, from_place)?;
    let kept = both.to.kept(work.session, work.global, to);
    let claim = kept.claim_to_read(work.session)?;
    let dump = name(work, (from_place, to_place), &masks);
    let next =
        next(work, (from_place, &source), (to_place, &target), (&kept, &dump, &masks)).await?;
    row.planned(&next);
    if let Next::Copy(plan) = &next {
        allowed(work, to_place, plan)?;
    }
    Ok(Job { from, to, source, target, kept, claim, dump, next })
}

/// The same for the same question: where from, where to, which tables, rules and key.
fn name(work: &Work<'_>, (from, to): (&Place, &Place), masks: &MasksFile) -> String {
    let mut tables = work.args.tables.clone();
    tables.sort();
    let question = format!("{} {} {tables:?} {:?}", from.name, to.name, masks.masks);
    let mark = match &work.key {
        Some(key) => key.mark(&question),
        None => Checksum::of(question.as_bytes()).to_string()[..16].to_owned(),
    };
    format!("{mark}{BACKUP_END}")
}

async fn next(
    work: &Work<'_>,
    (from, source): (&Place, &Side),
    (to, target): (&Place, &Target),
    (kept, dump, masks): (&Kept, &str, &MasksFile),
) -> Result<Next, CliError> {
    let there = match target {
        Target::New(_) => None,
        Target::There(side) => {
            let held = held(side.database()).await;
            let held = held.map_err(|error| of_backup(&to.shown(), error))?;
            if let Some(half) = &held.half {
                return go_on(work.session, to, half, (kept, dump)).await.map(Next::GoOn);
            }
            alike(work, (from, source), (to, side)).await?;
            if let Some(file) = &side.file {
                keeping::no_others(to, file).await?;
            }
            Some(side.database())
        }
    };
    let plan = rules::plan(work, (from, to), (source.database(), there), masks).await?;
    Ok(Next::Copy(plan))
}

/// Refuses what nobody has said yes to.
fn allowed(work: &Work<'_>, to: &Place, plan: &CopyPlan) -> Result<(), CliError> {
    if plan.goes() > 0 && !work.args.replace {
        return Err(not_empty(to, plan));
    }
    if plan.needs_key() && work.key.is_none() {
        let missing = super::key::missing();
        match work.args.dry_run {
            true => work.session.ui.warn(&missing.to_string()),
            false => return Err(missing),
        }
    }
    Ok(())
}

fn not_empty(to: &Place, plan: &CopyPlan) -> CliError {
    let some = plan.tables.iter().filter(|table| table.goes > 0);
    let some: Vec<String> = some.map(|table| format!("{} ({})", table.name, table.goes)).collect();
    let message = format!("{}: there are rows that would go: {}", to.name, some.join(", "));
    CliError::new(Exit::Refused, "not_empty", message)
        .with_hint("give --replace when they may go: a backup of them is taken first")
}

/// What a run that was stopped had put together for the same question.
async fn go_on(
    session: &Session,
    to: &Place,
    half: &HalfRestored,
    (kept, dump): (&Kept, &str),
) -> Result<Dump, CliError> {
    let kept = kept.sync();
    let refused = |message: &str, hint: String| {
        let message = format!("{}: {message}", to.name);
        CliError::new(Exit::Refused, "half_restored", message).with_hint(hint)
    };
    for name in kept.names().await? {
        let found = Dump::check(session, kept.file(session, &name).await?).await?;
        if found.summary.sha256 != half.sha256 {
            continue;
        }
        if name == dump {
            return Ok(found);
        }
        let finish = to.name.command(&format!("restore {}", found.file.shown.display()));
        return Err(refused(
            "a sync of other tables, with other rules or another key, was stopped in it",
            format!("run that again: it goes on; so does `{finish}`"),
        ));
    }
    Err(refused(
        "it is half restored",
        "run the restore that was stopped again: it goes on; or put another backup over it"
            .to_owned(),
    ))
}

/// Refuses where the tables of both are not alike.
async fn alike(
    work: &Work<'_>,
    (from, source): (&Place, &Side),
    (to, target): (&Place, &Side),
) -> Result<(), CliError> {
    let migrator = to.migrator(&target.opened);
    let wanted = from.migrator(&source.opened).schema().await;
    let wanted = wanted.map_err(|error| failure::of_migrate(&from.shown(), error))?;
    let of_to = |error| failure::of_migrate(&to.shown(), error);
    let found = migrator.schema().await.map_err(of_to)?.without_shadows();
    let tables = &work.args.tables;
    let chosen = |name: &str| {
        tables.is_empty() || tables.iter().any(|table| table.eq_ignore_ascii_case(name))
    };
    let is_virtual = |sql: &Option<String>| {
        sql.as_ref().is_some_and(|sql| sql.to_ascii_uppercase().starts_with("CREATE VIRTUAL"))
    };
    let mut differences = Vec::new();
    for drift in wanted.without_shadows().drift(&found) {
        let what = match drift.kind {
            SchemaDriftKind::Lacking => "is lacking",
            // Its rows stay. What it follows could be another table.
            SchemaDriftKind::Foreign if !is_virtual(&drift.found) => continue,
            SchemaDriftKind::Foreign => "is only there",
            _ => "is another one",
        };
        if drift.object == "table" && chosen(&drift.name) {
            differences.push(format!("table {} {what}", drift.name));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let status = migrator.status(&to.files).await.map_err(of_to)?;
    let pending = status.migrations.iter().any(|(_, standing)| *standing == Standing::Pending);
    let hint = match pending {
        true => format!("`{}` applies what is pending there", to.name.command("up")),
        false => format!("`{}` shows how they differ", compared(work.args)),
    };
    let message = format!("{} is not like {}: {}", to.name, from.name, differences.join(", "));
    Err(CliError::new(Exit::Refused, "schemas_differ", message).with_hint(hint))
}

fn compared(args: &SyncDataArgs) -> String {
    let side = |end: &str| match end.contains(['.', '/', '\\']) {
        true => end.to_owned(),
        false => format!("live@{end}"),
    };
    let mut command = format!("clodo-db diff {} {}", side(&args.from), side(&args.to));
    for service in &args.services {
        command.push_str(&format!(" {service}"));
    }
    for customer in &args.customers {
        command.push_str(&format!(" --customer {customer}"));
    }
    command
}

impl Job {
    /// How many rows of the destination go.
    pub(super) fn goes(&self) -> u64 {
        match &self.next {
            Next::Copy(plan) => plan.goes(),
            Next::GoOn(_) => 0,
        }
    }
}
