use crate::cloud::{Cloud, parsed};
use clodo_cf_api::{
    ApiErrorKind,
    secrets::{self, NewSecret},
};
use clodo_types::{Secret, SecretName};

// conformance: secrets | PUT /accounts/{account}/workers/scripts/{script}/secrets | documented
// conformance: secrets | GET /accounts/{account}/workers/scripts/{script}/secrets | documented
// conformance: secrets | GET /accounts/{account}/workers/scripts/{script}/secrets/{secret} | documented
// conformance: secrets | DELETE /accounts/{account}/workers/scripts/{script}/secrets/{secret} | documented
// conformance: secrets | PATCH /accounts/{account}/workers/scripts/{script}/secrets-bulk | documented
#[tokio::test]
async fn secrets_are_set_seen_by_name_and_removed() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("secrets").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let names = async || -> Vec<String> {
        let all = client.list(secrets::list_secrets(account, &worker)).await.unwrap();
        all.into_iter().map(|secret| secret.name).collect()
    };
    let name: SecretName = parsed("KEY");
    let new = NewSecret { name: name.clone(), text: Secret::new("hunter2") };
    client.send(secrets::put_secret(account, &worker, &new)).await.unwrap();
    let read = client.send(secrets::secret(account, &worker, &name)).await.unwrap();
    assert_eq!((read.name.as_str(), read.kind.as_str()), ("KEY", "secret_text"));
    let changes = [
        (name.clone(), None),
        (parsed("ONE"), Some(Secret::new("1"))),
        (parsed("TWO"), Some(Secret::new("2"))),
    ];
    let after = secrets::patch_secrets(account, &worker, &changes.into());
    let after = client.send(after).await.unwrap();
    assert_eq!(after.0.len(), 2, "{after:?}");
    assert_eq!(names().await, ["ONE", "TWO"]);
    let gone = client.send(secrets::secret(account, &worker, &name)).await.unwrap_err();
    assert_eq!(gone.kind(), ApiErrorKind::NotFound, "{gone}");
    client.send(secrets::delete_secret(account, &worker, &parsed("ONE"))).await.unwrap();
    assert_eq!(names().await, ["TWO"]);
    cloud.remove_worker(&worker).await;
}
