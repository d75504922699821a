use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::triggers::{self, NewDomain, RoutePattern, SubdomainChange};
use clodo_orchestrator::{
    Applied, Before, Inputs, Look, PlatformError, PlatformErrorKind, Route, Undone, WorkerRef,
    WorkersDev,
};
use clodo_types::{AccountName, Hostname, WorkerName, ZoneId};
use std::collections::{BTreeMap, BTreeSet};

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

    /// The listing says it all.
    pub(super) fn look_domains(
        worker: &WorkerRef,
        to: &BTreeSet<Hostname>,
        inputs: &Inputs,
    ) -> Look {
        let had = inputs.domains.iter().filter(|(_, owner)| **owner == worker.worker);
        let had: BTreeSet<&Hostname> = had.map(|(hostname, _)| hostname).collect();
        let touched = had.iter().copied().chain(to);
        let owner = |hostname: &Hostname| inputs.domains.get(hostname).cloned();
        let before = touched.map(|hostname| (hostname.clone(), owner(hostname))).collect();
        let there = !inputs.search && had == to.iter().collect();
        let before = Before::Domains(before);
        if there { Look::done(before, Applied::Done) } else { Look::pending(before) }
    }

    pub(super) async fn set_domains(
        &self,
        worker: &WorkerRef,
        to: &BTreeSet<Hostname>,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let had = inputs.domains.iter().filter(|(_, owner)| **owner == worker.worker);
        let had: BTreeSet<&Hostname> = had.map(|(hostname, _)| hostname).collect();
        for hostname in to.iter().filter(|hostname| !had.contains(hostname)) {
            self.put_domain(&worker.account, hostname, &worker.worker).await?;
        }
        let gone = had.into_iter().filter(|hostname| !to.contains(*hostname)).cloned().collect();
        self.remove_domains(&worker.account, &gone).await?;
        Ok(Applied::Done)
    }

    pub(super) async fn undo_domains(
        &self,
        worker: &WorkerRef,
        to: &BTreeSet<Hostname>,
        were: &BTreeMap<Hostname, Option<WorkerName>>,
    ) -> Result<Undone, PlatformError> {
        for (hostname, owner) in were {
            if let Some(owner) = owner {
                self.put_domain(&worker.account, hostname, owner).await?;
            }
        }
        let had_none = |hostname: &&Hostname| were.get(*hostname).is_none_or(Option::is_none);
        let gone = to.iter().filter(had_none).cloned().collect();
        self.remove_domains(&worker.account, &gone).await?;
        Ok(Undone::Restored)
    }

    async fn put_domain(
        &self,
        account: &AccountName,
        hostname: &Hostname,
        worker: &WorkerName,
    ) -> Result<(), PlatformError> {
        let zone = self.zone_of(account, hostname)?;
        let doing = format!("could not point `{hostname}` at `{worker}`");
        let new = NewDomain { hostname: hostname.clone(), worker: worker.clone(), zone };
        let put = triggers::put_domain(self.account(account)?, &new);
        self.client.send(put).await.map_err(failed(doing))?;
        Ok(())
    }

    async fn remove_domains(
        &self,
        account: &AccountName,
        hostnames: &BTreeSet<Hostname>,
    ) -> Result<(), PlatformError> {
        if hostnames.is_empty() {
            return Ok(());
        }
        let account = self.account(account)?;
        let doing = || failed("could not remove custom domains");
        let all = self.client.list(triggers::list_domains(account)).await.map_err(doing())?;
        for domain in all.iter().filter(|domain| hostnames.contains(&domain.hostname)) {
            let delete = triggers::delete_domain(account, &domain.id);
            self.client.send(delete).await.map_err(doing())?;
        }
        Ok(())
    }

    /// The zone that holds a hostname; of several, the longest.
    fn zone_of(&self, account: &AccountName, host: &Hostname) -> Result<ZoneId, PlatformError> {
        let learned = self.learned();
        let zones = learned.zones.get(account).into_iter().flatten();
        let holding = zones.filter(|(zone, _)| host.is_within(zone));
        let best = holding.max_by_key(|(zone, _)| zone.as_str().len());
        best.map(|(_, id)| id.clone()).ok_or_else(|| {
            let doing = format!("no zone of account `{account}` holds `{host}`");
            PlatformError::new(PlatformErrorKind::Refused, doing).with_hint(
                "add the zone to the account on Cloudflare, and to `zones` in clodo.toml",
            )
        })
    }

    pub(super) async fn look_routes(
        &self,
        worker: &WorkerRef,
        to: &[Route],
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        let mut now = Vec::new();
        if inputs.worker.is_some() {
            let zones = self.learned().zones.get(&worker.account).cloned().unwrap_or_default();
            for (name, id) in zones {
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
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        if inputs.worker.is_none() {
            return Ok(Look::pending(Before::Schedules(Vec::new())));
        }
        let account = self.account(&worker.account)?;
        let doing = format!("could not read the schedules of `{}`", worker.worker);
        let now = self.client.list(triggers::list_schedules(account, &worker.worker)).await;
        let now = now.map_err(failed(doing))?.into_iter().map(|schedule| schedule.cron).collect();
        Ok(Look::pending(Before::Schedules(now)))
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
