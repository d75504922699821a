//! The cloud as rows: one JSON document per thing, and only what changed is written.

use super::{
    error::StateError,
    model::{Account, Cloud},
    worker::{Version, Worker},
};
use clodo_sqlite::rusqlite::{self, Connection, params};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The schema, for `OpenOptions::with_format`. Never change an entry that was released.
pub(crate) const FORMAT: &[&str] = &["
    CREATE TABLE document (
        kind TEXT NOT NULL,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, account, name)
    ) STRICT, WITHOUT ROWID
"];

/// One row to write, or to remove when there is no body.
#[derive(Debug)]
pub(crate) struct Change {
    kind: &'static str,
    account: String,
    name: String,
    body: Option<String>,
}

/// One row as read.
#[derive(Debug)]
pub(crate) struct Row {
    kind: String,
    account: String,
    name: String,
    body: String,
}

/// What has to be written to get from `old` to `new`.
pub(crate) fn changes(old: &Cloud, new: &Cloud) -> Vec<Change> {
    let mut found = Vec::new();
    if !Arc::ptr_eq(&old.meta, &new.meta) {
        found.push(Change {
            kind: "meta",
            account: String::new(),
            name: String::new(),
            body: body(&*new.meta),
        });
    }
    differ("token", "", &old.tokens, &new.tokens, &mut found);
    differ("zone", "", &old.zones, &new.zones, &mut found);
    let none = BTreeMap::new();
    walk(&old.accounts, &new.accounts, |id, before, after| {
        account_changes(id, before.map(Arc::as_ref), after.map(Arc::as_ref), &none, &mut found);
    });
    found
}

fn account_changes(
    id: &str,
    old: Option<&Account>,
    new: Option<&Account>,
    no_workers: &BTreeMap<String, Arc<Worker>>,
    found: &mut Vec<Change>,
) {
    if old.map(|a| Arc::as_ptr(&a.profile)) != new.map(|a| Arc::as_ptr(&a.profile)) {
        let body = new.and_then(|account| body(&*account.profile));
        found.push(Change { kind: "account", account: String::new(), name: id.to_owned(), body });
    }
    macro_rules! differ_in {
        ($kind:literal, $field:ident) => {{
            let none = BTreeMap::new();
            let of = |account: Option<&'_ Account>| account.map(|a| &a.$field as *const _);
            if of(old) != of(new) {
                let before = old.map_or(&none, |a| &a.$field);
                differ($kind, id, before, new.map_or(&none, |a| &a.$field), found);
            }
        }};
    }
    differ_in!("domain", domains);
    differ_in!("database", databases);
    differ_in!("namespace", namespaces);
    differ_in!("bucket", buckets);
    differ_in!("object namespace", objects);
    differ_in!("deleted object namespace", deleted_objects);
    differ_in!("queue", queues);
    differ_in!("workflow", workflows);
    let none = Arc::default();
    let assets =
        |account: Option<&Account>| account.map_or(Arc::clone(&none), |a| Arc::clone(&a.assets));
    let (before, after) = (assets(old), assets(new));
    if !Arc::ptr_eq(&before, &after) {
        differ("asset", id, &before, &after, found);
    }
    let before = old.map_or(no_workers, |account| &account.workers);
    let after = new.map_or(no_workers, |account| &account.workers);
    differ("worker", id, before, after, found);
    walk(before, after, |_, before, after| {
        version_changes(id, before.map(Arc::as_ref), after.map(Arc::as_ref), found);
    });
}

/// Versions never change, so that a version is either new or gone.
fn version_changes(
    account: &str,
    old: Option<&Worker>,
    new: Option<&Worker>,
    found: &mut Vec<Change>,
) {
    let list = |worker: Option<&Worker>| worker.map_or(Vec::new(), |w| w.versions.clone());
    let (before, after) = (list(old), list(new));
    let ids = |list: &[Arc<Version>]| list.iter().map(|v| v.id.clone()).collect::<BTreeSet<_>>();
    let (known, kept) = (ids(&before), ids(&after));
    let change = |version: &Version, body| Change {
        kind: "version",
        account: account.to_owned(),
        name: version.id.clone(),
        body,
    };
    for version in before.iter().filter(|version| !kept.contains(&version.id)) {
        found.push(change(version, None));
    }
    for version in after.iter().filter(|version| !known.contains(&version.id)) {
        found.push(change(version, body(&**version)));
    }
}

fn differ<T: Serialize>(
    kind: &'static str,
    account: &str,
    old: &BTreeMap<String, Arc<T>>,
    new: &BTreeMap<String, Arc<T>>,
    found: &mut Vec<Change>,
) {
    walk(old, new, |name, _, after| {
        let (account, name) = (account.to_owned(), name.to_owned());
        found.push(Change { kind, account, name, body: after.and_then(|new| body(&**new)) });
    });
}

