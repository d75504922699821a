//! Into a new D1 database, and what to change so that Workers use it.

use super::{Into, RestoreReport, Work, over::run};
use crate::keeping::of_restore;
use clodo::Binder;
use clodo_cli::{CliError, Exit};
use clodo_db::{Existing, RestoreError, held};
use clodo_types::DatabaseName;
use serde::Serialize;
use std::path::PathBuf;

/// What to write into a config so that targets bind the new database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// The wrangler config.
    pub(super) config: PathBuf,
    /// The section of the environment, where the config has one.
    pub(super) section: Option<String>,
    pub(super) binding: String,
    pub(super) database_name: String,
    /// Where an id in the config counts.
    pub(super) database_id: Option<String>,
    /// The targets that bind the old database there.
    pub(super) targets: Vec<String>,
    /// The commands that deploy them.
    pub(super) deploy: Vec<String>,
    /// Others that read the same lines: the database that they would bind then.
    pub(super) others: Vec<Other>,
}

/// A target that the same lines are for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Other {
    pub(super) target: String,
    pub(super) database_name: String,
}

pub(super) async fn into_database(
    work: &mut Work<'_, '_>,
    name: &str,
    report: &mut RestoreReport,
) -> Result<(), CliError> {
    report.into = Into::New;
    if work.places.all[0].file().is_some() {
        return Err(CliError::usage("a SQLite file is on no platform"));
    }
    let name: DatabaseName = name
        .parse()
        .map_err(|error| CliError::usage(format!("`{name}` names no database: {error}")))?;
    report.new_name = Some(name.to_string());
    let (own, others) = work.places.binders(0)?;
    // Before anything is made that no config could name.
    let changes = changes(&own, &others, &name)?;
    work.places.connect().await?;
    let doing = format!("Restore {} into the new database {name}", work.dump.file.shown.display());
    // The database that is there stays as it is: no approval is needed for another one.
    work.places.confirm(work.session, &[0], &doing, work.args.yes)?;
    let claim = work.kept.claim_to_read(work.session)?;
    let made = work.places.make(0, &name).await?;
    let id = made.d1.as_ref().map(|d1| d1.id.to_string());
    report.new_id.clone_from(&id);
    let shown = format!("database {name}");
    let found = held(&*made.database).await;
    let found = found.map_err(|error| crate::keeping::of_backup(&shown, error))?;
    let same = found.half.as_ref().is_some_and(|half| half.sha256 == work.dump.summary.sha256);
    if !found.is_empty() && !same {
        let refused = of_restore(&shown, RestoreError::NotEmpty);
        return Err(refused.with_hint("give the new database a name that no other has"));
    }
    run(work, &*made.database, Existing::GoOn, report).await?;
    drop(claim);
    let with_id = |change: Change| {
        let database_id = id.clone().filter(|_| change.database_id.is_some());
        Change { database_id, ..change }
    };
    report.changes = changes.into_iter().map(with_id).collect();
    Ok(())
}

/// The lines that make `own` bind the database `name`, config by config. An id stands in for one that is
/// not known yet.
fn changes(
    own: &[Binder],
    others: &[Binder],
    name: &DatabaseName,
) -> Result<Vec<Change>, CliError> {
    let mut changes: Vec<Change> = Vec::new();
    for binder in own {
        let written = name.as_str().strip_suffix(binder.suffix.as_str());
        let Some(written) = written.filter(|written| !written.is_empty()) else {
            let (target, suffix) = (&binder.target, &binder.suffix);
            let message = format!("no config can make {target} bind `{name}`");
            let error = CliError::new(Exit::Usage, "name", message);
            let hint = format!(
                "its databases are called as the config says with `{suffix}` behind it: give a name \
                 that ends so, such as `{}-2{suffix}`",
                binder.target.service
            );
            return Err(error.with_hint(hint));
        };
        let here = |other: &&Binder| {
            other.config == binder.config
                && other.section == binder.section
                && other.binding == binder.binding
        };
        let section = binder.section.as_ref().map(ToString::to_string);
        let target = shown(binder);
        let known = changes.iter_mut().find(|change| {
            change.config == binder.config
                && change.section == section
                && change.binding == binder.binding.as_str()
                && change.database_name == written
        });
        if let Some(known) = known {
            known.targets.push(target);
            known.deploy.push(deploy(binder));
            continue;
        }
        let other = |other: &Binder| Other {
            target: shown(other),
            database_name: format!("{written}{}", other.suffix),
        };
        changes.push(Change {
            config: binder.config.clone(),
            section,
            binding: binder.binding.to_string(),
            database_name: written.to_owned(),
            database_id: binder.by_id.then(String::new),
            targets: vec![target],
            deploy: vec![deploy(binder)],
            others: others.iter().filter(here).map(other).collect(),
        });
    }
    Ok(changes)
}

fn shown(binder: &Binder) -> String {
    binder.target.to_string()
}

fn deploy(binder: &Binder) -> String {
    let target = &binder.target;
    let customer = target.customer.as_ref().map(|name| format!(" --customer {name}"));
    let customer = customer.unwrap_or_default();
    format!("clodo-deploy deploy {} --env {}{customer}", target.service, target.environment)
}
