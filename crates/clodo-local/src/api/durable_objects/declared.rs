//! Declared classes against the namespaces that are there.

use super::{
    super::error::ApiError,
    Change,
    entries::{self, Entry},
    migrations::{hand_over, provision},
    report::Report,
};
use crate::state::{model::Account, objects::ObjectNamespace};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Does what `exports` asks for; all that is wrong with it is said at once.
pub(super) fn reconcile(change: Change<'_>, exports: Option<&Value>) -> Result<Value, ApiError> {
    let mut run = Run { change, entries: BTreeMap::new(), report: Report::default() };
    let nothing = json!({});
    for (class, entry) in entries::classes(exports.unwrap_or(&nothing)) {
        match entry {
            Ok(entry) => _ = run.entries.insert(class.clone(), entry),
            Err(why) => run.report.refuse("invalid_export", class, &why, "correct the entry", &[]),
        }
    }
    if run.report.is_fine() {
        run.undeclared();
        run.all();
    }
    run.finish()
}

struct Run<'a> {
    change: Change<'a>,
    entries: BTreeMap<String, Entry>,
    report: Report,
}

impl Run<'_> {
    fn own(&self, class: &str) -> Option<Arc<ObjectNamespace>> {
        self.change.account.objects_of(self.change.script, class).cloned()
    }

    fn in_code(&self, class: &str) -> bool {
        self.change.exported.contains(class)
    }

    /// Namespaces that no entry speaks of: a class must never fall away unseen.
    fn undeclared(&mut self) {
        let script = self.change.script;
        let own = self.change.account.objects.values().filter(|space| space.script == script);
        let missing: Vec<_> =
            own.filter(|space| !self.entries.contains_key(&space.class)).cloned().collect();
        for space in missing {
            let class = space.class.clone();
            let others = self.change.account.binders(&space);
            let (scenario, why) = if self.in_code(&class) {
                ("provisioned_class_missing_from_config", "is not declared in `exports`")
            } else {
                ("orphaned_provisioned_namespace", "is neither in code nor declared in `exports`")
            };
            let why = format!(
                "class '{class}' has a provisioned Durable Object namespace ({}) but {why}.",
                space.id
            );
            let help = format!("add '{class}' to `exports`, live or as a tombstone");
            self.report.refuse(scenario, &class, &why, &help, &others);
        }
    }

    fn all(&mut self) {
        // Tombstones first: a rename fills what a live entry declares.
        let entries = self.entries.clone();
        let (live, gone): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|(_, entry)| matches!(entry, Entry::Live { .. } | Entry::Expecting { .. }));
        for (class, entry) in gone.into_iter().chain(live) {
            match &entry {
                Entry::Deleted => self.delete(&class),
                Entry::Renamed { to } => self.rename(&class, to),
                Entry::Transferred { to } => self.hand_on(&class, to),
                Entry::Live { sqlite } => self.live(&class, *sqlite),
                Entry::Expecting { sqlite, from } => self.expect(&class, *sqlite, from),
            }
        }
    }

    fn live(&mut self, class: &str, sqlite: bool) {
        let (own, in_code) = (self.own(class), self.in_code(class));
        match own {
            Some(_) if !in_code => {
                let why =
                    format!("'{class}' is declared but the Worker's code does not export it.");
                let help = "add the class to the code, or replace the entry with a tombstone";
                self.report.refuse("config_export_not_in_code", class, &why, help, &[]);
            }
            None if !in_code => {
                let why = format!("'{class}' is neither in code nor provisioned.");
                let help = "remove the entry, or add the class to the code";
                self.report.refuse("config_references_nonexistent_class", class, &why, help, &[]);
            }
            Some(space) => self.same_storage(class, sqlite, &space),
            None if !sqlite => {
                let why = "a new namespace cannot have the storage `legacy-kv`.";
                self.report.refuse("invalid_export", class, why, "use the storage `sqlite`", &[]);
            }
            None => {
                let (script, now) = (self.change.script, self.change.now);
                provision(self.change.account, script, class, sqlite, now);
                self.report.note("created", json!(class));
            }
        }
    }

    fn same_storage(&mut self, class: &str, sqlite: bool, space: &ObjectNamespace) {
        if space.sqlite != sqlite {
            let why = format!("the storage of '{class}' cannot be changed.");
            let help = "declare the storage that the namespace has";
            self.report.refuse("storage_type_mismatch", class, &why, help, &[]);
        }
    }

    fn delete(&mut self, class: &str) {
        let Some(space) = self.own(class) else { return self.stale(class, "deleted") };
        let others = self.change.account.binders(&space);
        if self.in_code(class) {
            let why = format!("'{class}' is still exported in code.");
            let help = "remove the class from the code first";
            self.report.refuse("tombstone_delete_class_still_in_code", class, &why, help, &[]);
        } else if !others.is_empty() {
            let why = format!("other Workers bind the objects of '{class}'.");
            let help = "deploy those Workers without the binding first";
            let scenario = "tombstone_delete_blocked_by_external_bindings";
            self.report.refuse(scenario, class, &why, help, &others);
        } else {
            self.change.account.delete_objects(&space.id, self.change.now);
            self.report.note("deleted", json!(class));
        }
    }

    fn rename(&mut self, class: &str, to: &str) {
        let Some(Entry::Live { sqlite }) = self.entries.get(to).cloned() else {
            let why = format!("`renamed_to` names '{to}', which is not a live entry of `exports`.");
            let help = format!("declare '{to}' as a live class");
            return self.report.refuse("invalid_export", class, &why, &help, &[]);
        };
        let Some(space) = self.own(class) else { return self.stale(class, "renamed") };
        if self.own(to).is_some() {
            let why = format!("'{to}' has objects of its own.");
            let help = format!("delete '{to}' in a deployment before this one");
            return self.report.refuse("tombstone_renamed_to_occupied", class, &why, &help, &[]);
        }
        self.same_storage(to, sqlite, &space);
        let script = self.change.script.to_owned();
        hand_over(self.change.account, &space.id, &script, to);
        self.report.note("renamed", json!({ "from": class, "to": to }));
        self.still_in_code(class, "renamed");
    }

    fn hand_on(&mut self, class: &str, to: &str) {
        let Some(space) = self.own(class) else { return self.stale(class, "transferred") };
        let script = self.change.script.to_owned();
        let expects = |account: &Account, name: &str| {
            let target = account.workers.get(name);
            target.is_some_and(|target| target.expecting.get(class) == Some(&script))
        };
        let account = &self.change.account;
        if !account.workers.contains_key(to) {
            let why = format!("the Worker '{to}' does not exist.");
            return self.report.refuse(
                "transferred_target_missing",
                class,
                &why,
                "name another",
                &[],
            );
        }
        if !expects(account, to) {
            let other = account.workers.keys().find(|name| expects(account, name)).cloned();
            let scenario = match other {
                Some(_) => "transferred_target_mismatch",
                None => "transferred_pending_not_found",
            };
            let why = format!("the Worker '{to}' does not expect '{class}' from '{script}'.");
            let help = format!("deploy '{to}' with an `expecting-transfer` entry first");
            return self.report.refuse(scenario, class, &why, &help, &[]);
        }
        hand_over(self.change.account, &space.id, to, class);
        if let Some(target) = self.change.account.worker_mut(to) {
            target.expecting.remove(class);
        }
        self.report.note("transferred", json!({ "class": class, "phase": "committed", "to": to }));
        self.still_in_code(class, "transferred");
    }

    fn expect(&mut self, class: &str, sqlite: bool, from: &str) {
        if !self.in_code(class) {
            return self.live(class, sqlite);
        }
        if let Some(space) = self.own(class) {
            return self.received(class, sqlite, from, &space);
        }
        if !self.change.account.workers.contains_key(from) {
            let why = format!("the Worker '{from}' does not exist.");
            let help = "correct `transfer_from`";
            return self.report.refuse("phase_one_transfer_source_missing", class, &why, help, &[]);
        }
        let Some(space) = self.change.account.objects_of(from, class).cloned() else {
            let why = format!("the Worker '{from}' has no objects of the class '{class}'.");
            let help = format!("deploy '{from}' with the class first");
            let scenario = "phase_one_transfer_source_namespace_missing";
            return self.report.refuse(scenario, class, &why, &help, &[]);
        };
        self.same_storage(class, sqlite, &space);
        self.report.note("transfer_pending", json!({ "class": class, "from": from }));
    }

    fn received(&mut self, class: &str, sqlite: bool, from: &str, space: &ObjectNamespace) {
        self.same_storage(class, sqlite, space);
        match space.taken_from.as_deref() {
            Some(source) if source == from => {
                let message = format!("'{class}' was received from '{from}' already.");
                self.report.inform("transfer_receive_already_applied", class, &message, space);
            }
            Some(_) => {
                let why = format!("'{class}' was received from another Worker than '{from}'.");
                let scenario = "phase_one_transfer_after_commit_mismatch";
                self.report.refuse(scenario, class, &why, "declare it as a live class", &[]);
            }
            None => {
                let why = format!("this Worker has objects of the class '{class}' already.");
                let scenario = "phase_one_transfer_target_class_provisioned";
                self.report.refuse(scenario, class, &why, "declare it as a live class", &[]);
            }
        }
    }

    fn still_in_code(&mut self, class: &str, state: &str) {
        if self.in_code(class) {
            let message = format!(
                "Tombstone of type '{state}' applied. Class '{class}' is still exported in code; \
                 this is the supported pattern for zero-downtime rollouts."
            );
            let scenario = "tombstone_class_still_in_code";
            self.report
                .note("info", json!({ "scenario": scenario, "class": class, "message": message }));
        }
    }

    fn stale(&mut self, class: &str, state: &str) {
        let others = named_by(self.change.account, self.change.script, class);
        let message = format!(
            "Tombstone of type '{state}' for class '{class}' has no effect (no namespace exists \
             with this class name)."
        );
        let mut entry =
            json!({ "scenario": "stale_tombstone", "class": class, "message": message });
        if others.is_empty() {
            self.report.note("removable_entries", json!(class));
        } else {
            entry["referencing_scripts"] = json!(others);
        }
        self.report.note("info", entry);
    }

    fn finish(self) -> Result<Value, ApiError> {
        let Self { change, entries, report, .. } = self;
        let done = report.done()?;
        let declares = !entries.is_empty();
        let account = change.account;
        let expecting = entries.into_iter().filter_map(|(class, entry)| match entry {
            // What was received is expected no more.
            Entry::Expecting { from, .. }
                if account.objects_of(change.script, &class).is_none() =>
            {
                Some((class, from))
            }
            _ => None,
        });
        let expecting = expecting.collect();
        if let Some(worker) = account.worker_mut(change.script) {
            worker.declares_exports |= declares;
            worker.expecting = expecting;
        }
        Ok(done)
    }
}

/// Other Workers whose newest version still names the class by its old name.
fn named_by(account: &Account, script: &str, class: &str) -> Vec<String> {
    let names =
        |binding: &Value| binding["script_name"] == script && binding["class_name"] == class;
    let others = account.workers.values().filter(|worker| worker.name != script);
    others
        .filter(|worker| {
            worker.latest().is_some_and(|version| version.content.bindings.iter().any(names))
        })
        .map(|worker| worker.name.clone())
        .collect()
}
