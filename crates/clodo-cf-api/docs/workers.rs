use clodo_cf_api::{
    AccountId, Client, KnownBinding, ModuleKind, Secret, UploadModule, WorkerName, WorkerUpload,
    workers::{self, Removal},
};
use std::error::Error;

const CODE: &str = "import greeting from './greeting.txt';
export default { fetch: (request, env) => new Response(greeting + env.NAME) };";

/// Uploads a Worker with a text module, a variable and a secret, reads its code back, removes it.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let (worker, key) = ("greeter".parse::<WorkerName>()?, Secret::new("a-key-from-a-vault"));
    let upload = WorkerUpload::module_worker("index.js", CODE)
        .with_module(UploadModule::new("./greeting.txt", ModuleKind::Text, "Hello, "))
        .with_binding(&"NAME".parse()?, KnownBinding::PlainText { text: "world".to_owned() })
        .with_binding(&"KEY".parse()?, KnownBinding::SecretText { text: Some(key) })
        .compatible_with("2026-01-01")
        .with_message("first");
    let uploaded = client.send(workers::put_script(account, &worker, &upload)?).await?;
    assert!(uploaded.version_id().is_some() && uploaded.handlers == ["fetch"]);

    let content = client.worker_content(account, &worker, None).await?;
    assert_eq!(content.modules, upload.modules);

    client.send(workers::delete_worker(account, &worker, Removal::Careful)).await?;
    assert!(client.find(workers::worker(account, &worker)).await?.is_none());
    Ok(())
}
