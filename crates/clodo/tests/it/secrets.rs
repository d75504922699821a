//! Secrets travel with uploads.

use crate::support::{
    cloud::Cloud,
    folder::rules,
    workers::{answering, domains, inputs, target, upload, uploaded, with, worker_ref},
};
use clodo::{SecretGate, Secrets};
use clodo_orchestrator::{
    Change, Desired, Gate, Hashes, Mark, Observed, ObservedWorker, Plan, PlanOptions, Platform,
    Traffic, plan,
};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_secret_leaves_the_others_as_they_are() {
    let cloud = Cloud::start().await;
    let code = "export default { fetch(_, env) { return new Response(env.OLD + ' ' + env.NEW) } }";
    let mut web = target("web", code);
    web.secrets = ["OLD".parse().unwrap()].into();
    let mut allowed = Secrets::new();
    allowed.allow_generated(&web.id, &"OLD".parse().unwrap());
    let platform = cloud.platform(allowed);
    uploaded(&platform, &web, true).await;
    let change = domains("web", &["web.acme.test"]);
    platform.apply(&change, &inputs()).await.unwrap();
    let old = cloud.get("web.acme.test").await;
    assert_eq!(old.len(), 64 + " undefined".len(), "{old}");

    web.secrets.insert("NEW".parse().unwrap());
    let mut allowed = Secrets::new();
    for name in &web.secrets {
        allowed.allow_generated(&web.id, name);
    }
    let platform = cloud.platform(allowed);
    let version = uploaded(&platform, &web, false).await;
    let to = Change::SetTraffic { worker: worker_ref("web"), to: Traffic::Uploaded };
    platform.apply(&to, &with(&version)).await.unwrap();
    let new = cloud.get("web.acme.test").await;
    assert_eq!(new[..64], old[..64], "a secret that is there is not made up again");
    assert_eq!(new.len(), 64 + 1 + 64);

    web.secrets.insert("LATEST".parse().unwrap());
    let platform = cloud.platform(Secrets::new());
    let error = platform.apply(&upload(&web, false), &inputs()).await.unwrap_err();
    assert_eq!(error.to_string(), "secret `LATEST` of web@development has no value");
    assert!(error.hint().unwrap().contains("CLODO_SECRET_LATEST"));
    cloud.local.stop().await;
}

#[tokio::test]
async fn a_secret_that_is_not_sent_is_told() {
    let mut web = answering("web", "one");
    web.secrets.insert("KEY".parse().unwrap());
    let mut secrets = Secrets::new().with_file("KEY=1");
    secrets.declare(&web.id, &"KEY".parse().unwrap(), "UNUSED", &|_| None);
    let gate = SecretGate::new(Arc::new(secrets));
    let desired = Desired::new("shop".parse().unwrap(), [web.clone()]);
    let seen = |hashes: Option<Hashes>| {
        let mut observed = Observed::default();
        let account = observed.accounts.entry("main".parse().unwrap()).or_default();
        let mut worker = ObservedWorker::default();
        worker.tags =
            Mark { owner: "shop".parse().ok(), hashes, ..Mark::default() }.to_tags::<&str>(&[]);
        account.workers.insert("web".parse().unwrap(), worker);
        observed
    };
    let planned = |observed: &Observed| -> Plan {
        plan(&desired, observed, &PlanOptions::default()).unwrap()
    };
    let unchanged = gate.check(&planned(&seen(Some(web.hashes()))), &desired).await;
    assert_eq!(rules(&unchanged), ["secret-not-sent"]);
    assert!(unchanged[0].message.contains("KEY of web@development"), "{:?}", unchanged[0]);
    let changed = gate.check(&planned(&seen(None)), &desired).await;
    assert_eq!(rules(&changed), Vec::<&str>::new(), "an upload carries it");
}
