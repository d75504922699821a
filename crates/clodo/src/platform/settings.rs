use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::{
    worker_settings,
    workers::{self, Worker, WorkerChange},
};
use clodo_orchestrator::{
    Applied, Before, Inputs, Look, Mark, ObservedWorker, PlatformError, WorkerRef,
};
use serde_json::{Map, Value, json};

const OBSERVABILITY: &str = "observability";
const LOGPUSH: &str = "logpush";
const TAIL_CONSUMERS: &str = "tail_consumers";

/// The settings of a listed Worker, in the words of the settings' own call.
pub(super) fn listed(worker: &Worker) -> Map<String, Value> {
    let consumers = worker.tail_consumers.iter();
    let consumers: Vec<Value> =
        consumers.map(|consumer| json!({ "service": consumer.name })).collect();
    let observability = worker.observability.clone().unwrap_or_default();
    Map::from_iter([
        (OBSERVABILITY.to_owned(), observability),
        (LOGPUSH.to_owned(), json!(worker.logpush)),
        (TAIL_CONSUMERS.to_owned(), json!(consumers)),
    ])
}

impl CloudflarePlatform {
    /// Tags and settings are in the listing; what it does not say is read.
    pub(super) async fn look_settings(
        &self,
        worker: &WorkerRef,
        mark: &Mark,
        settings: &Map<String, Value>,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        let Some(seen) = &inputs.worker else {
            // What the first upload left. Without its owner, a Worker whose undoing is cut short
            // would be a stranger to the next run.
            let tags = Mark { hashes: None, ..mark.clone() }.to_tags::<&str>(&[]);
            let before = Before::Settings { tags, settings: unset(settings) };
            return Ok(Look::pending(before));
        };
        let were = match settings.keys().all(|key| seen.settings.contains_key(key)) {
            true => chosen(settings, &seen.settings),
            false => chosen(settings, &self.read_settings(worker).await?),
        };
        let same = |key: &String| normal(key, &were[key]) == normal(key, &settings[key]);
        let there = mark.to_tags(&seen.tags) == seen.tags && settings.keys().all(same);
        let before = Before::Settings { tags: seen.tags.clone(), settings: were };
        Ok(if there { Look::done(before, Applied::Done) } else { Look::pending(before) })
    }

    async fn read_settings(&self, worker: &WorkerRef) -> Result<Map<String, Value>, PlatformError> {
        let account = self.account(&worker.account)?;
        let read = worker_settings::script_settings(account, &worker.worker);
        let doing = format!("could not read the settings of `{}`", worker.worker);
        let now = self.client.send(read).await.map_err(failed(doing))?;
        let now = serde_json::to_value(now).unwrap_or_default();
        Ok(now.as_object().cloned().unwrap_or_default())
    }

    pub(super) async fn commit(
        &self,
        worker: &WorkerRef,
        mark: &Mark,
        settings: &Map<String, Value>,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let seen = inputs.worker.as_ref();
        let tags = seen.map(|worker: &ObservedWorker| worker.tags.as_slice()).unwrap_or_default();
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
        let set = |key: &str| settings.get(key).map(|value| normal(key, value));
        // As it stands in the config: what this version does not know must not be lost.
        let observability = set(OBSERVABILITY).map(|value| (OBSERVABILITY.to_owned(), value));
        let consumers = set(TAIL_CONSUMERS).and_then(|value| value.as_array().cloned());
        let change = WorkerChange {
            tags: Some(tags),
            logpush: set(LOGPUSH).and_then(|value| value.as_bool()),
            tail_consumers: consumers.map(|all| all.iter().map(by_name).collect()),
            more: observability.into_iter().collect(),
            ..WorkerChange::default()
        };
        // This call answers in the listing's own words: only they can be compared with a listing.
        let patch = workers::patch_worker(account, &worker.worker, &change);
        let doing =
            format!("could not mark `{}` as deployed ({})", worker.worker, inputs.deployment);
        let marked = self.client.send(patch).await.map_err(failed(doing))?;
        Ok(Applied::Marked(marked.updated_on))
    }
}

/// A tail consumer in the words of the newer call: the config says `service`.
fn by_name(consumer: &Value) -> Value {
    match consumer.get("service") {
        Some(service) => json!({ "name": service }),
        None => consumer.clone(),
    }
}

/// What is not set is as good as its default, which is also what unsetting it sends: the API has no
/// way to take a setting away.
fn normal(key: &str, value: &Value) -> Value {
    match (key, value) {
        (OBSERVABILITY, Value::Null) => json!({ "enabled": false }),
        (LOGPUSH, Value::Null) => json!(false),
        (TAIL_CONSUMERS, Value::Null) => json!([]),
        _ => value.clone(),
    }
}

/// The present values of the settings that `wanted` names.
fn chosen(wanted: &Map<String, Value>, now: &Map<String, Value>) -> Map<String, Value> {
    let value = |key: &String| now.get(key).cloned().unwrap_or_default();
    wanted.keys().map(|key| (key.clone(), value(key))).collect()
}

fn unset(wanted: &Map<String, Value>) -> Map<String, Value> {
    chosen(wanted, &Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_speaks_the_words_of_the_settings() {
        let wire = json!({
            "id": "abc", "name": "web", "logpush": true, "observability": { "enabled": true },
            "tail_consumers": [{ "name": "tail" }],
        });
        let settings = listed(&serde_json::from_value(wire).unwrap());
        let want = json!({
            "logpush": true, "observability": { "enabled": true },
            "tail_consumers": [{ "service": "tail" }],
        });
        assert_eq!(Value::Object(settings), want);
    }

    #[test]
    fn what_is_not_set_is_its_default() {
        let defaults = json!({
            "observability": { "enabled": false }, "logpush": false, "tail_consumers": [],
        });
        for (key, default) in defaults.as_object().unwrap() {
            assert_eq!(normal(key, &Value::Null), *default);
            assert_eq!(normal(key, default), *default);
        }
    }
}
