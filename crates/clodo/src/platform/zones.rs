use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::zones;
use clodo_orchestrator::{PlatformError, PlatformErrorKind};
use clodo_types::{AccountId, AccountName, Hostname, ZoneId, ZoneName};
use std::collections::BTreeMap;

impl CloudflarePlatform {
    /// The zones of an account: from the last listing, or listed now. A deployment that takes the
    /// last domain or route away, or goes back, wants them although `observe` was not asked to.
    pub(super) async fn zones(
        &self,
        account: &AccountName,
    ) -> Result<BTreeMap<ZoneName, ZoneId>, PlatformError> {
        let known = self.learned().zones.get(account).cloned();
        match known {
            Some(known) => Ok(known),
            None => self.list_zones(account, self.account(account)?).await,
        }
    }

    /// Lists the zones of an account and remembers them.
    pub(super) async fn list_zones(
        &self,
        account: &AccountName,
        id: &AccountId,
    ) -> Result<BTreeMap<ZoneName, ZoneId>, PlatformError> {
        let list = self.client.list(zones::list_zones(id)).await;
        let list = list.map_err(failed("could not list the zones"))?;
        let zones: BTreeMap<_, _> = list.into_iter().map(|zone| (zone.name, zone.id)).collect();
        self.learned().zones.insert(account.clone(), zones.clone());
        Ok(zones)
    }

    /// The zone that holds a hostname; of several, the longest.
    pub(super) async fn zone_of(
        &self,
        account: &AccountName,
        host: &Hostname,
    ) -> Result<ZoneId, PlatformError> {
        let zones = self.zones(account).await?;
        let holding = zones.into_iter().filter(|(zone, _)| host.is_within(zone));
        let best = holding.max_by_key(|(zone, _)| zone.as_str().len());
        best.map(|(_, id)| id).ok_or_else(|| {
            let doing = format!("no zone of account `{account}` holds `{host}`");
            PlatformError::new(PlatformErrorKind::Refused, doing).with_hint(
                "add the zone to the account on Cloudflare, and to `zones` in clodo.toml",
            )
        })
    }
}
