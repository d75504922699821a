use base64::{Engine as _, engine::general_purpose::STANDARD};
use clodo_cf_api::{ApiError, Client, d1, kv};
use clodo_orchestrator::{DatabaseRef, DesiredTarget, NamespaceRef, ResourceRef};
use clodo_types::{
    AccountId, AccountName, DatabaseId, DatabaseName, NamespaceId, NamespaceTitle, TargetId,
    Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    error,
};

/// The longest database that is copied, as SQL: it passes through memory.
const LONGEST: usize = 512 << 20;
/// Keys with less time to live are not worth a copy, nor would the API take them.
const SHORTEST_LIFE: u64 = 120;

/// Data of an environment was not copied whole.
#[derive(Debug, thiserror::Error)]
#[error("could not copy {what} into the preview")]
pub struct CopyError {
    what: String,
    #[source]
    source: Box<dyn error::Error + Send + Sync>,
}

/// A part of it.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Transfer(#[from] d1::TransferError),
    #[error("a value did not arrive whole")]
    Body(#[source] Box<dyn error::Error + Send + Sync>),
    #[error("{0} keys could not be stored; say it again")]
    Keys(usize),
    #[error("the account is not known")]
    NoAccount,
}

/// Copies an environment's data into what a preview has instead: rows of D1, values of KV. Nothing is
/// overwritten: a database that has tables is left as it is, and so is a key that is there, so that it
/// can be done again after it was cut short. Buckets and Durable Objects are not copied.
///
/// `originals` are the environment's targets, `copies` the preview's. A database that is missing is
/// created. The original answers nobody else while it is read. Returns a line for each thing.
///
/// # Errors
/// At the first thing that was not copied.
pub async fn copy_data(
    client: &Client,
    accounts: &BTreeMap<AccountName, AccountId>,
    originals: &[DesiredTarget],
    copies: &[&DesiredTarget],
    now: Timestamp,
) -> Result<Vec<String>, CopyError> {
    let (databases, namespaces) = pairs(originals, copies);
    let mut told = Vec::new();
    for (account, from, to) in databases {
        let what = format!("database {}", shown(&from));
        let copied = async {
            let id = accounts.get(&account).ok_or(Broken::NoAccount)?;
            database(client, id, &from, &to).await
        };
        let done = copied.await.map_err(|error| failed(&what, error))?;
        told.push(format!("{what}: {done} ({to})"));
    }
    for (account, from, to) in namespaces {
        let what = format!("KV namespace {}", shown(&from));
        let copied = async {
            let id = accounts.get(&account).ok_or(Broken::NoAccount)?;
            namespace(client, id, &from, &to, now).await
        };
        let done = copied.await.map_err(|error| failed(&what, error))?;
        told.push(format!("{what}: {done} ({to})"));
    }
    Ok(told)
}

fn failed(what: &str, error: Broken) -> CopyError {
    CopyError { what: what.to_owned(), source: Box::new(error) }
}

fn shown<N: std::fmt::Display, I: std::fmt::Display>(resource: &ResourceRef<N, I>) -> String {
    match resource {
        ResourceRef::Name(name) => name.to_string(),
        ResourceRef::Id(id) => id.to_string(),
    }
}

type Databases = BTreeMap<(AccountName, DatabaseName), DatabaseRef>;
type Namespaces = BTreeMap<(AccountName, NamespaceTitle), NamespaceRef>;
type Pairs<N, I> = Vec<(AccountName, ResourceRef<N, I>, N)>;

/// Which is copied into which; each copy once, however many are bound to it.
fn pairs(
    originals: &[DesiredTarget],
    copies: &[&DesiredTarget],
) -> (Pairs<DatabaseName, DatabaseId>, Pairs<NamespaceTitle, NamespaceId>) {
    let (mut databases, mut namespaces) = (Databases::new(), Namespaces::new());
    for copy in copies {
        let Some(preview) = &copy.preview else { continue };
        let id = TargetId { environment: preview.from.clone(), ..copy.id.clone() };
        let Some(original) = originals.iter().find(|original| original.id == id) else { continue };
        for (from, to) in original.databases.iter().zip(&copy.databases) {
            if let ResourceRef::Name(name) = &to.resource {
                databases.insert((id.account.clone(), name.clone()), from.resource.clone());
            }
        }
        for (from, to) in original.namespaces.iter().zip(&copy.namespaces) {
            if let ResourceRef::Name(title) = &to.resource {
                namespaces.insert((id.account.clone(), title.clone()), from.resource.clone());
            }
        }
    }
    let databases = databases.into_iter().map(|((account, to), from)| (account, from, to));
    let namespaces = namespaces.into_iter().map(|((account, to), from)| (account, from, to));
    (databases.collect(), namespaces.collect())
}

