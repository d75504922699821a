//! Deploys a portfolio from a program, with a gate, a verifier and a platform of its own. Against a
//! local Cloudflare: `clodo-local up --detach --project FOLDER`, then `embed FOLDER MOST`.
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::disallowed_methods, reason = "a program reads its environment")]

mod parts;

use clodo::{Connection, LoadOptions, Project, Secrets, Wiring, load, new_deployment, open_state};
use clodo_bundle::Bundler;
use clodo_config::{Platform, Selection};
use clodo_http::{Counter, HttpService, ReqwestHttp, ReqwestOptions};
use clodo_npm::{NpmCache, cache_root};
use clodo_orchestrator::{DeployOptions, deploy};
use std::{env, error::Error, path::PathBuf, sync::Arc};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("which folder?")?);
    let most = env::args().nth(2).ok_or("how many targets may change at most?")?.parse()?;
    let environment = |name: &str| env::var(name).ok();
    let project = Project::open(None, &folder)?;
    let cache = cache_root(&|name| env::var_os(name)).ok_or("there is no folder for a cache")?;
    let (selection, platform, secrets) = (&Selection::default(), Platform::Local, Secrets::new());
    let options =
        LoadOptions { selection, platform, adopt: false, secrets, environment: &environment };
    let mut loaded = load(&project, &Bundler::new(NpmCache::new(cache)), options).await?;

    let http: Arc<dyn HttpService> = Arc::new(ReqwestHttp::new(&ReqwestOptions::default())?);
    let found = Connection::to_running(&project, &*http).await?;
    let connection = &found.ok_or("no local Cloudflare runs for this project")?;
    let client = &connection.client(Arc::clone(&http), Counter::default())?;
    let (project, state) = (&project, &open_state(&project, platform, &environment).await?);
    let (http, environment) = (&http, &environment);
    let wiring = Wiring { project, connection, client, http, state, environment };
    let mut cx = wiring.context(&mut loaded);
    cx.gates.push(Arc::new(parts::AtMost(most)));
    cx.verifier = Arc::new(parts::Patient(cx.verifier));
    cx.platform = Arc::new(parts::Told(cx.platform));
    let report = deploy(&cx, &loaded.desired, &DeployOptions::new(new_deployment())).await?;

    report.findings.iter().for_each(|finding| println!("{}: {}", finding.rule, finding.message));
    report.targets.iter().for_each(|target| println!("{} {:?}", target.id, target.urls));
    println!("{:?}", report.outcome);
    Ok(())
}
