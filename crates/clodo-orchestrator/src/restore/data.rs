use super::{Restore, several::Point};
use crate::{
    change::Change,
    history::Past,
    migration::RestorePoint,
    plan::{Action, PlannedStep},
    planner::change_id,
    record::DeploymentState,
    trigger::WorkerRef,
};
use clodo_saga::StepId;
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
        let restored = StepId::new(format!("restore-database {account}/{name} "));
        let put_back = self.history.past.iter().find(|past| {
            past.state == DeploymentState::Done
                && past.takes_back(deployment)
                && past.opening.steps.iter().any(|s| s.id.as_str().starts_with(restored.as_str()))
        });
        if let Some(past) = put_back {
            let message = format!("rollback {} has put database {name} back already", past.id);
            return Some((message, "what was written since would be lost; leave --with-data out"));
        }
        let failed = self.failed_before((account, name), deployment)?;
        let message = format!(
            "deployment {} failed after it had migrated database {name}, and is not taken back",
            failed.id
        );
        Some((message, "`wrangler d1 time-travel` can put the database back to a time"))
    }

    /// A deployment that ended without success between the one that is taken back and the last good one
    /// before it: what it migrated stayed, so the moment before the later one is not the good one's.
    fn failed_before(
        &self,
        (account, name): Database<'_>,
        deployment: &DeploymentId,
    ) -> Option<&Past> {
        let mut older = self.history.past.iter().skip_while(|past| past.id != *deployment).skip(1);
        let mut since = older.by_ref().take_while(|past| past.state != DeploymentState::Done);
        since.find(|past| {
            past.opening.steps.iter().any(|step| {
                let migrated = crate::history::migrated_by(&step.id);
                migrated == Some((account.as_str(), name))
            })
        })
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

    /// The Workers whose newest record says that they are bound to the database.
    fn users(&self, account: &AccountName, name: &str) -> BTreeSet<WorkerRef> {
        let mut met = BTreeSet::new();
        let mut users = BTreeSet::new();
        for target in self.history.past.iter().flat_map(|past| &past.opening.targets) {
            let is_newest = met.insert(&target.worker);
            let is_bound = target.databases().any(|own| own == name);
            if is_newest && target.worker.account == *account && is_bound {
                users.insert(target.worker.clone());
            }
        }
        users
    }
}
