//! A Worker with its versions and deployments, as they are kept.

use super::ids::Moment;
use clodo_workerd::{Handlers, ServedWorker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// How many of the newest versions may get traffic.
pub(crate) const DEPLOYABLE: usize = 100;
/// How many versions are kept in all; those with traffic always.
const KEPT_VERSIONS: usize = 200;
/// How many deployments are kept.
const KEPT_DEPLOYMENTS: usize = 100;

/// One Worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) name: String,
    /// Cloudflare's `tag`: 32 hex digits that stay when everything else changes.
    pub(crate) id: String,
    pub(crate) created_on: Moment,
    pub(crate) modified_on: Moment,
    pub(crate) tags: Vec<String>,
    pub(crate) logpush: bool,
    pub(crate) observability: Option<Value>,
    pub(crate) tail_consumers: Vec<Value>,
    /// `workers.dev` on or off, and the same for preview addresses.
    pub(crate) subdomain: Subdomain,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) migration_tag: Option<String>,
    /// Whether Durable Object classes are declared with `exports`, as of the last deployment.
    #[serde(default)]
    pub(crate) declares_exports: bool,
    /// Classes whose objects another Worker is to hand over: class and Worker.
    #[serde(default)]
    pub(crate) expecting: BTreeMap<String, String>,
    pub(crate) last_number: u64,
    /// Oldest first.
    pub(crate) deployments: Vec<Deployment>,
    /// Oldest first. Each is a document of its own.
    #[serde(skip)]
    pub(crate) versions: Vec<Arc<Version>>,
    /// What follows from the rest.
    #[serde(skip)]
    pub(crate) derived: Derived,
}

/// Found out once per state of a Worker. A copy, which is made to be changed, begins anew.
#[derive(Debug, Default)]
pub(crate) struct Derived {
    served: OnceLock<Option<Arc<ServedWorker>>>,
}

impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subdomain {
    pub(crate) enabled: bool,
    pub(crate) previews_enabled: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) cron: String,
    pub(crate) created_on: Moment,
    pub(crate) modified_on: Moment,
}

/// Which versions get traffic from a moment on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) created_on: Moment,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Version id and percentage; the percentages sum to 100.
    pub(crate) versions: Vec<(String, f64)>,
}

/// What was uploaded once and never changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) script: String,
    pub(crate) number: u64,
    pub(crate) created_on: Moment,
    pub(crate) source: String,
    pub(crate) etag: String,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) has_preview: bool,
    /// The Worker's migration tag when this was uploaded.
    #[serde(default)]
    pub(crate) migration_tag: Option<String>,
    #[serde(flatten)]
    pub(crate) content: Content,
    pub(crate) handlers: Vec<String>,
    pub(crate) named_handlers: Vec<(String, Vec<String>)>,
    /// The exported classes that are Workflows.
    #[serde(default)]
    pub(crate) workflows: Vec<String>,
    pub(crate) startup_time_ms: u64,
}

/// The part of a version that the uploader decides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) main_module: Option<String>,
    pub(crate) body_part: Option<String>,
    pub(crate) modules: Vec<Module>,
    pub(crate) compatibility_date: Option<String>,
    pub(crate) compatibility_flags: Vec<String>,
    /// As on the wire, `inherit` resolved, secrets with their text.
    pub(crate) bindings: Vec<Value>,
    pub(crate) assets: Option<Assets>,
    pub(crate) limits: Option<Value>,
    pub(crate) placement: Option<Value>,
    /// Declared Durable Object classes and entrypoints, as on the wire.
    #[serde(default)]
    pub(crate) exports: Option<Value>,
}

/// A module whose body lies in the blob folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) blob: String,
    pub(crate) size: u64,
}

/// From path to manifest hash, and the `assets.config` of the upload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Assets {
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) config: Value,
}

/// What [`Worker::add_version`] needs beside the content.
#[derive(Clone, Debug)]
pub(crate) struct NewVersion {
    pub(crate) id: String,
    pub(crate) now: Moment,
    pub(crate) source: String,
    pub(crate) etag: String,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) content: Content,
    pub(crate) handlers: Handlers,
}

impl Worker {
    pub(crate) fn new(name: &str, id: String, now: Moment) -> Self {
        Self {
            name: name.to_owned(),
            id,
            created_on: now,
            modified_on: now,
            tags: Vec::new(),
            logpush: false,
            observability: None,
            tail_consumers: Vec::new(),
            subdomain: Subdomain::default(),
            schedules: Vec::new(),
            migration_tag: None,
            declares_exports: false,
            expecting: BTreeMap::new(),
            last_number: 0,
            deployments: Vec::new(),
            versions: Vec::new(),
            derived: Derived::default(),
        }
    }

    /// What the front needs for every request; `None` without a deployment.
    pub(crate) fn served(&self) -> Option<Arc<ServedWorker>> {
        let derive = || {
            let mut live = self.deployed()?.versions.clone();
            // By age: a version key then stays with a newer version whose share grows.
            live.sort_by_key(|(id, _)| self.version(id).map(|version| version.number));
            Some(Arc::new(ServedWorker { live, beside: self.tail_consumers() }))
        };
        self.derived.served.get_or_init(derive).clone()
    }

