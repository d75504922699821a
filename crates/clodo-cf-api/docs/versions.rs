use clodo_cf_api::{
    AccountId, Client, WorkerName, WorkerUpload,
    versions::{self, NewDeployment, Share, TrafficSplit},
    workers,
};
use std::error::Error;

/// Sends a tenth of the traffic to a new version, and goes back.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let worker: WorkerName = "counter".parse()?;
    let code = |word: &str| {
        let source = format!("export default {{ fetch: () => new Response('{word}') }};");
        WorkerUpload::module_worker("index.js", source).compatible_with("2026-01-01")
    };
    let first = client.send(workers::put_script(account, &worker, &code("one"))?).await?;
    let first = first.version_id().ok_or("an upload makes a version")?;
    let upload = versions::upload_version(account, &worker, &code("two").with_message("r2"))?;
    let second = client.send(upload).await?.id;

    let share = |id: &_, percentage| Share { version_id: Clone::clone(id), percentage };
    let split = TrafficSplit::new(vec![share(&first, 90.0), share(&second, 10.0)])?;
    let canary = NewDeployment::new(split).with_message("canary");
    client.send(versions::deploy(account, &worker, &canary)).await?;

    let back = NewDeployment::all_to(first.clone()).with_message("back");
    client.send(versions::deploy(account, &worker, &back)).await?;
    let now = client.list(versions::list_deployments(account, &worker)).await?.swap_remove(0);
    assert_eq!((now.message(), &now.versions[0].version_id), (Some("back"), &first));
    Ok(())
}
