//! Moments of a database's history: the one before a migration, and going back to it at most once.

use super::PlanStep;
use crate::{
    change::{Applied, Before, Change},
    migration::{MigrationRecord, MigrationTarget, RestorePoint},
    plan::Migration,
    platform::{PlatformError, PlatformErrorKind},
};
use clodo_saga::{Addition, Entry, Look, Outputs, StepError, Undo};
use clodo_types::{Finding, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The database as it was right before it was to be put back. It is in the journal before the
/// platform is asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Where it stood in its history.
    bookmark: String,
    /// When the first file was applied that is to be taken back, if the database said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applied_at: Option<String>,
}

/// Whether a database was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing was written since, or what is to be taken back is still there.
    NotYet,
    /// What is to be taken back is gone.
    PutBack,
    /// Something was written since, and that is all that is known.
    Unknown,
}

/// A database that is to be put back, as its change says.
#[derive(Clone, Copy, Debug)]
struct Restored<'a> {
    name: &'a str,
    change: &'a Change,
    record: Option<&'a MigrationRecord>,
}

impl<'a> Restored<'a> {
    fn of(change: &'a Change) -> Option<Self> {
        match change {
            Change::RestoreDatabase { name, first, .. } => {
                Some(Self { name, change, record: first.as_ref() })
            }
            _ => None,
        }
    }

    fn database(&self) -> Option<(MigrationTarget, &'a MigrationRecord)> {
        let Change::RestoreDatabase { account, name, id, .. } = self.change else { return None };
        let record = self.record?;
        let target = MigrationTarget {
            account: account.clone(),
            id: id.clone(),
            name: name.parse().ok(),
            table: record.table.clone(),
        };
        Some((target, record))
    }
}

impl PlanStep {
    /// To what the database can be put back: `false` for one that this deployment makes, null when
    /// there is no bookmark, which is no reason not to migrate it, but one to say so.
    pub(super) async fn restore_point(&self, migration: &Migration, outputs: &Outputs) -> Value {
        let Ok(database) = self.migration_target(migration, outputs) else { return Value::Null };
        let known = self.facts.account(&migration.account);
        if known.is_none_or(|account| account.database_by_id(&database.id).is_none()) {
            return Value::Bool(false);
        }
        // What an interrupted run wrote down counts.
        let earlier = self.facts.before.get(&self.planned.id).filter(|before| !before.is_null());
        if let Some(earlier) = earlier {
            return earlier.clone();
        }
        match self.cx.migrator.bookmark(&database).await {
            Ok(Some(bookmark)) => {
                let (account, id) = (database.account, database.id);
                let file = migration.file.name.clone();
                let first = Some(MigrationRecord { table: database.table, file });
                let point = RestorePoint { account, id, bookmark, first };
                serde_json::to_value(point).unwrap_or_default()
            }
            Ok(None) => Value::Null,
            Err(error) => {
                self.facts.say(no_way_back(migration, &error));
                Value::Null
            }
        }
    }

    /// What a restore goes back from, and whether an interrupted run has put the database back.
    pub(super) async fn look_back(
        &self,
        change: &Change,
        outputs: &Outputs,
    ) -> Result<Look, StepError> {
        let (facts, id) = (&self.facts, &self.planned.id);
        if let Some(done) = facts.waited.get(id) {
            return Ok(Look { before: Value::Null, already: Some(done.clone()) });
        }
        let now = self.seen_now(change, outputs).await?;
        let before = serde_json::to_value(&now)?;
        let Some(then) = self.seen_then()? else {
            self.remember(now);
            return Ok(Look { before, already: None });
        };
        let already = match standing(&then, &now) {
            Standing::NotYet => None,
            Standing::PutBack => Some(serde_json::to_value(Applied::Done)?),
            Standing::Unknown => return Err(cannot_be_known(change, &then).into()),
        };
        self.remember(if already.is_some() { then } else { now });
        Ok(Look { before, already })
    }

    /// Puts the database back. When the answer says that it failed, the database itself may know
    /// better.
    pub(super) async fn go_back(
        &self,
        change: &Change,
        outputs: &Outputs,
    ) -> Result<Value, StepError> {
        // Of this moment the journal knows nothing yet if an interrupted run saw another one.
        let seen = self.remembered();
        if let Some(seen) =
            seen.as_ref().filter(|_| self.facts.before.contains_key(&self.planned.id))
        {
            let (step, note) = (self.planned.id.clone(), serde_json::to_value(seen)?);
            let (at, entries) = (self.cx.clock.now(), &[Entry::Noted { step, note }][..]);
            let added = Addition { at, entries, fence: self.facts.fence.as_ref() };
            self.cx.journal.append(&self.facts.deployment, &added).await?;
        }
        let inputs = self.facts.inputs(change, outputs);
        let error = match self.cx.platform.apply(change, &inputs).await {
            Ok(applied) => return Ok(serde_json::to_value(&applied)?),
            Err(error) => error,
        };
        let now = self.seen_now(change, outputs).await;
        match seen.zip(now.ok()).map(|(then, now)| standing(&then, &now)) {
            Some(Standing::PutBack) => Ok(serde_json::to_value(Applied::Done)?),
            _ => Err(error.into()),
        }
    }

