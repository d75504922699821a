//! Durable Objects: what an upload does to the account's namespaces, and lists of them.
//!
//! **Invariant:** a namespace is made by a migration (or a declared export) and by nothing else; its
//! id never changes, and bindings are kept by that id.

mod declared;
mod entries;
mod lists;
mod migrations;
mod report;

pub(super) use lists::{namespaces, objects};

use super::{
    content::{Place, Prepared},
    error::ApiError,
};
use crate::state::{
    ids::Moment,
    model::Account,
    objects::{ObjectNamespace, is_object},
    worker::{Content, Version, Worker},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// What an upload may do to namespaces.
#[derive(Clone, Debug)]
pub(super) enum Lifecycle {
    /// Nothing: the same code with other settings, or code alone.
    Keep,
    /// A version without traffic: declared classes are looked at when it is deployed.
    Later,
    /// Everything, since the version is deployed at once.
    Now {
        /// `metadata.migrations`.
        migrations: Option<Value>,
    },
}

/// What namespaces are changed for.
#[derive(Debug)]
struct Change<'a> {
    account: &'a mut Account,
    script: &'a str,
    /// What the code exports.
    exported: &'a BTreeSet<String>,
    /// The version's bindings.
    bindings: &'a [Value],
    now: Moment,
}

/// A version that was added, and what that did to namespaces.
#[derive(Debug)]
pub(super) struct Added {
    pub(super) version: Arc<Version>,
    /// `exports_reconciliation`.
    pub(super) report: Option<Value>,
}

/// Adds a prepared version to its Worker, which exists.
pub(super) fn add_version(
    account: &mut Account,
    place: &Place,
    mut prepared: Prepared,
    lifecycle: &Lifecycle,
    now: Moment,
) -> Result<Added, ApiError> {
    let report = admit(account, &place.script, &mut prepared, lifecycle, now)?;
    let worker = account.worker_mut(&place.script).ok_or_else(ApiError::no_worker)?;
    Ok(Added { version: worker.add_version(prepared.into_new(&place.source, now)), report })
}

/// Applies the upload to the account's namespaces, checks that its code implements them, and gives
/// its bindings the ids of theirs. The Worker exists. Returns `exports_reconciliation`, if any.
fn admit(
    account: &mut Account,
    script: &str,
    prepared: &mut Prepared,
    lifecycle: &Lifecycle,
    now: Moment,
) -> Result<Option<Value>, ApiError> {
    let names = prepared.handlers.named_handlers.iter().map(|(name, _)| name.clone());
    let exported: BTreeSet<String> = names.collect();
    let content = &mut prepared.content;
    let mut report = None;
    if let Lifecycle::Now { migrations } = lifecycle {
        let bindings = &content.bindings;
        let change = Change { account, script, exported: &exported, bindings, now };
        report = change.apply(migrations.as_ref(), content.exports.as_ref())?;
    }
    let declared = content.exports.as_ref().is_some_and(entries::has_classes);
    if !(declared && matches!(lifecycle, Lifecycle::Later)) {
        implements_all(account, script, &exported)?;
    }
    bind(account, script, content)?;
    Ok(report)
}

impl Change<'_> {
    fn apply(
        self,
        migrations: Option<&Value>,
        exports: Option<&Value>,
    ) -> Result<Option<Value>, ApiError> {
        let declared = exports.is_some_and(entries::has_classes);
        if declared && migrations.is_some() {
            let message = "`exports` and `migrations` cannot be used together.";
            return Err(ApiError::bad_request(10021, message));
        }
        let before = self.worker().is_some_and(|worker| worker.declares_exports);
        if declared || before {
            return declared::reconcile(self, exports).map(Some);
        }
        match migrations {
            Some(migrations) => migrations::apply(self, migrations).map(|()| None),
            None => Ok(None),
        }
    }

    fn worker(&self) -> Option<&Worker> {
        self.account.workers.get(self.script).map(AsRef::as_ref)
    }
}

fn implements_all(
    account: &Account,
    script: &str,
    exported: &BTreeSet<String>,
) -> Result<(), ApiError> {
    let own = account.objects.values().filter(|space| space.script == script);
    match own.map(|space| &space.class).find(|class| !exported.contains(*class)) {
        None => Ok(()),
        Some(class) => Err(ApiError::bad_request(
            10064,
            format!(
                "New version of script does not export class '{class}' which is depended on by \
                 existing Durable Objects. If you want to remove the objects, use a delete-class \
                 migration; if the class has a new name, use a rename-class migration."
            ),
        )),
    }
}

