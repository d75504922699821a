use clodo_cf_api::{
    AccountId, ApiErrorKind, Client, ClientOptions, ReqwestHttp, ReqwestOptions, RetryPolicy,
    Secret, WorkerName, workers,
};
use std::{error::Error, sync::Arc};

/// Makes a client that gives up soon, and tells what went wrong.
pub async fn example(
    base_url: &str,
    token: Secret,
    account: &AccountId,
) -> Result<(), Box<dyn Error>> {
    // `ClientOptions::cloudflare(token)` is for the real one.
    let options = ClientOptions::new(base_url, token)
        .with_retry(RetryPolicy::default().with_attempts(2))
        .with_user_agent("bookshop/1.0");
    let http = Arc::new(ReqwestHttp::new(&ReqwestOptions::default())?);
    let client = Client::new(http, options)?;
    // What is not there is an answer of `find`, and an error of `send`.
    let nobody: WorkerName = "nobody".parse()?;
    assert!(client.find(workers::worker(account, &nobody)).await?.is_none());
    match client.send(workers::worker(account, &nobody)).await {
        Err(error) if error.kind() == ApiErrorKind::NotFound => {
            assert_eq!(error.advice(), "check the name and the account");
            Ok(())
        }
        other => Err(format!("{other:?}").into()),
    }
}
