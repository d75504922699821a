//! `metadata.migrations`: steps that make, rename, move and delete namespaces.

use super::{super::error::ApiError, Change};
use crate::state::{
    ids::{Moment, random_hex},
    model::Account,
    objects::{ObjectNamespace, is_object},
};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

#[derive(Debug, Deserialize)]
struct Wire {
    old_tag: Option<String>,
    new_tag: Option<String>,
    #[serde(default)]
    steps: Option<Vec<Step>>,
    #[serde(flatten)]
    only: Step,
}

#[derive(Debug, Default, Deserialize)]
struct Step {
    #[serde(default)]
    new_classes: Option<Vec<String>>,
    #[serde(default)]
    new_sqlite_classes: Option<Vec<String>>,
    #[serde(default)]
    renamed_classes: Option<Vec<Rename>>,
    #[serde(default)]
    deleted_classes: Option<Vec<String>>,
    #[serde(default)]
    transferred_classes: Option<Vec<Transfer>>,
}

#[derive(Debug, Deserialize)]
struct Rename {
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
struct Transfer {
    from: String,
    from_script: String,
    to: String,
}

/// Applies all steps, and then looks whether the code exports what they name.
pub(super) fn apply(change: Change<'_>, migrations: &Value) -> Result<(), ApiError> {
    let wire = Wire::deserialize(migrations).map_err(|error| {
        ApiError::bad_request(10021, format!("The migrations are not valid: {error}"))
    })?;
    let tag = change.worker().and_then(|worker| worker.migration_tag.clone());
    check_tag(wire.old_tag.as_deref(), tag.as_deref())?;
    let script = change.script.to_owned();
    let mut steps = Steps { change, targets: BTreeSet::new(), named: Vec::new() };
    for step in wire.steps.iter().flatten().chain([&wire.only]) {
        steps.take(step)?;
    }
    steps.are_exported()?;
    if let Some(worker) = steps.change.account.worker_mut(&script)
        && wire.new_tag.is_some()
    {
        worker.migration_tag = wire.new_tag;
    }
    Ok(())
}

fn check_tag(given: Option<&str>, expected: Option<&str>) -> Result<(), ApiError> {
    let (given, expected) = (given.unwrap_or_default(), expected.unwrap_or_default());
    if given == expected {
        return Ok(());
    }
    let message = format!(
        "Actor migration tag precondition failed, got tag '{given}' when expected tag is \
         '{expected}'."
    );
    Err(ApiError::new(StatusCode::PRECONDITION_FAILED, 10079, message))
}

struct Steps<'a> {
    change: Change<'a>,
    /// Classes that a step made or deleted: each once.
    targets: BTreeSet<String>,
    /// What the code must export, by the kind of migration that asks for it.
    named: Vec<(&'static str, String)>,
}

impl Steps<'_> {
    fn take(&mut self, step: &Step) -> Result<(), ApiError> {
        for class in step.new_classes.iter().flatten() {
            self.create("new-class", class, false)?;
        }
        for class in step.new_sqlite_classes.iter().flatten() {
            self.create("new-sqlite-class", class, true)?;
        }
        for rename in step.renamed_classes.iter().flatten() {
            self.rename(rename)?;
        }
        for transfer in step.transferred_classes.iter().flatten() {
            self.transfer(transfer)?;
        }
        for class in step.deleted_classes.iter().flatten() {
            self.delete(class)?;
        }
        Ok(())
    }

    fn create(&mut self, kind: &'static str, class: &str, sqlite: bool) -> Result<(), ApiError> {
        self.aim(class)?;
        self.must_be_free(kind, class)?;
        self.named.push((kind, class.to_owned()));
        let (script, now) = (self.change.script, self.change.now);
        provision(self.change.account, script, class, sqlite, now);
        Ok(())
    }

    fn rename(&mut self, rename: &Rename) -> Result<(), ApiError> {
        let kind = "rename-class";
        let script = self.change.script.to_owned();
        let id = self.existing(kind, &script, &rename.from)?;
        self.aim(&rename.to)?;
        self.must_be_free(kind, &rename.to)?;
        self.named.retain(|(_, class)| *class != rename.from);
        self.named.push((kind, rename.to.clone()));
        hand_over(self.change.account, &id, &script, &rename.to);
        Ok(())
    }