    /// Notes a write.
    pub(crate) fn touch(&mut self, now: Moment) {
        self.modified_on = now.after(self.modified_on);
    }

    pub(crate) fn latest(&self) -> Option<&Arc<Version>> {
        self.versions.last()
    }

    pub(crate) fn version(&self, id: &str) -> Option<&Arc<Version>> {
        self.versions.iter().rev().find(|version| version.id == id)
    }

    /// The deployment that has the traffic now.
    pub(crate) fn deployed(&self) -> Option<&Deployment> {
        self.deployments.last()
    }

    pub(crate) fn is_live(&self, version_id: &str) -> bool {
        self.deployed().is_some_and(|now| now.versions.iter().any(|(id, _)| id == version_id))
    }

    /// The names of the Workers that are told what this one does.
    pub(crate) fn tail_consumers(&self) -> Vec<String> {
        let name = |consumer: &Value| {
            let name = consumer["service"].as_str().or(consumer["name"].as_str());
            name.map(str::to_owned)
        };
        self.tail_consumers.iter().filter_map(name).collect()
    }

    /// The version that a preview address names, by the first eight digits of its id or by its
    /// alias; of several with the same alias the newest.
    pub(crate) fn preview(&self, name: &str) -> Option<&Arc<Version>> {
        let named = |version: &&Arc<Version>| {
            (name.len() == 8 && version.id.starts_with(name)) || version.alias() == Some(name)
        };
        let live = self.versions.iter().rev().filter(|version| self.is_live(&version.id));
        self.deployable().chain(live).find(named)
    }

    /// Newest first; only these may get traffic.
    pub(crate) fn deployable(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.versions.iter().rev().take(DEPLOYABLE)
    }

    pub(crate) fn add_version(&mut self, new: NewVersion) -> Arc<Version> {
        self.touch(new.now);
        self.last_number += 1;
        let version = Arc::new(Version {
            id: new.id,
            script: self.name.clone(),
            number: self.last_number,
            created_on: self.modified_on,
            source: new.source,
            etag: new.etag,
            annotations: new.annotations,
            has_preview: true,
            migration_tag: self.migration_tag.clone(),
            content: new.content,
            handlers: new.handlers.handlers,
            named_handlers: new.handlers.named_handlers,
            workflows: new.handlers.workflows,
            startup_time_ms: new.handlers.startup_time_ms,
        });
        self.versions.push(Arc::clone(&version));
        self.prune();
        version
    }

    pub(crate) fn deploy(&mut self, mut deployment: Deployment) {
        self.touch(deployment.created_on);
        deployment.created_on = self.modified_on;
        self.deployments.push(deployment);
        let surplus = self.deployments.len().saturating_sub(KEPT_DEPLOYMENTS);
        self.deployments.drain(..surplus);
    }

    fn prune(&mut self) {
        let mut surplus = self.versions.len().saturating_sub(KEPT_VERSIONS);
        let versions = std::mem::take(&mut self.versions);
        for version in versions {
            if surplus > 0 && !self.is_live(&version.id) {
                surplus -= 1;
            } else {
                self.versions.push(version);
            }
        }
    }
}

impl Version {
    pub(crate) fn tag(&self) -> Option<&str> {
        self.annotations.get("workers/tag").map(String::as_str)
    }

    /// Whether it exports a handler for cron triggers or queues.
    pub(crate) fn takes_events(&self) -> bool {
        self.handles("scheduled") || self.handles("queue")
    }

    /// Whether the default export has this handler.
    pub(crate) fn handles(&self, event: &str) -> bool {
        self.handlers.iter().any(|handler| handler == event)
    }

    pub(crate) fn alias(&self) -> Option<&str> {
        self.annotations.get("workers/alias").map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_version(id: usize) -> NewVersion {
        NewVersion {
            id: id.to_string(),
            now: Moment::default(),
            source: "api".into(),
            etag: String::new(),
            annotations: BTreeMap::new(),
            content: Content::default(),
            handlers: Handlers::default(),
        }
    }

    #[test]
    fn old_versions_go_but_never_one_with_traffic() {
        let mut worker = Worker::new("shop", "t".into(), Moment::default());
        worker.add_version(new_version(0));
        worker.deploy(Deployment {
            id: "d".into(),
            source: "api".into(),
            created_on: Moment::default(),
            annotations: BTreeMap::new(),
            versions: vec![("0".into(), 100.0)],
        });
        for id in 1..=KEPT_VERSIONS + 5 {
            worker.add_version(new_version(id));
        }
        assert_eq!(worker.versions.len(), KEPT_VERSIONS);
        assert!(worker.version("0").is_some() && worker.version("1").is_none());
        assert!(worker.deployable().all(|version| version.id != "0"));
        assert!(worker.modified_on > worker.created_on);
    }
}
