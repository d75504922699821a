use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    wire::{number, or_default},
};
use clodo_types::{AccountId, NamespaceId};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most values that one call writes or removes.
pub const MOST_BULK_KEYS: usize = 10_000;
/// The most values that one call reads.
pub const MOST_BULK_READS: usize = 100;
/// The most bytes of values that one call writes; the rest of the 100 MiB is for JSON's quotes.
const MOST_BULK_BYTES: usize = 80 << 20;

/// A value of a bulk write.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BulkValue {
    /// The key.
    pub key: String,
    /// The value, as text or as base64.
    pub value: String,
    /// Whether the value is base64.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub base64: bool,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<u64>,
    /// How many seconds it lives, at least 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_ttl: Option<u64>,
    /// What to store beside the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

impl BulkValue {
    /// Text that lives until it is removed.
    #[must_use]
    pub fn text(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), ..Self::default() }
    }
}

/// What a bulk call did, or nothing where the API does not say.
pub type BulkOutcome = Option<BulkReport>;

/// What a bulk call did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct BulkReport {
    /// How many keys it did.
    #[serde(default, deserialize_with = "number")]
    pub successful_key_count: Option<u64>,
    /// The keys that are to be tried again.
    #[serde(default, deserialize_with = "or_default")]
    pub unsuccessful_keys: Vec<String>,
}

/// A value of a bulk read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct BulkEntry {
    /// The value: text, or what its JSON stands for.
    #[serde(default)]
    pub value: Value,
    /// What was stored beside it.
    #[serde(default)]
    pub metadata: Option<Value>,
    /// When it ends, in seconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub expiration: Option<u64>,
}

const BULK: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk";

/// Stores many values, at most [`MOST_BULK_KEYS`] and 100 MiB at once; [`Client::put_values`]
/// knows no limit.
#[must_use]
pub fn put_bulk(
    account: &AccountId,
    id: &NamespaceId,
    values: &[BulkValue],
) -> Endpoint<BulkOutcome> {
    Endpoint::new(Method::PUT, BULK, Repeat::Safe)
        .at("account", account)
        .at("namespace", id)
        .with_json(&values)
}

/// Removes many values, at most [`MOST_BULK_KEYS`] at once; [`Client::delete_values`] knows no
/// limit.
#[must_use]
pub fn delete_bulk(
    account: &AccountId,
    id: &NamespaceId,
    keys: &[String],
) -> Endpoint<BulkOutcome> {
    let template = "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/delete";
    Endpoint::new(Method::POST, template, Repeat::Safe)
        .at("account", account)
        .at("namespace", id)
        .with_json(&keys)
}

/// Reads many values with their metadata, at most [`MOST_BULK_READS`] at once; a key that is not
/// there has none. [`Client::values`] knows no limit.
#[must_use]
pub fn get_bulk(
    account: &AccountId,
    id: &NamespaceId,
    keys: &[String],
) -> Endpoint<BTreeMap<String, Option<BulkEntry>>> {
    let template = "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get";
    Endpoint::new(Method::POST, template, Repeat::Safe)
        .only_reading()
        .within("values")
        .at("account", account)
        .at("namespace", id)
        .with_json(&json!({ "keys": keys, "type": "text", "withMetadata": true }))
}

impl Client {
    /// Stores any number of values in as few calls as the API allows, one after the other. Keys
    /// that the API could not store are in the answer.
    ///
    /// # Errors
    /// When a call fails; the values of the calls before it are stored.
    pub async fn put_values(
        &self,
        account: &AccountId,
        id: &NamespaceId,
        values: &[BulkValue],
    ) -> Result<BulkReport, ApiError> {
        let mut report = BulkReport::default();
        for chunk in chunks(values) {
            report.add(self.send(put_bulk(account, id, chunk)).await?, chunk.len());
        }
        Ok(report)
    }

    /// Removes any number of values.
    ///
    /// # Errors
    /// When a call fails; the values of the calls before it are gone.
    pub async fn delete_values(
        &self,
        account: &AccountId,
        id: &NamespaceId,
        keys: &[String],
    ) -> Result<BulkReport, ApiError> {
        let mut report = BulkReport::default();
        for chunk in keys.chunks(MOST_BULK_KEYS) {
            report.add(self.send(delete_bulk(account, id, chunk)).await?, chunk.len());
        }
        Ok(report)
    }

    /// Reads any number of values; a key that is not there is not in the answer.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn values(
        &self,
        account: &AccountId,
        id: &NamespaceId,
        keys: &[String],
    ) -> Result<BTreeMap<String, BulkEntry>, ApiError> {
        let mut found = BTreeMap::new();
        for chunk in keys.chunks(MOST_BULK_READS) {
            let read = self.send(get_bulk(account, id, chunk)).await?;
            found.extend(read.into_iter().filter_map(|(key, entry)| Some((key, entry?))));
        }
        Ok(found)
    }
}

impl BulkReport {
    fn add(&mut self, outcome: BulkOutcome, asked: usize) {
        let outcome = outcome.unwrap_or_default();
        let failed = outcome.unsuccessful_keys.len() as u64;
        let done = outcome.successful_key_count.unwrap_or((asked as u64).saturating_sub(failed));
        *self.successful_key_count.get_or_insert_default() += done;
        self.unsuccessful_keys.extend(outcome.unsuccessful_keys);
    }
}

/// Pieces that one call takes. A value that is too large alone is a piece of its own: the API says
/// so best itself.
fn chunks(values: &[BulkValue]) -> Vec<&[BulkValue]> {
    let (mut found, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, value) in values.iter().enumerate() {
        let size = value.key.len() + value.value.len();
        let full = at - start == MOST_BULK_KEYS || MOST_BULK_BYTES < bytes + size;
        if full && start < at {
            found.push(&values[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < values.len() {
        found.push(&values[start..]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_where_the_api_s_limits_are() {
        let value = |size: usize| BulkValue::text("k", "x".repeat(size));
        let sizes =
            |values: &[BulkValue]| chunks(values).iter().map(|c| c.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&vec![value(1); 10_000]), [10_000]);
        assert_eq!(sizes(&vec![value(1); 10_001]), [10_000, 1]);
        assert_eq!(sizes(&vec![value(30 << 20); 5]), [2, 2, 1]);
        assert_eq!(sizes(&[value(90 << 20), value(1)]), [1, 1]);
    }
}
