//! The examples of `clodo-cf-api`'s pages, as they stand there.
#![expect(unreachable_pub, reason = "a page shows a function that anybody may call")]

use crate::cloud::{Cloud, eventually, hello};
use clodo_cf_api::{
    Secret, WorkerName,
    analytics::TimeRange,
    tails::Outcome,
    triggers::{self, SubdomainChange},
    workers,
};
use std::{collections::BTreeSet, fs, path::Path};

#[path = "../../../crates/clodo-cf-api/docs/analytics.rs"]
mod analytics;
#[path = "../../../crates/clodo-cf-api/docs/assets.rs"]
mod assets;
#[path = "../../../crates/clodo-cf-api/docs/d1.rs"]
mod d1;
#[path = "../../../crates/clodo-cf-api/docs/dns.rs"]
mod dns;
#[path = "../../../crates/clodo-cf-api/docs/durable_objects.rs"]
mod durable_objects;
#[path = "../../../crates/clodo-cf-api/docs/errors.rs"]
mod errors;
#[path = "../../../crates/clodo-cf-api/docs/identity.rs"]
mod identity;
#[path = "../../../crates/clodo-cf-api/docs/kv.rs"]
mod kv;
#[path = "../../../crates/clodo-cf-api/docs/queues.rs"]
mod queues;
#[path = "../../../crates/clodo-cf-api/docs/r2.rs"]
mod r2;
#[path = "../../../crates/clodo-cf-api/docs/secrets.rs"]
mod secrets;
#[path = "../../../crates/clodo-cf-api/docs/tails.rs"]
mod tails;
#[path = "../../../crates/clodo-cf-api/docs/tokens.rs"]
mod tokens;
#[path = "../../../crates/clodo-cf-api/docs/triggers.rs"]
mod triggers_page;
#[path = "../../../crates/clodo-cf-api/docs/versions.rs"]
mod versions;
#[path = "../../../crates/clodo-cf-api/docs/worker_settings.rs"]
mod worker_settings;
#[path = "../../../crates/clodo-cf-api/docs/workers.rs"]
mod workers_page;
#[path = "../../../crates/clodo-cf-api/docs/zones.rs"]
mod zones;

/// Examples that need nothing but a client and an account.
macro_rules! pages {
    ($($test:ident = $page:ident,)+) => {
        $(#[tokio::test]
        async fn $test() {
            let cloud = Cloud::open().await;
            if cloud.is_live() {
                return; // They take names as they like.
            }
            $page::example(&cloud.client, &cloud.account).await.unwrap();
        })+
    };
}

pages! {
    the_page_about_identity_is_true = identity,
    the_page_about_tokens_is_true = tokens,
    the_page_about_zones_is_true = zones,
    the_page_about_dns_is_true = dns,
    the_page_about_workers_is_true = workers_page,
    the_page_about_worker_settings_is_true = worker_settings,
    the_page_about_versions_is_true = versions,
    the_page_about_secrets_is_true = secrets,
    the_page_about_triggers_is_true = triggers_page,
    the_page_about_durable_objects_is_true = durable_objects,
    the_page_about_d1_is_true = d1,
    the_page_about_kv_is_true = kv,
    the_page_about_r2_is_true = r2,
    the_page_about_queues_is_true = queues,
}

#[tokio::test]
async fn the_page_about_errors_is_true() {
    let cloud = Cloud::open().await;
    let Some((url, token)) = cloud.url().zip(cloud.token()) else { return };
    let base = format!("{url}/client/v4");
    errors::example(&base, Secret::new(token), &cloud.account).await.unwrap();
}

#[tokio::test]
async fn the_page_about_assets_is_true() {
    let cloud = Cloud::open().await;
    if cloud.is_live() {
        return;
    }
    let worker = cloud.name("site");
    let file = |path, text| (path, super::assets::asset_hash(text, "html"), text);
    let files = [file("/index.html", "<h1>Welcome</h1>"), file("/404.html", "<h1>Nothing</h1>")];
    assets::example(&cloud.client, &cloud.account, &worker, &files).await.unwrap();
    let host = answers_below_workers_dev(&cloud, &worker).await;
    assert_eq!(cloud.visit(&host, "/").await.unwrap(), "<h1>Welcome</h1>");
    assert_eq!(cloud.visit(&host, "/gone").await.unwrap(), "<h1>Nothing</h1>");
}

#[tokio::test]
async fn the_page_about_tails_is_true() {
    let cloud = Cloud::open().await;
    if cloud.is_live() {
        return;
    }
    let worker = cloud.worker("tailed").await;
    let host = answers_below_workers_dev(&cloud, &worker).await;
    let visits = eventually(async || {
        cloud.visit(&host, "/fine").await.unwrap();
        cloud.visit(&host, "/throw").await.unwrap();
        None::<()>
    });
    let event = tokio::select! {
        event = tails::example(&cloud.client, &cloud.account, &worker) => event.unwrap(),
        () = visits => unreachable!("visits end only with a panic"),
    };
    assert_eq!(event.outcome, Outcome::Exception);
    assert_eq!(event.exceptions[0].message, "on purpose");
}

#[tokio::test]
async fn the_page_about_analytics_is_true() {
    let cloud = Cloud::open().await;
    if cloud.is_live() {
        return;
    }
    let worker: WorkerName = cloud.name("counted");
    let upload = workers::put_script(&cloud.account, &worker, &hello("one")).unwrap();
    cloud.client.send(upload).await.unwrap();
    let host = answers_below_workers_dev(&cloud, &worker).await;
    for path in ["/", "/", "/", "/throw"] {
        cloud.visit(&host, path).await.unwrap();
    }
    let failed = eventually(async || {
        let time = TimeRange::new("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
        let share = analytics::example(&cloud.client, &cloud.account, &worker, time).await;
        share.ok().filter(|share| *share == 0.25)
    });
    failed.await;
}

async fn answers_below_workers_dev(cloud: &Cloud, worker: &WorkerName) -> String {
    let on = SubdomainChange { enabled: true, previews_enabled: None };
    cloud.client.send(triggers::set_subdomain(&cloud.account, worker, on)).await.unwrap();
    cloud.host(worker).await
}

#[test]
fn every_page_has_its_parts_and_its_example_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/clodo-cf-api/docs");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        names.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    let here = include_str!("pages.rs");
    for name in &names {
        let read = |extension: &str| {
            let path = folder.join(name).with_extension(extension);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (page, example) = (read("md"), read("rs"));
        let parts: &[&str] = match name.as_str() {
            "errors" => &["# What is repeated", "# How calls are paced", "# When an API is down"],
            _ => &["\n# Calls\n", "\n# Errors\n", "\n# Limits and gotchas\n"],
        };
        for part in parts {
            assert!(page.contains(part), "{name}.md lacks {part:?}");
        }
        let lines = example.lines().count();
        assert!(lines <= 30, "{name}.rs has {lines} lines: an example is short");
        assert!(here.contains(&format!("docs/{name}.rs\"")), "{name}.rs is not run");
    }
    assert_eq!(names.len(), 18);
}
