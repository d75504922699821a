use super::{AT_ONCE, Preflight, block, changed_domains, note};
use clodo_cf_api::{
    ApiError,
    dns::{self, Record},
    triggers,
    zones::{self, Zone},
};
use clodo_orchestrator::Plan;
use clodo_types::{AccountId, AccountName, Finding, Hostname, ZoneId};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::{BTreeMap, BTreeSet};

impl Preflight {
    /// New domains with DNS records of somebody else's: Cloudflare refuses those, after the upload.
    pub(super) async fn domains(&self, plan: &Plan) -> Vec<Finding> {
        let mut wanted: BTreeMap<&AccountName, BTreeSet<&Hostname>> = BTreeMap::new();
        for (worker, to) in changed_domains(plan) {
            wanted.entry(&worker.account).or_default().extend(to);
        }
        let mut findings = Vec::new();
        for (name, hostnames) in wanted {
            let Some(account) = self.accounts.get(name) else { continue };
            match self.taken(account, &hostnames).await {
                Ok(taken) => findings.extend(taken),
                Err(error) => {
                    let message = format!("the DNS records of {name} could not be read: {error}");
                    let hint =
                        "let the token read DNS; a record in the way is found at the upload else";
                    findings.push(note("dns-not-read", message, hint));
                }
            }
        }
        findings
    }

    async fn taken(
        &self,
        account: &AccountId,
        hostnames: &BTreeSet<&Hostname>,
    ) -> Result<Vec<Finding>, ApiError> {
        let served = self.client.list(triggers::list_domains(account)).await?;
        let served: BTreeSet<Hostname> = served.into_iter().map(|one| one.hostname).collect();
        let zones = self.client.list(zones::list_zones(account)).await?;
        let new = hostnames.iter().filter(|hostname| !served.contains(**hostname));
        let asked = new.filter_map(|hostname| Some((*hostname, zone_of(&zones, hostname)?)));
        let questions: Vec<_> = asked.map(|(name, zone)| self.in_the_way(name, zone)).collect();
        let answers: Vec<Option<Finding>> =
            stream::iter(questions).buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn in_the_way(
        &self,
        hostname: &Hostname,
        zone: ZoneId,
    ) -> Result<Option<Finding>, ApiError> {
        let records = dns::list_records(&zone).with_query("name.exact", hostname);
        Ok(in_the_way(hostname, &self.client.list(records).await?))
    }
}

/// The zone that a hostname lies in: the longest of those that it ends with.
fn zone_of(zones: &[Zone], hostname: &Hostname) -> Option<ZoneId> {
    let within = |zone: &&Zone| {
        let rest = hostname.as_str().strip_suffix(zone.name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let longest = zones.iter().filter(within).max_by_key(|zone| zone.name.as_str().len());
    longest.map(|zone| zone.id.clone())
}

fn in_the_way(hostname: &Hostname, records: &[Record]) -> Option<Finding> {
    let leads = |record: &&Record| matches!(record.kind.as_str(), "A" | "AAAA" | "CNAME");
    let record = records.iter().find(leads)?;
    let kind = record.kind.as_str();
    let message = format!("{hostname} has a DNS record of its own ({kind} {})", record.content);
    let hint = "remove the record, or leave the hostname to whoever made it";
    Some(block("domain-has-record", message, hint))
}
