use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::{
    Binding, BindingKind, KnownBinding, triggers,
    versions::{self, Version},
};
use clodo_orchestrator::{
    BoundTo, Inspected, InspectedVersion, PlatformError, TrafficShare, VersionHead, WorkerRef,
};
use clodo_types::{AccountId, WorkerName};
use futures_util::{
    TryStreamExt,
    future::{try_join_all, try_join3},
};
use serde_json::Value;
use std::pin::pin;

impl CloudflarePlatform {
    /// Three reads side by side, and one for each version that has traffic.
    pub(super) async fn inspect_worker(
        &self,
        worker: &WorkerRef,
    ) -> Result<Option<Inspected>, PlatformError> {
        let (account, name) = (self.account(&worker.account)?, &worker.worker);
        let traffic = async {
            let mut all = pin!(self.client.stream(versions::list_deployments(account, name)));
            all.try_next().await
        };
        let newest = async {
            let mut all = pin!(self.client.stream(versions::list_versions(account, name)));
            all.try_next().await
        };
        let schedules = self.client.list(triggers::list_schedules(account, name));
        let doing = || failed(format!("could not look at `{name}`"));
        let (traffic, newest, schedules) = match try_join3(traffic, newest, schedules).await {
            Err(error) if error.is_not_found() => return Ok(None),
            read => read.map_err(doing())?,
        };
        let mut inspected = Inspected::default();
        inspected.schedules = schedules.into_iter().map(|schedule| schedule.cron).collect();
        inspected.newest = newest.as_ref().map(head);
        if let Some(traffic) = traffic {
            inspected.traffic_message = traffic.message().map(str::to_owned);
            let share = |share: versions::Share| TrafficShare {
                version: share.version_id,
                percentage: share.percentage,
            };
            inspected.traffic = traffic.versions.into_iter().map(share).collect();
        }
        inspected.serving = self.serving(account, name, &inspected.traffic).await?;
        Ok(Some(inspected))
    }

    async fn serving(
        &self,
        account: &AccountId,
        worker: &WorkerName,
        traffic: &[TrafficShare],
    ) -> Result<Vec<InspectedVersion>, PlatformError> {
        let serving = traffic.iter().filter(|share| share.percentage > 0.0);
        let reads = serving.map(|share| async move {
            let read = self.client.send(versions::version(account, worker, &share.version)).await;
            let doing = format!("could not read version {} of `{worker}`", share.version);
            read.map_err(failed(doing)).map(inspected)
        });
        try_join_all(reads).await
    }
}

fn head(version: &Version) -> VersionHead {
    let mut head = VersionHead::new(version.id.clone(), version.number);
    head.message = version.message().map(str::to_owned);
    let parts = [version.metadata.source.as_deref(), version.triggered_by()];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    head.made_by = (!parts.is_empty()).then(|| parts.join(", "));
    head
}

fn inspected(version: Version) -> InspectedVersion {
    let mut seen = InspectedVersion::new(head(&version));
    let resources = version.resources.unwrap_or_default();
    seen.compatibility_date = resources.script_runtime.compatibility_date;
    seen.compatibility_flags = resources.script_runtime.compatibility_flags;
    let bindings = resources.bindings.into_iter();
    seen.bindings = bindings.map(|binding| (binding.name().to_owned(), bound(binding))).collect();
    seen
}

fn bound(binding: Binding) -> BoundTo {
    let kind = binding.kind.type_name();
    let BindingKind::Known(known) = binding.kind else { return BoundTo::Other(kind) };
    match known {
        KnownBinding::PlainText { text } => BoundTo::Var(Value::String(text)),
        KnownBinding::Json { json } => BoundTo::Var(json),
        KnownBinding::SecretText { .. } | KnownBinding::SecretKey { .. } => BoundTo::Secret,
        KnownBinding::D1 { id } => BoundTo::Database(id),
        KnownBinding::KvNamespace { namespace_id } => BoundTo::Namespace(namespace_id),
        KnownBinding::R2Bucket { bucket_name: name, jurisdiction } => {
            BoundTo::Bucket { name, jurisdiction }
        }
        KnownBinding::Queue { queue_name } => match queue_name.parse() {
            Ok(name) => BoundTo::Queue(name),
            Err(_) => BoundTo::Other(kind),
        },
        KnownBinding::Workflow { workflow_name, script_name: worker, .. } => {
            match workflow_name.parse() {
                Ok(name) => BoundTo::Workflow { name, worker },
                Err(_) => BoundTo::Other(kind),
            }
        }
        KnownBinding::Service { service: worker, entrypoint, .. } => {
            BoundTo::Worker { worker, entrypoint }
        }
        KnownBinding::DurableObjectNamespace {
            class_name: Some(class_name),
            script_name: worker,
            dispatch_namespace: None,
            ..
        } => BoundTo::DurableObject { class_name, worker },
        KnownBinding::VersionMetadata => BoundTo::VersionMetadata,
        KnownBinding::Assets => BoundTo::Assets,
        _ => BoundTo::Other(kind),
    }
}
