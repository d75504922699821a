use super::{Restore, several::Point};
use crate::{
    change::Change,
    history::{Past, migrated_by},
    migration::RestorePoint,
    plan::{Action, Fate, PlannedStep},
    planner::change_id,
    record::DeploymentState,
    trigger::WorkerRef,
};
use clodo_types::{AccountName, DeploymentId, Severity};
use std::collections::BTreeSet;

/// A database, as steps call it.
type Database<'a> = (&'a AccountName, &'a str);

impl Restore<'_> {
    /// Puts migrated databases back, if that is wanted, and says what becomes of each.
    pub(super) fn databases(&mut self, wanted: bool) {
        for ((account, name), (deployment, point)) in self.of.points.clone() {
            let database = (&account, name.as_str());
            match point {
                Point::Made => self.object(
                    "data-kept",
                    Severity::Note,
                    format!("database {name} was made by deployment {deployment}, and stays"),
                    "`destroy --with-data` removes it",
                ),
                _ if !wanted => self.keep(&name, &deployment),
                Point::Unknown => self.object(
                    "no-restore-point",
                    Severity::Block,
                    format!("no record says to which moment database {name} could be put back"),
                    "leave --with-data out; `wrangler d1 time-travel` can put it back to a time",
                ),
                Point::Known(point) => match self.objection(database, &deployment) {
                    Some((message, hint)) => {
                        self.object("not-put-back", Severity::Block, message, hint);
                    }
                    None => self.put_back(database, (&deployment, &point)),
                },
            }
        }
    }

    fn keep(&mut self, name: &str, deployment: &DeploymentId) {
        let hint = format!(
            "`rollback {deployment} --with-data` puts it back to what it was before: all that was \
             written since is lost"
        );
        let message = format!("database {name} keeps its migrations and its rows");
        self.object("data-kept", Severity::Note, message, &hint);
    }

    /// Why a database must not be put back.
    fn objection(
        &self,
        (account, name): Database<'_>,
        deployment: &DeploymentId,
    ) -> Option<(String, &'static str)> {
        let strangers: Vec<String> = self
            .users(account, name)
            .into_iter()
            .filter(|user| !self.of.wanted.contains(user))
            .map(|user| user.worker.to_string())
            .collect();
        if !strangers.is_empty() {
            let message = format!("database {name} is used by {} as well", strangers.join(", "));
            return Some((message, "name those as well, or nothing, so that all go back together"));
        }
        if let Some(newer) = self.newer((account, name), deployment) {
            let message = format!(
                "deployment {} came since, and had to do with database {name} or with what uses it",
                newer.id
            );
            let hint = "what was written since would be lost; leave --with-data out";
            return Some((message, hint));
        }
        let failed = self.failed_before((account, name), deployment)?;
        let message = format!(
            "deployment {} failed after it had migrated database {name}, and is not taken back",
            failed.id
        );
        Some((message, "`wrangler d1 time-travel` can put the database back to a time"))
    }

    /// A newer deployment than the one that is taken back which left something behind in the database,
    /// or in what uses it. The plain rollback of that one did not, and an interrupted rollback of it is
    /// gone on with.
    fn newer(&self, database: Database<'_>, deployment: &DeploymentId) -> Option<&Past> {
        let newer = self.history.past.iter().take_while(|past| past.id != *deployment);
        newer.into_iter().find(|past| {
            let of_this = past.takes_back(deployment);
            match past.state {
                DeploymentState::Failed => false,
                DeploymentState::Unfinished if of_this => false,
                _ if of_this => restores(past, database),
                _ => self.concerns(past, database),
            }
        })
    }

    /// A deployment that stayed half done between the one that is taken back and the last good one
    /// before it: what it migrated stayed, so the moment before the later one is not the good one's.
    fn failed_before(&self, database: Database<'_>, deployment: &DeploymentId) -> Option<&Past> {
        let older = self.history.past.iter().skip_while(|past| past.id != *deployment).skip(1);
        for past in older {
            match past.state {
                DeploymentState::PartlyDone if migrates(past, database) => return Some(past),
                DeploymentState::Done if self.concerns(past, database) => return None,
                _ => {}
            }
        }
        None
    }

    /// Whether a deployment migrated a database, put it back, or changed what uses it.
    fn concerns(&self, past: &Past, database: Database<'_>) -> bool {
        let users = self.users(database.0, database.1);
        let mut changed = past.opening.targets.iter().filter(|one| one.fate != Fate::Unchanged);
        migrates(past, database)
            || restores(past, database)
            || changed.any(|target| users.contains(&target.worker))
    }

    /// It comes last of all: whatever fails before is taken back, and this never is.
    fn put_back(
        &mut self,
        (account, name): Database<'_>,
        (deployment, point): (&DeploymentId, &RestorePoint),
    ) {
        let message = format!(
            "database {name} is put back to what it was before deployment {deployment}: all that \
             was written since is lost"
        );
        self.object("data-lost", Severity::Note, message, "leave --with-data out to keep it");
        let change = Change::RestoreDatabase {
            account: account.clone(),
            name: name.to_owned(),
            id: point.id.clone(),
            bookmark: point.bookmark.clone(),
            first: point.first.clone(),
        };
        let id = change_id(&change);
        let needs = self.plan.steps.iter().filter(|step| step.action.kind() != change.kind());
        let needs = needs.map(|step| step.id.clone()).collect();
        self.plan.steps.push(PlannedStep {
            id,
            target: None,
            action: Action::Change(change),
            needs,
            summary: format!("put database {name} back"),
            details: vec![format!(
                "to bookmark {}; what was written since is lost",
                point.bookmark
            )],
        });
    }

    /// The Workers that are there and whose newest record in effect says that they are bound to the
    /// database.
    fn users(&self, account: &AccountName, name: &str) -> BTreeSet<WorkerRef> {
        let there = self.observed.accounts.get(account).map(|account| &account.workers);
        let in_effect = self.history.past.iter().filter(|p| p.state != DeploymentState::Failed);
        let (mut met, mut users) = (BTreeSet::new(), BTreeSet::new());
        for target in in_effect.flat_map(|past| &past.opening.targets) {
            if target.config.is_null() || target.worker.account != *account {
                continue;
            }
            let is_newest = met.insert(&target.worker);
            let lives = there.is_some_and(|there| there.contains_key(&target.worker.worker));
            if is_newest && lives && target.databases().any(|own| own == name) {
                users.insert(target.worker.clone());
            }
        }
        users
    }
}

fn migrates(past: &Past, (account, name): Database<'_>) -> bool {
    past.opening.steps.iter().any(|step| migrated_by(&step.id) == Some((account.as_str(), name)))
}

fn restores(past: &Past, (account, name): Database<'_>) -> bool {
    let step = format!("restore-database {account}/{name} ");
    past.opening.steps.iter().any(|one| one.id.as_str().starts_with(&step))
}
