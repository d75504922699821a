//! Namespaces of Durable Objects: made, renamed, moved and deleted by migrations.

use super::{ids::Moment, model::Account, worker::Worker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Below the state folder: `durable/<account>/<namespace>/<object>.sqlite`, written by workerd alone.
pub(crate) const FOLDER: &str = "durable";

/// All objects of one class. Its id names the folder with its objects' files, and objects' own ids
/// follow from it, so it stays the same when the class is renamed or moves to another Worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectNamespace {
    pub(crate) id: String,
    pub(crate) script: String,
    pub(crate) class: String,
    /// Made with `new_sqlite_classes`; the others have no `storage.sql`.
    pub(crate) sqlite: bool,
    pub(crate) created_on: Moment,
    /// The Worker that it was taken over from.
    #[serde(default)]
    pub(crate) taken_from: Option<String>,
}

impl ObjectNamespace {
    /// As Cloudflare names it in lists.
    pub(crate) fn name(&self) -> String {
        format!("{}_{}", self.script, self.class)
    }
}

impl Account {
    /// The namespace of a class.
    pub(crate) fn objects_of(&self, script: &str, class: &str) -> Option<&Arc<ObjectNamespace>> {
        self.objects.values().find(|space| space.script == script && space.class == class)
    }

    /// Other Workers whose newest version, or one with traffic, binds the namespace.
    pub(crate) fn binders(&self, namespace: &ObjectNamespace) -> Vec<String> {
        let binds = |worker: &&Arc<Worker>| {
            let newest = worker.latest().into_iter();
            let live = worker.versions.iter().filter(|version| worker.is_live(&version.id));
            newest.chain(live).flat_map(|version| &version.content.bindings).any(|binding| {
                binding["namespace_id"] == namespace.id.as_str() && is_object(binding)
            })
        };
        let others = self.workers.values().filter(|worker| worker.name != namespace.script);
        others.filter(binds).map(|worker| worker.name.clone()).collect()
    }

    /// Namespaces of a Worker that is gone go with it.
    pub(crate) fn delete_objects_of(&mut self, script: &str, now: Moment) {
        let own = self.objects.values().filter(|space| space.script == script);
        let ids: Vec<String> = own.map(|space| space.id.clone()).collect();
        ids.iter().for_each(|id| self.delete_objects(id, now));
    }

    /// Deletes a namespace; the runtime deletes the files, once nothing has them open.
    pub(crate) fn delete_objects(&mut self, id: &str, now: Moment) {
        self.objects.remove(id);
        self.deleted_objects.insert(id.to_owned(), Arc::new(now));
    }

    /// Forgets deleted namespaces whose files are gone as well.
    pub(crate) fn forget_deleted(&mut self, state: &Path) {
        let account = self.id().to_owned();
        self.deleted_objects.retain(|id, _| folder(state, &account, id).exists());
    }

    /// Makes the namespaces that bindings of an older state folder imply: there they were not kept.
    pub(crate) fn adopt_objects(&mut self, now: Moment) {
        let mut wanted = BTreeSet::new();
        for worker in self.workers.values() {
            let bindings = worker.versions.iter().flat_map(|version| &version.content.bindings);
            for binding in bindings.filter(|binding| is_object(binding)) {
                if binding.get("namespace_id").is_none()
                    && let Some(class) = binding["class_name"].as_str()
                {
                    let script = binding["script_name"].as_str().unwrap_or(&worker.name);
                    wanted.insert((script.to_owned(), class.to_owned()));
                }
            }
        }
        for (script, class) in wanted {
            if self.objects_of(&script, &class).is_none() && self.workers.contains_key(&script) {
                // The folder's name before namespaces had ids.
                let key = blake3::hash(format!("{script}\n{class}").as_bytes()).to_hex();
                let id = key[..32].to_owned();
                let taken_from = None;
                let space = ObjectNamespace {
                    id: id.clone(),
                    script,
                    class,
                    sqlite: true,
                    created_on: now,
                    taken_from,
                };
                self.objects.insert(id, Arc::new(space));
            }
        }
    }
}

/// A binding of Durable Objects, as on the wire.
pub(crate) fn is_object(binding: &Value) -> bool {
    binding["type"] == "durable_object_namespace"
}

/// Where a namespace's objects lie.
pub(crate) fn folder(state: &Path, account: &str, namespace: &str) -> PathBuf {
    state.join(FOLDER).join(account).join(namespace)
}