/// Calls `each` for every key whose value is not the very same in both maps.
fn walk<T>(
    old: &BTreeMap<String, Arc<T>>,
    new: &BTreeMap<String, Arc<T>>,
    mut each: impl FnMut(&str, Option<&Arc<T>>, Option<&Arc<T>>),
) {
    let (mut before, mut after) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let was = if order.is_le() { before.next() } else { None };
        let is = if order.is_ge() { after.next() } else { None };
        match (was, is) {
            (Some((_, a)), Some((_, b))) if Arc::ptr_eq(a, b) => {}
            (was, is) => {
                if let Some((name, _)) = was.or(is) {
                    each(name, was.map(|(_, value)| value), is.map(|(_, value)| value));
                }
            }
        }
    }
}

fn body<T: Serialize>(thing: &T) -> Option<String> {
    Some(serde_json::to_string(thing).expect("documents have string keys and finite numbers only"))
}

/// Writes all changes in one transaction.
pub(crate) fn apply(db: &mut Connection, changes: &[Change]) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    for change in changes {
        let Change { kind, account, name, body } = change;
        match body {
            Some(body) => tx
                .prepare_cached(
                    "INSERT INTO document (kind, account, name, body) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (kind, account, name) DO UPDATE SET body = excluded.body",
                )?
                .execute(params![kind, account, name, body])?,
            None => tx
                .prepare_cached(
                    "DELETE FROM document WHERE kind = ?1 AND account = ?2 AND name = ?3",
                )?
                .execute(params![kind, account, name])?,
        };
    }
    tx.commit()
}

/// Reads every row. Accounts come before what they own, Workers after their versions.
pub(crate) fn rows(db: &mut Connection) -> rusqlite::Result<Vec<Row>> {
    let mut statement = db.prepare(
        "SELECT kind, account, name, body FROM document
         ORDER BY CASE kind WHEN 'account' THEN 0 WHEN 'worker' THEN 1 ELSE 2 END, kind, account, name",
    )?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Row { kind: row.get(0)?, account: row.get(1)?, name: row.get(2)?, body: row.get(3)? })
    };
    statement.query_map([], row)?.collect()
}

/// Builds the cloud from its rows.
pub(crate) fn load(rows: Vec<Row>) -> Result<Cloud, StateError> {
    let mut cloud = Cloud::default();
    for row in rows {
        take(&mut cloud, &row)?;
    }
    for account in cloud.accounts.values_mut().map(Arc::make_mut) {
        for worker in account.workers.values_mut().map(Arc::make_mut) {
            worker.versions.sort_by_key(|version| version.number);
        }
    }
    Ok(cloud)
}

fn take(cloud: &mut Cloud, row: &Row) -> Result<(), StateError> {
    let name = row.name.clone();
    match row.kind.as_str() {
        "meta" => cloud.meta = read(row)?,
        "token" => _ = cloud.tokens.insert(name, read(row)?),
        "zone" => _ = cloud.zones.insert(name, read(row)?),
        "account" => {
            let profile: Arc<_> = read(row)?;
            let account = Account::new(Arc::unwrap_or_clone(profile));
            cloud.accounts.insert(name, Arc::new(account));
        }
        _ => {
            // What an account owned goes with it; a row without its account is a left-over.
            if let Some(account) = cloud.account_mut(&row.account) {
                take_owned(account, row)?;
            }
        }
    }
    Ok(())
}

fn take_owned(account: &mut Account, row: &Row) -> Result<(), StateError> {
    let name = row.name.clone();
    match row.kind.as_str() {
        "worker" => _ = account.workers.insert(name, read(row)?),
        "version" => {
            let version: Arc<Version> = read(row)?;
            if let Some(worker) = account.worker_mut(&version.script) {
                worker.versions.push(version);
            }
        }
        "domain" => _ = account.domains.insert(name, read(row)?),
        "database" => _ = account.databases.insert(name, read(row)?),
        "namespace" => _ = account.namespaces.insert(name, read(row)?),
        "bucket" => _ = account.buckets.insert(name, read(row)?),
        "object namespace" => _ = account.objects.insert(name, read(row)?),
        "deleted object namespace" => _ = account.deleted_objects.insert(name, read(row)?),
        "queue" => _ = account.queues.insert(name, read(row)?),
        "workflow" => _ = account.workflows.insert(name, read(row)?),
        "asset" => _ = Arc::make_mut(&mut account.assets).insert(name, read(row)?),
        // The format number keeps newer kinds out.
        other => tracing::warn!(kind = other, "unknown kind of document in the state database"),
    }
    Ok(())
}

fn read<T: DeserializeOwned>(row: &Row) -> Result<Arc<T>, StateError> {
    serde_json::from_str(&row.body).map(Arc::new).map_err(|source| StateError::Damaged {
        kind: row.kind.clone(),
        name: row.name.clone(),
        source,
    })
}
