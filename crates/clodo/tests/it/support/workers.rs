use clodo::CloudflarePlatform;
use clodo_bundle::{Bundle, Module, ModuleKind};
use clodo_orchestrator::{
    AccountScope, Applied, Change, DesiredTarget, Inputs, Mark, ObservedAccount, Platform, Scope,
    Upload, WorkerRef,
};
use clodo_types::{Hostname, TargetId, VersionId};
use std::sync::Arc;

pub(crate) fn inputs() -> Inputs {
    Inputs::new("00000000-0000-7000-8000-000000000000".parse().unwrap())
}

/// Inputs after an upload.
pub(crate) fn with(version: &VersionId) -> Inputs {
    let mut inputs = inputs();
    inputs.version = Some(version.clone());
    inputs
}

pub(crate) fn target(name: &str, code: &str) -> DesiredTarget {
    let id = TargetId {
        service: name.parse().unwrap(),
        environment: "development".parse().unwrap(),
        customer: None,
        account: "main".parse().unwrap(),
    };
    let module = Module {
        name: "index.js".into(),
        kind: ModuleKind::EsModule,
        body: code.to_owned().into(),
    };
    let bundle = Arc::new(Bundle::new(Some("index.js".into()), vec![module], None));
    let mut target = DesiredTarget::new(id, name.parse().unwrap(), bundle);
    target.compatibility_date = Some("2026-01-01".into());
    target
}

pub(crate) fn answering(name: &str, text: &str) -> DesiredTarget {
    target(name, &format!("export default {{ fetch() {{ return new Response('{text}') }} }}"))
}

pub(crate) fn upload(target: &DesiredTarget, first: bool) -> Change {
    let mark = Mark { owner: "shop".parse().ok(), hashes: Some(target.hashes()), preview: None };
    Change::Upload(Upload {
        target: Arc::new(target.clone()),
        first,
        migrates: false,
        mark,
        revision: None,
    })
}

pub(crate) async fn uploaded(
    platform: &CloudflarePlatform,
    target: &DesiredTarget,
    first: bool,
) -> VersionId {
    let applied = platform.apply(&upload(target, first), &inputs()).await.unwrap();
    let Applied::Version(version) = applied else { panic!("{applied:?}") };
    version
}

pub(crate) fn host(name: &str) -> Hostname {
    name.parse().unwrap()
}

pub(crate) async fn listed(platform: &CloudflarePlatform) -> ObservedAccount {
    let mut scope = Scope::default();
    scope.accounts.insert("main".parse().unwrap(), AccountScope::default());
    let mut observed = platform.observe(&scope).await.unwrap();
    observed.accounts.remove("main").unwrap()
}

/// Inputs as the orchestrator makes them for a Worker that exists.
pub(crate) async fn live(platform: &CloudflarePlatform, worker: &str) -> Inputs {
    let seen = listed(platform).await;
    let worker = seen.workers.get(worker).cloned();
    let mut inputs = inputs();
    (inputs.worker, inputs.domains) = (worker, seen.domains);
    inputs
}

pub(crate) fn worker_ref(worker: &str) -> WorkerRef {
    WorkerRef { account: "main".parse().unwrap(), worker: worker.parse().unwrap() }
}

pub(crate) fn domains(worker: &str, hosts: &[&str]) -> Change {
    let to = hosts.iter().map(|name| host(name)).collect();
    Change::SetDomains { worker: worker_ref(worker), to }
}
