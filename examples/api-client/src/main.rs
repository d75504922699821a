//! A canary by hand, with `clodo-cf-api` and nothing else of Clodo: a tenth of a Worker's traffic goes
//! to a new version, whose first answer is looked at; then back. Against a local Cloudflare:
//! `clodo-local up --detach`, `eval "$(clodo-local env)"`, this program, requests to the printed host.
#![expect(clippy::print_stdout, reason = "a program for people")]

use clodo_cf_api::{
    AccountId, Client, ClientOptions, KnownBinding, ReqwestHttp, ReqwestOptions, Secret,
    TokioSleeper, VersionId, WorkerName, WorkerUpload,
    d1::{self, NewDatabase, Sql},
    tails::{self, TailFilter, TailStream, WebSockets},
    triggers::{self, SubdomainChange},
    versions::{self, NewDeployment, Share, TrafficSplit},
    workers,
};
use std::{error::Error, sync::Arc};

type Done<T = ()> = Result<T, Box<dyn Error>>;

const CODE: &str = "export default { async fetch(request, env) {
  await env.DB.prepare('INSERT INTO visit VALUES (?)').bind(env.WORD).run();
  await env.CACHE.put('last', env.WORD);
  return new Response(`${env.WORD}, signed with ${env.KEY.length} characters`);
} };";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let token = Secret::new(setting("CLOUDFLARE_API_TOKEN")?);
    let options = ClientOptions::new(setting("CLOUDFLARE_API_BASE_URL")?, token);
    let client = Client::new(Arc::new(ReqwestHttp::new(&ReqwestOptions::default())?), options)?;
    let (account, worker) = (setting("CLOUDFLARE_ACCOUNT_ID")?.parse()?, "canary".parse()?);
    let base = resources(&client, &account).await?;
    let text = |word: &str| KnownBinding::PlainText { text: word.to_owned() };
    let stable = base.clone().with_binding(&"WORD".parse()?, text("stable"));
    let stable = client.send(workers::put_script(&account, &worker, &stable)?).await?;
    let stable = stable.version_id().ok_or("the upload names no version")?;
    let new = base.with_binding(&"WORD".parse()?, text("new")).with_message("canary");
    let new = client.send(versions::upload_version(&account, &worker, &new)?).await?.id;
    let on = SubdomainChange { enabled: true, previews_enabled: None };
    client.send(triggers::set_subdomain(&account, &worker, on)).await?;

    let share = |id: &_, percentage| Share { version_id: Clone::clone(id), percentage };
    let split = TrafficSplit::new(vec![share(&stable, 90.0), share(&new, 10.0)])?;
    client.send(versions::deploy(&account, &worker, &NewDeployment::new(split))).await?;
    watch(&client, &account, &worker, new).await?;
    client.send(versions::deploy(&account, &worker, &NewDeployment::all_to(stable))).await?;
    println!("all of it goes to the stable version again");
    Ok(())
}

/// What both versions have in common: code, a database, a namespace, a secret.
async fn resources(client: &Client, account: &AccountId) -> Done<WorkerUpload> {
    let new = NewDatabase::named("canary-db".parse()?);
    let id = client.ensure_database(account, &new).await?.resource.id;
    let namespace_id = client.ensure_namespace(account, &"canary".parse()?).await?.resource.id;
    let schema = Sql::new("CREATE TABLE IF NOT EXISTS visit (word TEXT)");
    client.send(d1::query(account, &id, &schema)).await?;
    let key = Some(Secret::new("from-a-vault"));
    Ok(WorkerUpload::module_worker("index.js", CODE)
        .compatible_with("2026-01-01")
        .with_binding(&"DB".parse()?, KnownBinding::D1 { id })
        .with_binding(&"CACHE".parse()?, KnownBinding::KvNamespace { namespace_id })
        .with_binding(&"KEY".parse()?, KnownBinding::SecretText { text: key }))
}

/// Waits for the first answer of a version.
async fn watch(client: &Client, account: &AccountId, worker: &WorkerName, new: VersionId) -> Done {
    let tail = tails::create_tail(account, worker, &[TailFilter::Version(new)]);
    let tail = client.send(tail).await?;
    let mut events = TailStream::open(&WebSockets::new()?, Arc::new(TokioSleeper), &tail).await?;
    let subdomain = client.send(triggers::account_subdomain(account)).await?.subdomain;
    println!("a tenth goes to the new version: visit {worker}.{subdomain}.workers.dev");
    let event = events.next().await?.ok_or("the tail was closed")?;
    println!("the new version answered: {}", event.outcome);
    Ok(client.send(tails::delete_tail(account, worker, &tail.id)).await?)
}

#[expect(clippy::disallowed_methods, reason = "a program reads its environment, here")]
fn setting(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set"))
}
