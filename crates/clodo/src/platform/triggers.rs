use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::triggers::{self, RoutePattern, SubdomainChange};
use clodo_orchestrator::{
    Applied, Before, Inputs, Look, PlatformError, Route, WorkerRef, WorkersDev,
};
use std::collections::BTreeSet;

impl CloudflarePlatform {
    pub(super) async fn look_workers_dev(
        &self,
        worker: &WorkerRef,
        to: WorkersDev,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        let now = match &inputs.worker {
            None => WorkersDev::default(),
            Some(listed) => match listed.workers_dev {
                Some(listed) => listed,
                None => self.workers_dev(worker).await?,
            },
        };
        let before = Before::WorkersDev(now);
        // A Worker that is being created has no listing yet, so what it has is not known.
        let there = inputs.worker.is_some() && now == to;
        Ok(if there { Look::done(before, Applied::Done) } else { Look::pending(before) })
    }

    async fn workers_dev(&self, worker: &WorkerRef) -> Result<WorkersDev, PlatformError> {
        let account = self.account(&worker.account)?;
        let doing = format!("could not read where `{}` answers", worker.worker);
        let read = self.client.send(triggers::subdomain(account, &worker.worker)).await;
        let now = read.map_err(failed(doing))?;
        Ok(WorkersDev { enabled: now.enabled, previews: now.previews_enabled })
    }

    pub(super) async fn set_workers_dev(
        &self,
        worker: &WorkerRef,
        to: WorkersDev,
    ) -> Result<Applied, PlatformError> {
        let account = self.account(&worker.account)?;
        let change = SubdomainChange { enabled: to.enabled, previews_enabled: Some(to.previews) };
        let doing = format!("could not switch workers.dev for `{}`", worker.worker);
        let set = triggers::set_subdomain(account, &worker.worker, change);
        self.client.send(set).await.map_err(failed(doing))?;
        Ok(Applied::Done)
    }

    pub(super) async fn look_routes(
        &self,
        worker: &WorkerRef,
        to: &[Route],
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        let mut now = Vec::new();
        if inputs.worker.is_some() {
            for (name, id) in self.zones(&worker.account).await? {
                let doing = format!("could not list the routes of zone `{name}`");
                let routes = self.client.list(triggers::list_routes(&id)).await;
                let routes = routes.map_err(failed(doing))?;
                let own = routes
                    .into_iter()
                    .filter(|route| route.script.as_deref() == Some(worker.worker.as_str()));
                now.extend(own.map(|route| Route {
                    pattern: route.pattern,
                    zone_name: Some(name.clone()),
                    zone_id: None,
                }));
            }
        }
        let patterns = |routes: &[Route]| -> BTreeSet<String> {
            routes.iter().map(|route| route.pattern.clone()).collect()
        };
        let there = inputs.worker.is_some() && patterns(&now) == patterns(to);
        let before = Before::Routes(now);
        Ok(if there { Look::done(before, Applied::Done) } else { Look::pending(before) })
    }

    pub(super) async fn set_routes(
        &self,
        worker: &WorkerRef,
        to: &[Route],
    ) -> Result<Applied, PlatformError> {
        let account = self.account(&worker.account)?;
        let pattern = |route: &Route| RoutePattern {
            pattern: route.pattern.clone(),
            zone_id: route.zone_id.clone(),
            zone_name: route.zone_name.clone(),
        };
        let patterns: Vec<_> = to.iter().map(pattern).collect();
        let doing = format!("could not set the routes of `{}`", worker.worker);
        let put = triggers::put_worker_routes(account, &worker.worker, &patterns);
        self.client.send(put).await.map_err(failed(doing))?;
        Ok(Applied::Done)
    }

    pub(super) async fn look_schedules(
        &self,
        worker: &WorkerRef,
        to: &[String],
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        if inputs.worker.is_none() {
            return Ok(Look::pending(Before::Schedules(Vec::new())));
        }
        let account = self.account(&worker.account)?;
        let doing = format!("could not read the schedules of `{}`", worker.worker);
        let now = self.client.list(triggers::list_schedules(account, &worker.worker)).await;
        let now = now.map_err(failed(doing))?.into_iter().map(|schedule| schedule.cron);
        let now: Vec<String> = now.collect();
        let there = now.iter().collect::<BTreeSet<_>>() == to.iter().collect();
        let before = Before::Schedules(now);
        Ok(if there { Look::done(before, Applied::Done) } else { Look::pending(before) })
    }

    pub(super) async fn set_schedules(
        &self,
        worker: &WorkerRef,
        to: &[String],
    ) -> Result<Applied, PlatformError> {
        let account = self.account(&worker.account)?;
        let doing = format!("could not set the schedules of `{}`", worker.worker);
        let put = triggers::put_schedules(account, &worker.worker, to);
        self.client.send(put).await.map_err(failed(doing))?;
        Ok(Applied::Done)
    }
}
