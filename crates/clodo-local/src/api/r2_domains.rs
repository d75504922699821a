//! Hostnames at which a bucket's objects can be read by anyone.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    r2,
    reply::{Answer, Reply},
};
use crate::state::model::{Bucket, BucketDomain, Cloud};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

const TLS: [&str; 4] = ["1.0", "1.1", "1.2", "1.3"];

/// `GET …/{bucket}/domains/managed`
pub(super) async fn managed(call: Call) -> Answer {
    Reply::ok(&shown_managed(call.account()?.id(), r2::bucket(&call)?))
}

/// `PUT …/{bucket}/domains/managed`
pub(super) async fn set_managed(call: Call, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    struct Wire {
        enabled: bool,
    }
    let Wire { enabled } = read_json(&body).map_err(|error| r2::invalid(error.message))?;
    let made = r2::change(&call, move |bucket| {
        bucket.managed = enabled;
        Ok(bucket.clone())
    });
    Reply::ok(&shown_managed(call.account()?.id(), &made.await?))
}

fn shown_managed(account_id: &str, bucket: &Bucket) -> Value {
    json!({
        "bucketId": bucket.id(account_id),
        "domain": bucket.managed_host(account_id),
        "enabled": bucket.managed,
    })
}

/// `GET …/{bucket}/domains/custom`
pub(super) async fn list(call: Call) -> Answer {
    let cloud = &call.snapshot.cloud;
    let domains = &r2::bucket(&call)?.domains;
    let domains: Vec<Value> = domains.iter().map(|domain| shown(domain, cloud)).collect();
    Reply::ok(&json!({ "domains": domains }))
}

/// `POST …/{bucket}/domains/custom`
pub(super) async fn attach(call: Call, body: Bytes) -> Answer {
    let mut new: BucketDomain = read_json(&body).map_err(|error| r2::invalid(error.message))?;
    new.domain = new.domain.to_ascii_lowercase();
    check_tls(new.min_tls.as_deref())?;
    let cloud = &call.snapshot.cloud;
    let zone = cloud
        .zones
        .get(&new.zone_id)
        .filter(|zone| zone.account_id == call.account_id().unwrap_or_default());
    if !zone.is_some_and(|zone| zone.holds(&new.domain)) {
        return Err(r2::invalid("The domain does not lie in that zone of the account."));
    }
    let mut buckets = cloud.accounts.values().flat_map(|account| account.buckets.values());
    let mut taken = buckets.any(|bucket| bucket.domains.iter().any(|d| d.domain == new.domain));
    taken |= cloud.accounts.values().any(|account| account.domains.contains_key(&new.domain));
    if taken {
        return Err(ApiError::conflict(10026, "The domain is in use already."));
    }
    let made = r2::change(&call, move |bucket| {
        bucket.domains.push(new.clone());
        Ok(new)
    });
    Reply::ok(&made.await?)
}

/// `GET …/{bucket}/domains/custom/{domain}`
pub(super) async fn get(call: Call) -> Answer {
    let name = call.params.get("domain")?;
    let domains = &r2::bucket(&call)?.domains;
    let domain = domains.iter().find(|domain| domain.domain == name).ok_or_else(missing)?;
    Reply::ok(&shown(domain, &call.snapshot.cloud))
}

/// `PUT …/{bucket}/domains/custom/{domain}`: what is not named stays.
pub(super) async fn update(call: Call, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    struct Wire {
        enabled: Option<bool>,
        #[serde(rename = "minTLS")]
        min_tls: Option<String>,
        ciphers: Option<Vec<String>>,
    }
    let wire: Wire = read_json(&body).map_err(|error| r2::invalid(error.message))?;
    check_tls(wire.min_tls.as_deref())?;
    let name = call.params.get("domain")?.to_owned();
    let made = r2::change(&call, move |bucket| {
        let domain = bucket.domains.iter_mut().find(|domain| domain.domain == name);
        let domain = domain.ok_or_else(missing)?;
        domain.enabled = wire.enabled.unwrap_or(domain.enabled);
        domain.min_tls = wire.min_tls.or(domain.min_tls.take());
        domain.ciphers = wire.ciphers.or(domain.ciphers.take());
        Ok(domain.clone())
    });
    Reply::ok(&made.await?)
}

/// `DELETE …/{bucket}/domains/custom/{domain}`
pub(super) async fn detach(call: Call) -> Answer {
    let name = call.params.get("domain")?.to_owned();
    let made = r2::change(&call, move |bucket| {
        let at = bucket.domains.iter().position(|domain| domain.domain == name);
        Ok(bucket.domains.remove(at.ok_or_else(missing)?))
    });
    Reply::ok(&json!({ "domain": made.await?.domain }))
}

fn check_tls(version: Option<&str>) -> Result<(), ApiError> {
    match version {
        Some(version) if !TLS.contains(&version) => Err(r2::invalid("`minTLS` is not a version.")),
        _ => Ok(()),
    }
}

fn missing() -> ApiError {
    ApiError::not_found(10026, "The domain is not attached to the bucket.")
}

fn shown(domain: &BucketDomain, cloud: &Cloud) -> Value {
    let mut shown = json!(domain);
    shown["status"] = json!({ "ownership": "active", "ssl": "active" });
    shown["zoneName"] = json!(cloud.zones.get(&domain.zone_id).map(|zone| zone.name.clone()));
    shown
}
