use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::worker_settings::{self, ScriptSettings};
use clodo_orchestrator::{Applied, Before, Inputs, Look, Mark, PlatformError, WorkerRef};
use serde_json::{Map, Value, json};

impl CloudflarePlatform {
    /// The tags are in the listing; the settings are read only where one is going to change.
    pub(super) async fn look_settings(
        &self,
        worker: &WorkerRef,
        settings: &Map<String, Value>,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        let tags = inputs.worker.as_ref().map(|worker| worker.tags.clone()).unwrap_or_default();
        let mut were = Map::new();
        if inputs.worker.is_some() && !settings.is_empty() {
            let account = self.account(&worker.account)?;
            let read = worker_settings::script_settings(account, &worker.worker);
            let doing = format!("could not read the settings of `{}`", worker.worker);
            let now = self.client.send(read).await.map_err(failed(doing))?;
            let now = serde_json::to_value(now).unwrap_or_default();
            were.extend(settings.keys().map(|key| (key.clone(), now[key.as_str()].clone())));
        }
        Ok(Look::pending(Before::Settings { tags, settings: were }))
    }

    pub(super) async fn commit(
        &self,
        worker: &WorkerRef,
        mark: &Mark,
        settings: &Map<String, Value>,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let tags = inputs.worker.as_ref().map(|worker| worker.tags.as_slice()).unwrap_or_default();
        self.patch(worker, mark.to_tags(tags), settings, inputs).await
    }

    pub(super) async fn patch(
        &self,
        worker: &WorkerRef,
        tags: Vec<String>,
        settings: &Map<String, Value>,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let account = self.account(&worker.account)?;
        let consumers = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let change = ScriptSettings {
            tags: Some(tags),
            // A setting that was not there before is switched off rather than left as it is.
            observability: settings.get("observability").map(|value| match value {
                Value::Null => json!({ "enabled": false }),
                value => value.clone(),
            }),
            logpush: settings.get("logpush").map(|value| value.as_bool().unwrap_or(false)),
            tail_consumers: settings.get("tail_consumers").map(consumers),
        };
        let patch = worker_settings::patch_script_settings(account, &worker.worker, &change);
        let doing =
            format!("could not mark `{}` as deployed ({})", worker.worker, inputs.deployment);
        self.client.send(patch).await.map_err(failed(doing))?;
        Ok(Applied::Done)
    }
}
