use clodo_cf_api::{
    AccountId, Binding, Client, KnownBinding, WorkerName, WorkerUpload,
    worker_settings::{self, ScriptSettings, SettingsChange},
    workers,
};
use std::error::Error;

/// Tags a Worker without a new version, then adds a variable with one.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let worker: WorkerName = "tagged".parse()?;
    let upload = WorkerUpload::module_worker("index.js", "export default { fetch() {} };")
        .compatible_with("2026-01-01");
    client.send(workers::put_script(account, &worker, &upload)?).await?;

    let tags = ScriptSettings { tags: Some(vec!["team:shop".to_owned()]), ..Default::default() };
    client.send(worker_settings::patch_script_settings(account, &worker, &tags)).await?;

    let mode = KnownBinding::PlainText { text: "plain".to_owned() };
    let bindings = Some(vec![Binding::new(&"MODE".parse()?, mode.into())]);
    let change = SettingsChange { bindings, ..SettingsChange::default() };
    client.send(worker_settings::patch_settings(account, &worker, &change)).await?;

    let settings = client.send(worker_settings::settings(account, &worker)).await?;
    assert_eq!((settings.bindings[0].name(), settings.tags.len()), ("MODE", 1));
    Ok(())
}
