use clodo_cf_api::{
    AccountId, Client, Secret, WorkerName, WorkerUpload,
    secrets::{self, NewSecret, SecretChanges},
    workers,
};
use std::error::Error;

/// Sets a secret, then replaces it and removes another with one new version.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let worker: WorkerName = "signer".parse()?;
    let upload = WorkerUpload::module_worker("index.js", "export default { fetch() {} };")
        .compatible_with("2026-01-01");
    client.send(workers::put_script(account, &worker, &upload)?).await?;

    for (name, text) in [("SIGNING_KEY", "the-old-key"), ("UNUSED", "nobody-reads-it")] {
        let new = NewSecret { name: name.parse()?, text: Secret::new(text) };
        client.send(secrets::put_secret(account, &worker, &new)).await?;
    }
    let mut changes = SecretChanges::new();
    changes.insert("SIGNING_KEY".parse()?, Some(Secret::new("the-new-key")));
    changes.insert("UNUSED".parse()?, None);
    client.send(secrets::patch_secrets(account, &worker, &changes)).await?;

    let left = client.list(secrets::list_secrets(account, &worker)).await?;
    let names: Vec<_> = left.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(names, ["SIGNING_KEY"]);
    Ok(())
}
