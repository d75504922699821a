//! What the platform's adapter does beyond the contract's suite, on the local Cloudflare.

use crate::support::{
    cloud::Cloud,
    folder::{Ask, Folder},
    workers::{answering, domains, inputs, listed, live, upload, uploaded, with, worker_ref},
};
use clodo::{CloudflarePlatform, Secrets};
use clodo_orchestrator::{
    Applied, Before, Change, Look, Mark, Platform, PlatformErrorKind, Route, Traffic, TrafficShare,
    Undone,
};
use clodo_types::VersionId;
use serde_json::{Value, json};

async fn owners(platform: &CloudflarePlatform) -> Vec<(String, String)> {
    let domains = listed(platform).await.domains;
    domains.iter().map(|(host, worker)| (host.to_string(), worker.to_string())).collect()
}

fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_newest_version_is_used_again() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    let (one, two) = (answering("web", "one"), answering("web", "two"));
    let first = uploaded(&platform, &one, true).await;
    let found = Look::done(Before::Present, Applied::Version(first));
    assert_eq!(platform.look(&upload(&one, false), &inputs()).await.unwrap(), found);
    uploaded(&platform, &two, false).await;
    let pending = Look::pending(Before::Present);
    assert_eq!(platform.look(&upload(&one, false), &inputs()).await.unwrap(), pending);
    let before = cloud.calls.counts();
    let mut settled = inputs();
    settled.search = false;
    assert_eq!(platform.look(&upload(&two, false), &settled).await.unwrap(), pending);
    assert_eq!(cloud.calls.counts(), before, "nothing was left behind, so nothing is searched");
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_undone_as_before_says() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    let web = answering("web", "one");
    uploaded(&platform, &web, true).await;
    // A second run found the Worker that the first one made, and the journal knows that it was new.
    for (before, left) in [(Before::Present, 1), (Before::Absent, 0)] {
        let undone = platform.undo(&upload(&web, false), &before, None, &inputs()).await.unwrap();
        assert_eq!(undone, Undone::Restored);
        assert_eq!(listed(&platform).await.workers.len(), left, "{before:?}");
    }
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn domains_are_taken_from_others_and_only_own_ones_go() {
    let cloud = Cloud::start().await;
    // Nobody asked this platform to observe zones: a rollback does not.
    let platform = cloud.platform(Secrets::new());
    for name in ["web", "other"] {
        uploaded(&platform, &answering(name, name), true).await;
    }
    let set = async |worker: &str, hosts: &[&str]| {
        let change = domains(worker, hosts);
        platform.apply(&change, &live(&platform, worker).await).await.unwrap();
    };
    set("web", &["a.acme.test", "b.acme.test"]).await;
    set("other", &["c.acme.test"]).await;
    let stale = live(&platform, "web").await;
    set("other", &["b.acme.test", "c.acme.test"]).await;

    // `web` gives `a` and `b` up and takes `c`; meanwhile `b` is another's.
    let change = domains("web", &["c.acme.test", "d.acme.test"]);
    let before = platform.look(&change, &stale).await.unwrap().before;
    platform.apply(&change, &stale).await.unwrap();
    let now = [("b.acme.test", "other"), ("c.acme.test", "web"), ("d.acme.test", "web")];
    assert_eq!(owners(&platform).await, pairs(&now));

    // Somebody takes `d` before all is undone.
    set("other", &["b.acme.test", "d.acme.test"]).await;
    let undone = platform.undo(&change, &before, None, &stale).await.unwrap();
    let why = "somebody else changed where b.acme.test, d.acme.test leads";
    assert_eq!(undone, Undone::Kept(why.to_owned()));
    let now = [("a.acme.test", "web"), ("b.acme.test", "other"), ("d.acme.test", "other")];
    let now = pairs(&now);
    let seen = owners(&platform).await;
    assert!(now.iter().all(|row| seen.contains(row)), "{seen:?}");
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_come_back_although_zones_were_not_listed() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    uploaded(&platform, &answering("web", "one"), true).await;
    let route = Route {
        pattern: "r.acme.test/*".to_owned(),
        zone_name: "acme.test".parse().ok(),
        zone_id: None,
    };
    let worker = worker_ref("web");
    let on = Change::SetRoutes { worker: worker.clone(), to: vec![route.clone()] };
    platform.apply(&on, &inputs()).await.unwrap();
    let off = Change::SetRoutes { worker, to: Vec::new() };
    let fresh = cloud.platform(Secrets::new());
    let inputs = live(&fresh, "web").await;
    let look = fresh.look(&off, &inputs).await.unwrap();
    assert_eq!(look, Look::pending(Before::Routes(vec![route])));
    fresh.apply(&off, &inputs).await.unwrap();
    fresh.undo(&off, &look.before, None, &inputs).await.unwrap();
    assert!(fresh.look(&on, &inputs).await.unwrap().already.is_some());
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_that_somebody_shifted_since_stays() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    let [one, two, three] = ["one", "two", "three"].map(|text| answering("web", text));
    let one = uploaded(&platform, &one, true).await;
    let two = uploaded(&platform, &two, false).await;
    let three = uploaded(&platform, &three, false).await;
    let all_to =
        |version: &VersionId| vec![TrafficShare { version: version.clone(), percentage: 100.0 }];
    let worker = worker_ref("web");
    let to_two = Change::SetTraffic { worker: worker.clone(), to: Traffic::Uploaded };
    platform.apply(&to_two, &with(&two)).await.unwrap();
    platform.apply(&to_two, &with(&three)).await.unwrap();
    let before = Before::Traffic(all_to(&one));
    let undone = platform.undo(&to_two, &before, None, &with(&two)).await.unwrap();
    assert!(matches!(undone, Undone::Kept(_)), "{undone:?}");
    let stays = Change::SetTraffic { worker, to: Traffic::Shares(all_to(&three)) };
    assert!(platform.look(&stays, &inputs()).await.unwrap().already.is_some());
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_looked_at_in_the_listing_and_null_unsets_them() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    uploaded(&platform, &answering("web", "one"), true).await;
    uploaded(&platform, &answering("tail", "one"), true).await;
    let commit = |settings: Value| Change::Commit {
        worker: worker_ref("web"),
        mark: Mark { owner: "shop".parse().ok(), ..Mark::default() },
        settings: settings.as_object().cloned().unwrap(),
    };
    let on = json!({ "observability": { "enabled": true, "head_sampling_rate": 0.5 },
        "logpush": true, "tail_consumers": [{ "service": "tail" }] });
    let off = json!({ "observability": null, "logpush": null, "tail_consumers": null });
    let old = live(&platform, "web").await;
    let look = platform.look(&commit(on.clone()), &old).await.unwrap();
    assert_eq!(look.already, None);
    platform.apply(&commit(on.clone()), &old).await.unwrap();

    let now = live(&platform, "web").await;
    let calls = cloud.calls.counts();
    assert!(platform.look(&commit(on.clone()), &now).await.unwrap().already.is_some());
    let look_off = platform.look(&commit(off.clone()), &now).await.unwrap();
    assert_eq!(cloud.calls.counts(), calls, "the listing says it all");
    let Before::Settings { settings, .. } = &look_off.before else { panic!("{look_off:?}") };
    assert_eq!(Value::Object(settings.clone()), on);

    platform.apply(&commit(off.clone()), &now).await.unwrap();
    let unset = live(&platform, "web").await;
    assert!(platform.look(&commit(off), &unset).await.unwrap().already.is_some());
    platform.undo(&commit(json!({})), &look_off.before, None, &unset).await.unwrap();
    let back = live(&platform, "web").await;
    assert!(platform.look(&commit(on), &back).await.unwrap().already.is_some());
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upload_names_the_place_in_the_source() {
    let cloud = Cloud::start().await;
    let folder = Folder::new(&[
        ("clodo.toml", "[portfolio]\nname = \"shop\"\n[services.x]\npath = \"services/x\"\n"),
        (
            "services/x/wrangler.toml",
            "name = \"x\"\nmain = \"src/index.ts\"\ncompatibility_date = \"2026-04-01\"\n",
        ),
        (
            "services/x/src/index.ts",
            "const text: string = 'x';\nfunction fail(): never {\n  throw new Error(text);\n}\nfail();\nexport default { fetch: () => new Response(text) };\n",
        ),
    ]);
    let loaded = folder.load(Ask::default()).await.unwrap();
    let platform = cloud.platform(Secrets::new()).with_folders(loaded.folders.clone());
    let change = upload(&loaded.desired.targets[0], true);
    let error = platform.apply(&change, &inputs()).await.unwrap_err();
    assert_eq!(error.kind(), PlatformErrorKind::Refused);
    let text = error.to_string();
    assert!(text.contains("services/x/src/index.ts:3:9"), "{text}");
    assert!(listed(&platform).await.workers.is_empty(), "nothing is left of it");
    cloud.local.stop().await;
}
