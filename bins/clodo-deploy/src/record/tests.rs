use super::*;
use clodo_orchestrator::{
    DeployContext, DeployOptions, Desired, DesiredTarget, MemoryPlatform, MemorySecrets,
    MemoryVerifier, Ports, deploy, deployment_record,
};
use clodo_saga::{Holder, MemoryStore};
use clodo_types::{DeploymentId, ManualClock, TargetId};
use std::sync::Arc;

const ID: &str = "018f3c5e-0000-7000-8000-000000000001";

/// A deployment whose health check fails, by somebody with a hostile name.
async fn failed() -> DeploymentRecord {
    let platform = Arc::new(MemoryPlatform::default());
    platform.add_account(&"main".parse().unwrap(), ["acme.test".parse().unwrap()]);
    let (store, verifier) =
        (Arc::new(MemoryStore::default()), MemoryVerifier::new(platform.clone()));
    let id = TargetId {
        service: "web".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        customer: None,
        account: "main".parse().unwrap(),
    };
    verifier.make_sick(&id);
    let ports = Ports {
        platform: platform.clone(),
        migrator: platform,
        verifier: Arc::new(verifier),
        secrets: Arc::new(MemorySecrets::default()),
        journal: store.clone(),
        leases: store.clone(),
        clock: Arc::new(ManualClock::default()),
    };
    let mut cx = DeployContext::new(ports, Holder::new("laptop", 4711, "0"));
    cx.by = "=cmd|'<script>\"&\u{1}".to_owned();
    let bundle = Arc::new(clodo_bundle::Bundle::new(None, Vec::new(), None));
    let mut web = DesiredTarget::new(id, "web-staging".parse().unwrap(), bundle);
    web.domains.insert("staging.acme.test".parse().unwrap());
    let desired = Desired::new("storefront".parse().unwrap(), [web]);
    let deployment: DeploymentId = ID.parse().unwrap();
    let mut options = DeployOptions::new(deployment.clone());
    options.why = Some("-1+1, \"quoted\"\nsecond line".to_owned());
    deploy(&cx, &desired, &options).await.unwrap();
    deployment_record(&*store, &deployment).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_form_says_what_failed_and_escapes_what_people_wrote() {
    let record = failed().await;
    let text = render(&record, RecordFormat::Text);
    insta::assert_snapshot!("text", text);
    insta::assert_snapshot!("junit", render(&record, RecordFormat::Junit));
    insta::assert_snapshot!("csv", render(&record, RecordFormat::Csv).replace('\r', ""));
    let html = render(&record, RecordFormat::Html);
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("=cmd|&#39;&lt;script&gt;&quot;&amp;?"), "{html}");
    assert!(html.matches("<rect").count() >= 2 && html.contains("class=\"failed\""), "{html}");
    let json: serde_json::Value =
        serde_json::from_str(&render(&record, RecordFormat::Json)).unwrap();
    assert_eq!(json["deployment"]["id"], ID);
    assert!(json["steps"].as_array().unwrap().iter().any(|step| step["state"] == "failed"));
}