    /// Nothing is put back over what was written since, and so neither is a restore undone: a
    /// person may.
    pub(super) async fn stays_back(
        &self,
        change: &Change,
        before: &Value,
        outputs: &Outputs,
    ) -> Undo {
        let name = Restored::of(change).map_or("", |restored| restored.name);
        let then = self.remembered().or_else(|| self.seen_then().ok().flatten());
        let then = then.or_else(|| serde_json::from_value(before.clone()).ok());
        let Some(then) = then else {
            return Undo::Kept(format!("database {name} was put back, and stays so"));
        };
        let now = self.seen_now(change, outputs).await.ok();
        let was = match now.map(|now| standing(&then, &now)) {
            Some(Standing::PutBack) => "was put back",
            _ => "may have been put back",
        };
        Undo::Kept(format!(
            "database {name} {was}, and stays so; before, it was at bookmark {}, and `{}` puts it \
             there again",
            then.bookmark,
            command(name, &then)
        ))
    }

    async fn seen_now(&self, change: &Change, outputs: &Outputs) -> Result<Seen, PlatformError> {
        let inputs = self.facts.inputs(change, outputs);
        let look = self.cx.platform.look(change, &inputs).await?;
        let Before::Bookmark(bookmark) = look.before else {
            let doing = format!("the platform has no bookmark for `{}`", self.planned.id);
            return Err(PlatformError::new(PlatformErrorKind::Refused, doing));
        };
        let Some((database, record)) = Restored::of(change).and_then(|one| one.database()) else {
            return Ok(Seen { bookmark, applied_at: None });
        };
        let applied = self.cx.migrator.applied(&database).await?;
        let first = applied.into_iter().find(|done| done.name == record.file);
        Ok(Seen { bookmark, applied_at: first.and_then(|done| done.applied_at) })
    }

    /// What an interrupted run saw last before it may have put the database back.
    fn seen_then(&self) -> Result<Option<Seen>, serde_json::Error> {
        let (facts, id) = (&self.facts, &self.planned.id);
        let then = facts.notes.get(id).or_else(|| facts.before.get(id));
        then.map(|then| serde_json::from_value(then.clone())).transpose()
    }

    fn remember(&self, seen: Seen) {
        *self.seen.lock().expect("no holder panics") = Some(seen);
    }

    fn remembered(&self) -> Option<Seen> {
        self.seen.lock().expect("no holder panics").clone()
    }
}

/// A bookmark lasts until something is written. What was applied is recorded with its time, so only
/// a restore to a moment before takes that record away.
fn standing(then: &Seen, now: &Seen) -> Standing {
    if now.bookmark == then.bookmark {
        return Standing::NotYet;
    }
    match (&then.applied_at, &now.applied_at) {
        (Some(then), Some(now)) if then == now => Standing::NotYet,
        (Some(_), None) => Standing::PutBack,
        _ => Standing::Unknown,
    }
}

fn cannot_be_known(change: &Change, then: &Seen) -> PlatformError {
    let name = Restored::of(change).map_or("", |restored| restored.name);
    let doing = format!(
        "an interrupted rollback may have put database {name} back, and something was written \
         since; it is not put back again over that. Before, it was at bookmark {}",
        then.bookmark
    );
    let hint = format!(
        "look at the rows; if it was not put back, `wrangler d1 time-travel restore` does it; `{}` \
         takes it to where it was before",
        command(name, then)
    );
    PlatformError::new(PlatformErrorKind::Refused, doing).with_hint(hint)
}

fn command(name: &str, then: &Seen) -> String {
    format!("wrangler d1 time-travel restore {name} --bookmark={}", then.bookmark)
}

fn no_way_back(migration: &Migration, error: &PlatformError) -> Finding {
    let database = crate::planner::name_of(&migration.database);
    let mut causes = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes = format!("{causes}: {inner}");
        cause = inner.source();
    }
    Finding {
        rule: "no-restore-point".to_owned(),
        severity: Severity::Note,
        at: None,
        message: format!(
            "`rollback --with-data` cannot put database {database} back to what it was before \
             {}: {causes}",
            migration.file.name
        ),
        hint: Some(
            "`wrangler d1 time-travel` can put it back to a time, for as long as Cloudflare keeps \
             its history"
                .to_owned(),
        ),
    }
}
