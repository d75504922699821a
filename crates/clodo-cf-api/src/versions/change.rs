use crate::{
    binding::{Binding, BindingKind},
    endpoint::{Endpoint, Repeat},
    workers::UPLOAD_TIME_LIMIT,
};
use clodo_types::{AccountId, BindingName, VersionId, WorkerName};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A change of the latest version that makes a new one without uploading its code again.
#[derive(Clone, Debug, Default)]
pub struct VersionChange {
    /// Bindings to set; a name alone is removed.
    pub bindings: BTreeMap<BindingName, Option<BindingKind>>,
    /// `workers/message`: what a person reads about the new version.
    pub message: Option<String>,
    /// `workers/tag`: a name for the new version.
    pub tag: Option<String>,
}

/// The version that a change made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ChangedVersion {
    /// Its id.
    pub id: VersionId,
}

/// Makes a version that is the latest one with a change; it gets no traffic yet.
#[must_use]
pub fn patch_latest_version(
    account: &AccountId,
    worker: &WorkerName,
    change: &VersionChange,
) -> Endpoint<ChangedVersion> {
    let template = "/accounts/{account}/workers/workers/{worker}/versions/latest";
    let endpoint = Endpoint::new(Method::PATCH, template, Repeat::Never)
        .at("account", account)
        .at("worker", worker)
        .with_time_limit(UPLOAD_TIME_LIMIT);
    match change.on_the_wire() {
        Ok(patch) => endpoint.with_merge_patch(&patch),
        Err(error) => endpoint.with_problem(format!("a binding is no JSON: {error}")),
    }
}

impl VersionChange {
    fn on_the_wire(&self) -> Result<Value, serde_json::Error> {
        let mut env = Map::new();
        for (name, kind) in &self.bindings {
            let wire = match kind {
                None => Value::Null,
                Some(kind) => {
                    let mut wire = Binding::new(name, kind.clone()).on_the_wire()?;
                    // The name stands before it.
                    wire.as_object_mut().map(|fields| fields.remove("name"));
                    wire
                }
            };
            env.insert(name.to_string(), wire);
        }
        let mut annotations = Map::new();
        for (name, text) in [("workers/message", &self.message), ("workers/tag", &self.tag)] {
            annotations.extend(text.as_deref().map(|text| (name.to_owned(), text.into())));
        }
        let mut patch = json!({ "env": env });
        if !annotations.is_empty() {
            patch["annotations"] = annotations.into();
        }
        Ok(patch)
    }
}
