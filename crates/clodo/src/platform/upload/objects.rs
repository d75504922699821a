use super::super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::worker_settings;
use clodo_orchestrator::{PlatformError, Upload};
use clodo_types::AccountId;
use serde_json::{Value, json};

impl CloudflarePlatform {
    /// The migrations of Durable Objects that the Worker lacks.
    pub(super) async fn object_migrations(
        &self,
        upload: &Upload,
        account: &AccountId,
    ) -> Result<Option<Value>, PlatformError> {
        let target = &upload.target;
        let Some(newest) = target.object_migrations.last() else { return Ok(None) };
        let mut live = None;
        if !upload.first {
            let doing = format!("could not read the settings of `{}`", target.worker);
            let settings = worker_settings::settings(account, &target.worker);
            let settings = self.client.send(settings).await.map_err(failed(doing))?;
            live = settings.migration_tag;
        }
        let tag = |migration: &Value| migration["tag"].as_str().map(str::to_owned);
        if live.is_some() && live == tag(newest) {
            return Ok(None);
        }
        let done = target.object_migrations.iter().position(|one| tag(one) == live);
        let steps = &target.object_migrations[done.map_or(0, |at| at + 1)..];
        let steps: Vec<Value> = steps.iter().map(without_tag).collect();
        let mut migrations = json!({ "new_tag": tag(newest), "steps": steps });
        if let Some(live) = live {
            migrations["old_tag"] = json!(live);
        }
        Ok(Some(migrations))
    }
}

fn without_tag(migration: &Value) -> Value {
    let mut step = migration.clone();
    if let Some(fields) = step.as_object_mut() {
        fields.remove("tag");
    }
    step
}
