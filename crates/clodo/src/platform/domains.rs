use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::triggers::{self, CustomDomain, NewDomain};
use clodo_orchestrator::{Applied, Before, Inputs, Look, PlatformError, Undone, WorkerRef};
use clodo_types::{AccountName, Hostname, WorkerName};
use std::collections::{BTreeMap, BTreeSet};

impl CloudflarePlatform {
    /// The listing says it all.
    pub(super) fn look_domains(
        worker: &WorkerRef,
        to: &BTreeSet<Hostname>,
        inputs: &Inputs,
    ) -> Look {
        let had = domains_of(worker, inputs);
        let touched = had.iter().copied().chain(to);
        let owner = |hostname: &Hostname| inputs.domains.get(hostname).cloned();
        let before = touched.map(|hostname| (hostname.clone(), owner(hostname))).collect();
        let there = had == to.iter().collect();
        let before = Before::Domains(before);
        if there { Look::done(before, Applied::Done) } else { Look::pending(before) }
    }

    pub(super) async fn set_domains(
        &self,
        worker: &WorkerRef,
        to: &BTreeSet<Hostname>,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let had = domains_of(worker, inputs);
        for hostname in to.iter().filter(|hostname| !had.contains(hostname)) {
            self.put_domain(&worker.account, hostname, &worker.worker).await?;
        }
        let gone: BTreeSet<_> =
            had.into_iter().filter(|hostname| !to.contains(*hostname)).collect();
        if gone.is_empty() {
            return Ok(Applied::Done);
        }
        for domain in self.list_domains(&worker.account).await? {
            // Another target of the same run may have taken it over already.
            if gone.contains(&domain.hostname) && domain.service == worker.worker {
                self.delete_domain(&worker.account, &domain).await?;
            }
        }
        Ok(Applied::Done)
    }

    /// Gives back what the change took and takes back what it gave, except for hostnames that
    /// somebody else pointed elsewhere since.
    pub(super) async fn undo_domains(
        &self,
        worker: &WorkerRef,
        to: &BTreeSet<Hostname>,
        were: &BTreeMap<Hostname, Option<WorkerName>>,
    ) -> Result<Undone, PlatformError> {
        let now = self.list_domains(&worker.account).await?;
        let now: BTreeMap<_, _> = now.iter().map(|domain| (&domain.hostname, domain)).collect();
        let mut elsewhere = Vec::new();
        for (hostname, before) in were {
            let domain = now.get(hostname);
            let owner = domain.map(|domain| &domain.service);
            // The change pointed it here, or took it away from here.
            let left_by_us =
                owner.is_none_or(|owner| to.contains(hostname) && *owner == worker.worker);
            match (before, domain) {
                (before, _) if before.as_ref() == owner => {}
                _ if !left_by_us => elsewhere.push(hostname.as_str()),
                (Some(before), _) => self.put_domain(&worker.account, hostname, before).await?,
                (None, Some(domain)) => self.delete_domain(&worker.account, domain).await?,
                (None, None) => {}
            }
        }
        if elsewhere.is_empty() {
            return Ok(Undone::Restored);
        }
        Ok(Undone::Kept(format!("somebody else changed where {} leads", elsewhere.join(", "))))
    }

    async fn put_domain(
        &self,
        account: &AccountName,
        hostname: &Hostname,
        worker: &WorkerName,
    ) -> Result<(), PlatformError> {
        let zone = self.zone_of(account, hostname).await?;
        let doing = format!("could not point `{hostname}` at `{worker}`");
        let new = NewDomain { hostname: hostname.clone(), worker: worker.clone(), zone };
        let put = triggers::put_domain(self.account(account)?, &new);
        self.client.send(put).await.map_err(failed(doing))?;
        Ok(())
    }

    async fn list_domains(
        &self,
        account: &AccountName,
    ) -> Result<Vec<CustomDomain>, PlatformError> {
        let list = self.client.list(triggers::list_domains(self.account(account)?)).await;
        list.map_err(failed("could not list the custom domains"))
    }

    async fn delete_domain(
        &self,
        account: &AccountName,
        domain: &CustomDomain,
    ) -> Result<(), PlatformError> {
        let delete = triggers::delete_domain(self.account(account)?, &domain.id);
        match self.client.send(delete).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => {
                let doing = format!("could not remove the custom domain `{}`", domain.hostname);
                Err(failed(doing)(error))
            }
        }
    }
}

/// The hostnames that led to the Worker when the platform was observed.
fn domains_of<'a>(worker: &WorkerRef, inputs: &'a Inputs) -> BTreeSet<&'a Hostname> {
    let own = inputs.domains.iter().filter(|(_, owner)| **owner == worker.worker);
    own.map(|(hostname, _)| hostname).collect()
}