    fn transfer(&mut self, transfer: &Transfer) -> Result<(), ApiError> {
        let kind = "transfer-class";
        let script = self.change.script.to_owned();
        if !self.change.account.workers.contains_key(&transfer.from_script) {
            let message = format!(
                "Cannot apply {kind} migration from script '{}' that does not exist.",
                transfer.from_script
            );
            return Err(ApiError::bad_request(10074, message));
        }
        let id = self.existing(kind, &transfer.from_script, &transfer.from)?;
        self.aim(&transfer.to)?;
        self.must_be_free(kind, &transfer.to)?;
        self.named.push((kind, transfer.to.clone()));
        hand_over(self.change.account, &id, &script, &transfer.to);
        Ok(())
    }

    fn delete(&mut self, class: &str) -> Result<(), ApiError> {
        let script = self.change.script.to_owned();
        let id = self.existing("delete-class", &script, class)?;
        let own = self.change.bindings.iter().filter(|binding| is_object(binding));
        let bound = own.clone().any(|binding| binding["class_name"] == class);
        let space = self.change.account.objects.get(&id);
        if bound || space.is_some_and(|space| !self.change.account.binders(space).is_empty()) {
            let message = format!(
                "Cannot apply --delete-class migration to class '{class}' without also removing \
                 the binding that references it."
            );
            return Err(ApiError::bad_request(10061, message));
        }
        self.named.retain(|(_, named)| named != class);
        self.targets.insert(class.to_owned());
        self.change.account.delete_objects(&id, self.change.now);
        Ok(())
    }

    fn aim(&mut self, class: &str) -> Result<(), ApiError> {
        if self.targets.insert(class.to_owned()) {
            return Ok(());
        }
        let message = format!("class '{class}' cannot be the target of more than one migration");
        Err(ApiError::bad_request(10074, message))
    }

    fn must_be_free(&self, kind: &str, class: &str) -> Result<(), ApiError> {
        if self.change.account.objects_of(self.change.script, class).is_none() {
            return Ok(());
        }
        let message = format!(
            "Cannot apply {kind} migration to class '{class}' that is already depended on by \
             existing Durable Objects"
        );
        Err(ApiError::bad_request(10074, message))
    }

    fn existing(&self, kind: &str, script: &str, class: &str) -> Result<String, ApiError> {
        let found = self.change.account.objects_of(script, class).map(|space| space.id.clone());
        found.ok_or_else(|| {
            let message = format!(
                "Cannot apply {kind} migration to class '{class}' which was not exported in the \
                 previous version of the script"
            );
            ApiError::bad_request(10074, message)
        })
    }

    fn are_exported(&self) -> Result<(), ApiError> {
        for (kind, class) in &self.named {
            if !self.change.exported.contains(class) {
                let message = format!(
                    "Cannot apply {kind} migration to class '{class}' that is not exported by script."
                );
                return Err(ApiError::bad_request(10070, message));
            }
        }
        Ok(())
    }
}

/// A namespace without objects.
pub(super) fn provision(
    account: &mut Account,
    script: &str,
    class: &str,
    sqlite: bool,
    now: Moment,
) {
    let id = random_hex();
    let space = ObjectNamespace {
        id: id.clone(),
        script: script.to_owned(),
        class: class.to_owned(),
        sqlite,
        created_on: now,
        taken_from: None,
    };
    account.objects.insert(id, Arc::new(space));
}

/// The namespace is from now on that of another class, maybe of another Worker.
pub(super) fn hand_over(account: &mut Account, id: &str, script: &str, class: &str) {
    if let Some(space) = account.objects.get_mut(id).map(Arc::make_mut) {
        if space.script != script {
            space.taken_from = Some(std::mem::replace(&mut space.script, script.to_owned()));
        }
        class.clone_into(&mut space.class);
    }
}