async fn database(
    client: &Client,
    account: &AccountId,
    from: &DatabaseRef,
    to: &DatabaseName,
) -> Result<String, Broken> {
    let from = match from {
        ResourceRef::Id(id) => id.clone(),
        ResourceRef::Name(name) => match client.find_database(account, name).await? {
            Some(found) => found.id,
            None => return Ok("is not there, so nothing is copied".to_owned()),
        },
    };
    let copy = client.ensure_database(account, &d1::NewDatabase::named(to.clone())).await?;
    let copy = copy.resource.id;
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' \
                  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";
    let tables = client.send(d1::read(account, &copy, &d1::Sql::new(tables))).await?;
    if tables.iter().any(|result| !result.results.is_empty()) {
        return Ok("its copy has tables already and is left as it is".to_owned());
    }
    let silent = |_| {};
    let options = d1::ExportOptions::default();
    let exported = client.export_database(account, &from, &options, &silent).await?;
    let sql = exported.body.collect(LONGEST).await.map_err(|error| Broken::Body(error.into()))?;
    let size = sql.len().div_ceil(1000);
    let file = d1::ImportFile::from_bytes(sql);
    client.import_database(account, &copy, file, &silent).await?;
    Ok(format!("copied, {size} KB of SQL"))
}

async fn namespace(
    client: &Client,
    account: &AccountId,
    from: &NamespaceRef,
    to: &NamespaceTitle,
    now: Timestamp,
) -> Result<String, Broken> {
    let from = match from {
        ResourceRef::Id(id) => id.clone(),
        ResourceRef::Name(title) => match client.find_namespace(account, title).await? {
            Some(found) => found.id,
            None => return Ok("is not there, so nothing is copied".to_owned()),
        },
    };
    let copy = client.ensure_namespace(account, to).await?.resource.id;
    let there: BTreeSet<String> = client
        .list(kv::list_keys(account, &copy, ""))
        .await?
        .into_iter()
        .map(|key| key.name)
        .collect();
    let soon = u64::try_from(now.as_millis() / 1000).unwrap_or(0) + SHORTEST_LIFE;
    let mut missing = client.list(kv::list_keys(account, &from, "")).await?;
    missing.retain(|key| {
        !there.contains(&key.name) && key.expiration.is_none_or(|expiration| soon < expiration)
    });
    for keys in missing.chunks(kv::MOST_BULK_READS) {
        copy_keys(client, account, (&from, &copy), keys).await?;
    }
    Ok(format!("{} keys copied, {} were there", missing.len(), there.len()))
}

async fn copy_keys(
    client: &Client,
    account: &AccountId,
    (from, to): (&NamespaceId, &NamespaceId),
    keys: &[kv::Key],
) -> Result<(), Broken> {
    let names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
    let mut values = Vec::with_capacity(keys.len());
    for (name, entry) in client.values(account, from, &names).await? {
        let mut value = kv::BulkValue::text(name, "");
        (value.expiration, value.metadata) = (entry.expiration, entry.metadata);
        let expires = keys.iter().find(|key| key.name == value.key);
        value.expiration = value.expiration.or(expires.and_then(|key| key.expiration));
        match entry.value.as_str() {
            // What is no text comes with this character in place of what it could not be read as.
            Some(text) if !text.contains('\u{fffd}') => text.clone_into(&mut value.value),
            _ => {
                let read = client.send(kv::value(account, from, &value.key)).await?;
                let bytes = read.into_body().collect(LONGEST).await;
                let bytes = bytes.map_err(|error| Broken::Body(error.into()))?;
                (value.value, value.base64) = (STANDARD.encode(bytes), true);
            }
        }
        values.push(value);
    }
    let report = client.put_values(account, to, &values).await?;
    match report.unsuccessful_keys.len() {
        0 => Ok(()),
        left => Err(Broken::Keys(left)),
    }
}