/// Bindings name a class; what they are bound to is the namespace.
fn bind(account: &Account, script: &str, content: &mut Content) -> Result<(), ApiError> {
    let exports = content.exports.clone();
    for binding in content.bindings.iter_mut().filter(|binding| is_object(binding)) {
        // Kept from an earlier version: the class may have been renamed since.
        let kept = binding["namespace_id"].as_str().and_then(|id| account.objects.get(id));
        let space = match kept {
            Some(space) => space,
            None => found(account, script, binding, exports.as_ref())?,
        };
        binding["namespace_id"] = json!(space.id);
    }
    Ok(())
}

fn found<'a>(
    account: &'a Account,
    script: &str,
    binding: &Value,
    exports: Option<&Value>,
) -> Result<&'a Arc<ObjectNamespace>, ApiError> {
    let class = binding["class_name"].as_str().unwrap_or_default();
    if class.is_empty() {
        let name = binding["name"].as_str().unwrap_or_default();
        let message = format!("The binding '{name}' needs a class_name.");
        return Err(ApiError::bad_request(10021, message));
    }
    let owner = binding["script_name"].as_str().filter(|name| !name.is_empty()).unwrap_or(script);
    if owner != script && !account.workers.contains_key(owner) {
        let message =
            format!("Cannot create binding for class in script '{owner}' that does not exist.");
        return Err(ApiError::bad_request(10061, message));
    }
    if let Some(space) = account.objects_of(owner, class) {
        return Ok(space);
    }
    // Until its source hands the objects over, they are reached there.
    let expecting = account.workers.get(owner).and_then(|worker| worker.expecting.get(class));
    if let Some(space) = expecting.and_then(|source| account.objects_of(source, class)) {
        return Ok(space);
    }
    if owner == script && exports.is_some_and(|exports| entries::is_live(exports, class)) {
        let message = format!(
            "Cannot create binding for class '{class}': it is declared in `exports` but not yet \
             provisioned. Deploy this version to provision it, or remove the binding."
        );
        return Err(ApiError::bad_request(100_406, message));
    }
    Err(ApiError::bad_request(
        10061,
        format!(
            "Cannot create binding for class '{class}' because it is not currently configured to \
             implement Durable Objects. Ensure a --new-class migration has been applied to it."
        ),
    ))
}

/// Looks at the versions of a new deployment, and does what their declared classes ask for.
pub(super) fn deploying(
    account: &mut Account,
    script: &str,
    ids: &[String],
    now: Moment,
) -> Result<(), ApiError> {
    let worker = account.workers.get(script).ok_or_else(ApiError::no_worker)?;
    let versions: Vec<Arc<Version>> =
        ids.iter().filter_map(|id| worker.version(id)).cloned().collect();
    let exports = |version: &Version| version.content.exports.clone().filter(entries::has_classes);
    let Some(first) = versions.first() else { return Ok(()) };
    if versions.iter().any(|version| exports(version) != exports(first)) {
        let message =
            "All versions in a multi-version deployment must declare identical `exports`.";
        return Err(ApiError::bad_request(100_405, message));
    }
    if worker.declares_exports || exports(first).is_some() {
        let names = first.named_handlers.iter().map(|(name, _)| name.clone()).collect();
        let bindings = &first.content.bindings;
        let change = Change { account, script, exported: &names, bindings, now };
        return declared::reconcile(change, first.content.exports.as_ref()).map(|_| ());
    }
    for version in &versions {
        let names: BTreeSet<String> =
            version.named_handlers.iter().map(|(name, _)| name.clone()).collect();
        if implements_all(account, script, &names).is_err() {
            let message = format!(
                "Version `{}` was uploaded before a Durable Object migration and does not export \
                 every class that has objects now; it cannot be deployed.",
                version.id
            );
            return Err(ApiError::bad_request(10211, message));
        }
    }
    Ok(())
}

/// Why a Worker must not be deleted without force: others bind its objects.
pub(super) fn refuse_while_bound(account: &Account, script: &str) -> Result<(), ApiError> {
    for space in account.objects.values().filter(|space| space.script == script) {
        let others = account.binders(space);
        if !others.is_empty() {
            let message = format!(
                "This Worker cannot be deleted: its Durable Objects of class '{}' are bound by {}. \
                 Remove the bindings, or delete it with `force=true`.",
                space.class,
                others.join(", ")
            );
            return Err(ApiError::bad_request(10064, message));
        }
    }
    Ok(())
}
