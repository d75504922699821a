use super::{TimeRange, days, of_account};
use crate::{endpoint::Endpoint, wire::or_default};
use clodo_types::AccountId;
use serde::{Deserialize, Deserializer};

/// A group as GraphQL gives it: numbers in one object, what they have in common in another.
#[derive(Deserialize)]
#[serde(bound = "N: Default + Deserialize<'de>, D: Default + Deserialize<'de>")]
struct Group<N, D> {
    #[serde(default, alias = "max", deserialize_with = "or_default")]
    sum: N,
    #[serde(default, deserialize_with = "or_default")]
    dimensions: D,
}

macro_rules! usage_type {
    (
        $(#[$doc:meta])* $name:ident
        { $($(#[$number_doc:meta])* $number:ident = $number_wire:literal,)+ }
        by { $($(#[$word_doc:meta])* $word:ident = $word_wire:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$word_doc])* pub $word: Option<String>,)+
            $($(#[$number_doc])* pub $number: u64,)+
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                #[derive(Default, Deserialize)]
                struct Numbers {
                    $(#[serde(default, rename = $number_wire, deserialize_with = "or_default")]
                    $number: u64,)+
                }
                #[derive(Default, Deserialize)]
                struct Dimensions {
                    $(#[serde(default, rename = $word_wire)] $word: Option<String>,)+
                }
                let Group { sum, dimensions } = Group::<Numbers, Dimensions>::deserialize(from)?;
                Ok(Self { $($word: dimensions.$word,)+ $($number: sum.$number,)+ })
            }
        }
    };
}

usage_type! {
    /// What a day's queries of a D1 database cost.
    D1Queries {
        /// Queries that read.
        read_queries = "readQueries",
        /// Queries that write.
        write_queries = "writeQueries",
        /// Rows that were read.
        rows_read = "rowsRead",
        /// Rows that were written.
        rows_written = "rowsWritten",
    } by {
        /// The database's id.
        database_id = "databaseId",
        /// The day.
        date = "date",
    }
}
usage_type! {
    /// How large a D1 database was on a day.
    D1Storage {
        /// Bytes.
        database_size_bytes = "databaseSizeBytes",
    } by {
        /// The database's id.
        database_id = "databaseId",
        /// The day.
        date = "date",
    }
}
usage_type! {
    /// A day's operations on a KV namespace.
    KvOperations {
        /// Operations.
        requests = "requests",
    } by {
        /// The namespace's id.
        namespace_id = "namespaceId",
        /// `read`, `write`, `delete` or `list`.
        action_type = "actionType",
        /// The day.
        date = "date",
    }
}
usage_type! {
    /// How large a KV namespace was on a day.
    KvStorage {
        /// Bytes.
        byte_count = "byteCount",
        /// Keys.
        key_count = "keyCount",
    } by {
        /// The namespace's id.
        namespace_id = "namespaceId",
        /// The day.
        date = "date",
    }
}
usage_type! {
    /// A day's operations on an R2 bucket.
    R2Operations {
        /// Operations.
        requests = "requests",
    } by {
        /// The bucket.
        bucket_name = "bucketName",
        /// `PutObject`, `GetObject` …
        action_type = "actionType",
        /// The day.
        date = "date",
    }
}
usage_type! {
    /// How large an R2 bucket was on a day.
    R2Storage {
        /// Objects.
        object_count = "objectCount",
        /// Bytes of content.
        payload_size = "payloadSize",
        /// Bytes of metadata.
        metadata_size = "metadataSize",
    } by {
        /// The bucket.
        bucket_name = "bucketName",
        /// The day.
        date = "date",
    }
}

/// What queries of D1 databases cost, by database and day.
#[must_use]
pub fn d1_queries(account: &AccountId, time: &TimeRange) -> Endpoint<Vec<D1Queries>> {
    let fields = "sum{readQueries writeQueries rowsRead rowsWritten} dimensions{databaseId date}";
    of_account(account, "d1AnalyticsAdaptiveGroups", &days(time), fields)
}

/// How large D1 databases were, by database and day.
#[must_use]
pub fn d1_storage(account: &AccountId, time: &TimeRange) -> Endpoint<Vec<D1Storage>> {
    let fields = "max{databaseSizeBytes} dimensions{databaseId date}";
    of_account(account, "d1StorageAdaptiveGroups", &days(time), fields)
}

/// Operations on KV namespaces, by namespace, kind and day.
#[must_use]
pub fn kv_operations(account: &AccountId, time: &TimeRange) -> Endpoint<Vec<KvOperations>> {
    let fields = "sum{requests} dimensions{namespaceId actionType date}";
    of_account(account, "kvOperationsAdaptiveGroups", &days(time), fields)
}

/// How large KV namespaces were, by namespace and day.
#[must_use]
pub fn kv_storage(account: &AccountId, time: &TimeRange) -> Endpoint<Vec<KvStorage>> {
    let fields = "max{byteCount keyCount} dimensions{namespaceId date}";
    of_account(account, "kvStorageAdaptiveGroups", &days(time), fields)
}

/// Operations on R2 buckets, by bucket, kind and day.
#[must_use]
pub fn r2_operations(account: &AccountId, time: &TimeRange) -> Endpoint<Vec<R2Operations>> {
    let fields = "sum{requests} dimensions{bucketName actionType date}";
    of_account(account, "r2OperationsAdaptiveGroups", &days(time), fields)
}

/// How large R2 buckets were, by bucket and day.
#[must_use]
pub fn r2_storage(account: &AccountId, time: &TimeRange) -> Endpoint<Vec<R2Storage>> {
    let fields = "max{objectCount payloadSize metadataSize} dimensions{bucketName date}";
    of_account(account, "r2StorageAdaptiveGroups", &days(time), fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_flat_whatever_is_missing() {
        let wire =
            r#"{"sum":{"readQueries":3,"rowsRead":9,"new":1},"dimensions":{"databaseId":"d"}}"#;
        let read: D1Queries = serde_json::from_str(wire).unwrap();
        assert_eq!((read.read_queries, read.rows_read, read.rows_written), (3, 9, 0));
        assert_eq!((read.database_id.as_deref(), read.date), (Some("d"), None));
        let large: R2Storage = serde_json::from_str(r#"{"max":{"objectCount":2}}"#).unwrap();
        assert_eq!(large.object_count, 2);
        assert_eq!(serde_json::from_str::<KvStorage>("{}").unwrap(), KvStorage::default());
    }
}
