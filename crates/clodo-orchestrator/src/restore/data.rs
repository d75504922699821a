use super::Restore;
use crate::{
    change::Change,
    migration::RestorePoint,
    plan::{Action, PlannedStep},
    planner::change_id,
    removal::Data,
    trigger::WorkerRef,
};
use clodo_saga::StepId;
use clodo_types::{AccountName, DeploymentId, Severity};
use std::collections::BTreeSet;

impl Restore<'_> {
    /// Puts migrated databases back, if that is wanted, and says what becomes of each.
    pub(super) fn databases(&mut self, data: Data) {
        let points: Vec<_> = self.of.points.clone().into_iter().collect();
        for ((account, name), (deployment, point)) in points {
            match (data, point) {
                (_, None) => self.object(
                    "data-kept",
                    match data {
                        Data::Keep => Severity::Note,
                        Data::Remove => Severity::Block,
                    },
                    format!("nothing is known to which database {name} could be put back"),
                    "`wrangler d1 time-travel` can put it back to a time",
                ),
                (Data::Keep, Some(_)) => self.object(
                    "data-kept",
                    Severity::Note,
                    format!("database {name} keeps its migrations and its rows"),
                    &format!(
                        "`--with-data` puts it back to what it was before deployment {deployment}: all that was written since is lost",
                    ),
                ),
                (Data::Remove, Some(point)) => {
                    self.put_back(&account, &name, (&deployment, &point));
                }
            }
        }
    }

    /// The code that knows the old tables serves first; whoever is looked at is looked at with them.
    fn put_back(
        &mut self,
        account: &AccountName,
        name: &str,
        (deployment, point): (&DeploymentId, &RestorePoint),
    ) {
        let users = self.users(account, name);
        let going: BTreeSet<WorkerRef> =
            self.plan.targets.iter().map(|target| target.worker.clone()).collect();
        let others: Vec<&str> = users
            .iter()
            .filter(|user| !going.contains(user))
            .map(|user| user.worker.as_str())
            .collect();
        let others = match &others[..] {
            [] => String::new(),
            [one] => format!("; {one} uses it as well"),
            all => format!("; {} use it as well", all.join(", ")),
        };
        let message = format!(
            "database {name} is put back to what it was before deployment {deployment}: all that was written since is lost{others}",
        );
        self.object("data-lost", Severity::Note, message, "leave --with-data out to keep it");
        let change = Change::RestoreDatabase {
            account: account.clone(),
            name: name.to_owned(),
            id: point.id.clone(),
            bookmark: point.bookmark.clone(),
        };
        let id = change_id(&change);
        let of_user = |worker: Option<&WorkerRef>| worker.is_some_and(|one| users.contains(one));
        let mut needs: Vec<StepId> = Vec::new();
        for step in &mut self.plan.steps {
            match &step.action {
                Action::Change(change @ Change::SetTraffic { worker, .. })
                    if change.account() == account && of_user(Some(worker)) =>
                {
                    needs.push(step.id.clone());
                }
                Action::Verify(check) if of_user(Some(&check.addresses.worker)) => {
                    step.needs.push(id.clone());
                }
                _ => {}
            }
        }
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
