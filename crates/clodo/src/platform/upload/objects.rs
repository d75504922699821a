use super::super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::worker_settings::{self, Settings};
use clodo_orchestrator::{Mark, PlatformError, Upload};
use clodo_types::AccountId;
use serde_json::{Value, json};

impl CloudflarePlatform {
    /// The migrations of Durable Objects that the Worker lacks.
    pub(super) async fn object_migrations(
        &self,
        upload: &Upload,
        account: &AccountId,
    ) -> Result<Option<Value>, PlatformError> {
        let migrations = &upload.target.object_migrations;
        let live = match upload.first || migrations.is_empty() {
            true => None,
            false => self.settings(upload, account).await?.migration_tag,
        };
        Ok(lacking(migrations, live))
    }

    /// The same after the Worker turned out to be further than it was; `None` when that was somebody
    /// else's doing, or leads where none of our migrations does.
    pub(super) async fn objects_of_ours(
        &self,
        upload: &Upload,
        account: &AccountId,
    ) -> Result<Option<Option<Value>>, PlatformError> {
        let migrations = &upload.target.object_migrations;
        let now = self.settings(upload, account).await?;
        let is_ours = Mark::from_tags(&now.tags).owner == upload.mark.owner;
        let is_known = migrations.iter().any(|one| tag(one) == now.migration_tag);
        Ok((is_ours && is_known).then(|| lacking(migrations, now.migration_tag)))
    }

    async fn settings(
        &self,
        upload: &Upload,
        account: &AccountId,
    ) -> Result<Settings, PlatformError> {
        let worker = &upload.target.worker;
        let settings = self.client.send(worker_settings::settings(account, worker)).await;
        settings.map_err(failed(format!("could not read the settings of `{worker}`")))
    }
}

/// Those of `migrations` that come after the tag `live`, as an upload carries them.
fn lacking(migrations: &[Value], live: Option<String>) -> Option<Value> {
    let newest = tag(migrations.last()?);
    if live.is_some() && live == newest {
        return None;
    }
    let done = migrations.iter().position(|one| tag(one) == live);
    let steps = &migrations[done.map_or(0, |at| at + 1)..];
    let steps: Vec<Value> = steps.iter().map(without_tag).collect();
    let mut lacking = json!({ "new_tag": newest, "steps": steps });
    if let Some(live) = live {
        lacking["old_tag"] = json!(live);
    }
    Some(lacking)
}

fn tag(migration: &Value) -> Option<String> {
    migration["tag"].as_str().map(str::to_owned)
}

fn without_tag(migration: &Value) -> Value {
    let mut step = migration.clone();
    if let Some(fields) = step.as_object_mut() {
        fields.remove("tag");
    }
    step
}
