use super::{CloudflarePlatform, errors::failed, settings};
use clodo_cf_api::{d1, kv, r2, triggers, worker_settings, workers};
use clodo_orchestrator::{
    AccountScope, ObservedAccount, ObservedDatabase, ObservedWorker, PlatformError,
    PlatformErrorKind, WorkersDev,
};
use clodo_types::{AccountId, AccountName, WorkerName};
use futures_util::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use std::collections::BTreeMap;
use tokio::try_join;

impl CloudflarePlatform {
    /// Listings only, side by side: what they cost grows with pages and not with targets.
    pub(super) async fn observe_account(
        &self,
        name: &AccountName,
        wanted: &AccountScope,
    ) -> Result<ObservedAccount, PlatformError> {
        let id = self.account(name)?.clone();
        let mut account = ObservedAccount::default();
        let (workers, databases, namespaces, buckets, queues, workflows, objects, (), routes) = try_join!(
            async {
                let list = self.client.list(workers::list_workers(&id)).await;
                list.map_err(failed("could not list the Workers"))
            },
            async {
                if !wanted.databases {
                    return Ok(Vec::new());
                }
                let list = self.client.list(d1::list_databases(&id)).await;
                list.map_err(failed("could not list the D1 databases"))
            },
            async {
                if !wanted.namespaces {
                    return Ok(Vec::new());
                }
                let list = self.client.list(kv::list_namespaces(&id)).await;
                list.map_err(failed("could not list the KV namespaces"))
            },
            async {
                if !wanted.buckets {
                    return Ok(Vec::new());
                }
                let list = self.client.list(r2::list_buckets(&id)).await;
                list.map_err(failed("could not list the R2 buckets"))
            },
            self.queues(&id, wanted.queues),
            self.workflows(&id, wanted.workflows),
            self.migration_tags(&id, wanted),
            self.learn(name, &id, wanted),
            self.routes(name, &id, wanted.routes),
        )?;
        (account.routes, account.queues, account.workflows) = (routes, queues, workflows);
        for worker in workers {
            let tag = objects.get(&worker.name).cloned();
            add_worker(&mut account, worker, tag);
        }
        // A name that we could not have given is of no use to us.
        let ours = databases.into_iter().filter_map(|database| {
            let mut known = ObservedDatabase::new(database.id);
            known.size = database.file_size;
            Some((database.name.parse().ok()?, known))
        });
        account.databases = ours.collect();
        let by_name =
            account.databases.iter().map(|(name, known)| (name.clone(), known.id.clone()));
        self.learned().databases.insert(name.clone(), by_name.collect());
        let ours = namespaces
            .into_iter()
            .filter_map(|namespace| Some((namespace.title.parse().ok()?, namespace.id)));
        account.namespaces = ours.collect();
        account.buckets = buckets.into_iter().map(|bucket| bucket.name).collect();
        let learned = self.learned();
        let zones = learned.zones.get(name).into_iter().flatten();
        account.zones = zones.map(|(zone, _)| zone.clone()).collect();
        Ok(account)
    }

    /// How far Durable Objects are migrated: no listing of Workers says it.
    async fn migration_tags(
        &self,
        id: &AccountId,
        wanted: &AccountScope,
    ) -> Result<BTreeMap<WorkerName, String>, PlatformError> {
        let read = async |worker: WorkerName| {
            let settings = self.client.find(worker_settings::settings(id, &worker)).await;
            let doing = format!("could not read the settings of `{worker}`");
            let tag = settings.map_err(failed(doing))?.and_then(|found| found.migration_tag);
            Ok(tag.map(|tag| (worker, tag)))
        };
        let workers = wanted.objects.iter().cloned().map(read);
        let tags: Vec<_> = stream::iter(workers).buffer_unordered(4).try_collect().await?;
        Ok(tags.into_iter().flatten().collect())
    }

    /// The routes of all zones; nothing when they are not asked for, or the token may not see them.
    async fn routes(
        &self,
        name: &AccountName,
        id: &AccountId,
        wanted: bool,
    ) -> Result<Option<BTreeMap<String, WorkerName>>, PlatformError> {
        if !wanted {
            return Ok(None);
        }
        let listed = async {
            let zones = self.list_zones(name, id).await?;
            let lists = zones.iter().map(|(zone, id)| async move {
                let list = self.client.list(triggers::list_routes(id)).await;
                list.map_err(failed(format!("could not list the routes of zone `{zone}`")))
            });
            try_join_all(lists).await
        };
        match listed.await {
            Ok(lists) => {
                let routes = lists.into_iter().flatten().filter_map(|route| {
                    let worker = route.script.as_deref()?.parse().ok()?;
                    Some((route.pattern, worker))
                });
                Ok(Some(routes.collect()))
            }
            Err(error) if error.kind() == PlatformErrorKind::NotAllowed => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Zones, when domains or routes need their ids, and the account's name below `workers.dev`.
    async fn learn(
        &self,
        name: &AccountName,
        id: &AccountId,
        wanted: &AccountScope,
    ) -> Result<(), PlatformError> {
        let (_, subdomain) = try_join!(
            async {
                match wanted.zones {
                    true => self.list_zones(name, id).await.map(|_| ()),
                    false => Ok(()),
                }
            },
            async {
                let found = self.client.find(triggers::account_subdomain(id)).await;
                found.map_err(failed("could not read the account's workers.dev name"))
            },
        )?;
        if let Some(found) = subdomain {
            self.learned().subdomains.insert(name.clone(), found.subdomain);
        }
        Ok(())
    }
}

/// Takes over what the listing tells of a Worker.
fn add_worker(account: &mut ObservedAccount, worker: workers::Worker, tag: Option<String>) {
    let mut seen = ObservedWorker::default();
    seen.settings = settings::listed(&worker);
    seen.tags = worker.tags;
    seen.migration_tag = tag;
    seen.updated_on = Some(worker.updated_on).filter(|on| !on.is_empty());
    let subdomain = worker.subdomain;
    seen.workers_dev =
        Some(WorkersDev { enabled: subdomain.enabled, previews: subdomain.previews_enabled });
    let hostnames = worker.references.domains.into_iter().map(|domain| domain.hostname);
    let callers = worker.references.workers.into_iter();
    seen.called_by = callers.filter_map(|caller| caller.name.parse().ok()).collect();
    account.domains.extend(hostnames.map(|hostname| (hostname, worker.name.clone())));
    account.workers.insert(worker.name, seen);
}
