//! What a write is about, as far as a lease can hold it.

use http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of thing a lease holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThingKind {
    /// A Worker, with its versions, deployments, secrets, schedules and settings.
    Worker,
    /// A D1 database. Queries that only select are no writes.
    Database,
    /// A Workflow, without its instances.
    Workflow,
    /// A queue with its consumers, without its messages.
    Queue,
    /// A KV namespace, without its values.
    Namespace,
    /// An R2 bucket with its rules, without its objects.
    Bucket,
    /// A custom domain.
    Domain,
    /// A route of a zone.
    Route,
}

/// One thing that can be held: its kind, its account or zone, and its name or id there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Thing {
    pub(crate) kind: ThingKind,
    pub(crate) within: String,
    pub(crate) name: String,
}

impl Thing {
    /// What a write to this path, below the base URL, would change; none where the path names no
    /// thing, and where it is about what runs or lies in it: live tails, rows, values, messages.
    pub(crate) fn of(path: &str) -> Option<Self> {
        // An encoded slash may be one to the upstream.
        let path = percent_decode_str(path).decode_utf8_lossy().to_lowercase();
        let parts: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (kind, within, name) = match parts.as_slice() {
            ["accounts", account, rest @ ..] => {
                let (kind, name) = in_account(rest)?;
                (kind, *account, name)
            }
            ["zones", zone, "workers", "routes", id] => (ThingKind::Route, *zone, id.to_string()),
            _ => return None,
        };
        Some(Self { kind, within: within.to_owned(), name })
    }

    /// Whether a body must be looked at to tell whether it writes at all.
    pub(crate) fn is_asked_by(&self, method: &Method, path: &str) -> bool {
        let queries = ["/query", "/raw"];
        let path = path.trim_end_matches('/');
        self.kind == ThingKind::Database
            && *method == Method::POST
            && queries.iter().any(|end| path.ends_with(end))
    }
}

fn in_account(rest: &[&str]) -> Option<(ThingKind, String)> {
    let (kind, name) = match rest {
        ["workers", "scripts" | "services" | "workers", _, "tails", ..] => return None,
        ["workers", "scripts" | "services" | "workers", name, ..] => (ThingKind::Worker, name),
        ["workers", "dispatch", "namespaces", namespace, "scripts", name, ..] => {
            return Some((ThingKind::Worker, format!("{namespace}/{name}")));
        }
        ["workers", "domains", "records", id] | ["workers", "domains", id] => {
            (ThingKind::Domain, id)
        }
        ["d1", "database", _, "export"] => return None,
        ["d1", "database", id, ..] => (ThingKind::Database, id),
        ["workflows", name] => (ThingKind::Workflow, name),
        ["queues", _, "messages", ..] => return None,
        ["queues", id, ..] => (ThingKind::Queue, id),
        ["storage", "kv", "namespaces", id] => (ThingKind::Namespace, id),
        ["r2", "buckets", _, "objects", ..] => return None,
        ["r2", "buckets", name, ..] => (ThingKind::Bucket, name),
        _ => return None,
    };
    // `PUT …/workers/domains/records` and `…/changeset` are about no domain by its id.
    let is_word = kind == ThingKind::Domain && matches!(*name, "records" | "changeset");
    (!is_word).then(|| (kind, (*name).to_owned()))
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)
    }
}

impl fmt::Display for ThingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "Worker",
            Self::Database => "database",
            Self::Workflow => "Workflow",
            Self::Queue => "queue",
            Self::Namespace => "namespace",
            Self::Bucket => "bucket",
            Self::Domain => "domain",
            Self::Route => "route",
        })
    }
}

/// Whether a D1 request only selects: each statement begins with `SELECT` or `EXPLAIN`. A `;`
/// within a text makes two pieces of one statement: then the second one has to look so as well,
/// so what writes is never taken for what does not.
pub(crate) fn only_selects(body: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice(body) else { return false };
    let single = |request: &serde_json::Value| {
        request.get("sql").and_then(serde_json::Value::as_str).is_some_and(selects)
    };
    let batch = match &request {
        serde_json::Value::Array(batch) => Some(batch),
        request => request.get("batch").and_then(serde_json::Value::as_array),
    };
    match (batch, request.get("sql")) {
        (Some(batch), None) => !batch.is_empty() && batch.iter().all(single),
        (None, Some(_)) => single(&request),
        _ => false,
    }
}

fn selects(sql: &str) -> bool {
    sql.split(';').map(str::trim_start).filter(|piece| !piece.is_empty()).all(|piece| {
        let end = piece.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let word = &piece[..end.unwrap_or(piece.len())];
        word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("explain")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_a_write_changes_however_it_is_written() {
        use ThingKind::{Bucket, Database, Domain, Namespace, Queue, Route, Worker, Workflow};
        for (path, expected) in [
            ("/accounts/a1/workers/scripts/shop", Some((Worker, "a1", "shop"))),
            ("/accounts/A1/workers/scripts/sho%70/", Some((Worker, "a1", "shop"))),
            ("/accounts/a1/workers/scripts%2Fshop", Some((Worker, "a1", "shop"))),
            ("/accounts/a1//workers/scripts/shop/versions", Some((Worker, "a1", "shop"))),
            ("/accounts/a1/workers/scripts/shop/secrets/S", Some((Worker, "a1", "shop"))),
            (
                "/accounts/a1/workers/services/shop/environments/production/settings",
                Some((Worker, "a1", "shop")),
            ),
            ("/accounts/a1/workers/workers/shop", Some((Worker, "a1", "shop"))),
            (
                "/accounts/a1/workers/dispatch/namespaces/n/scripts/shop",
                Some((Worker, "a1", "n/shop")),
            ),
            ("/accounts/a1/workers/scripts/shop/tails", None),
            ("/accounts/a1/workers/scripts", None),
            ("/accounts/a1/workers/assets/upload", None),
            ("/accounts/a1/d1/database/db", Some((Database, "a1", "db"))),
            ("/accounts/a1/d1/database/db/query", Some((Database, "a1", "db"))),
            ("/accounts/a1/d1/database/db/time_travel/restore", Some((Database, "a1", "db"))),
            ("/accounts/a1/d1/database/db/export", None),
            ("/accounts/a1/d1/database", None),
            ("/accounts/a1/workflows/w", Some((Workflow, "a1", "w"))),
            ("/accounts/a1/workflows/w/instances", None),
            ("/accounts/a1/queues/q/consumers/c", Some((Queue, "a1", "q"))),
            ("/accounts/a1/queues/q/messages/pull", None),
            ("/accounts/a1/storage/kv/namespaces/n", Some((Namespace, "a1", "n"))),
            ("/accounts/a1/storage/kv/namespaces/n/values/k", None),
            ("/accounts/a1/r2/buckets/b/cors", Some((Bucket, "a1", "b"))),
            ("/accounts/a1/r2/buckets/b/objects/k", None),
            ("/accounts/a1/workers/domains/records/d1", Some((Domain, "a1", "d1"))),
            ("/accounts/a1/workers/domains/d1", Some((Domain, "a1", "d1"))),
            ("/accounts/a1/workers/domains/records", None),
            ("/zones/z1/workers/routes/r1", Some((Route, "z1", "r1"))),
            ("/zones/z1/workers/routes", None),
            ("/zones/z1/purge_cache", None),
            ("/graphql", None),
            ("", None),
        ] {
            let found = Thing::of(path);
            let found = found
                .as_ref()
                .map(|thing| (thing.kind, thing.within.as_str(), thing.name.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn only_what_selects_and_nothing_else_is_taken_for_a_read() {
        for (body, reads) in [
            (r#"{"sql":"SELECT 1"}"#, true),
            (r#"{"sql":" select * from t; SELECT 2 ; ","params":[1]}"#, true),
            (r#"{"sql":"EXPLAIN QUERY PLAN SELECT 1"}"#, true),
            (r#"{"sql":"SELECT 'a;b'"}"#, false),
            (r#"{"sql":"SELECT 1; DELETE FROM t"}"#, false),
            (r#"{"sql":"WITH x AS (SELECT 1) DELETE FROM t"}"#, false),
            (r#"{"sql":"/* SELECT */ DROP TABLE t"}"#, false),
            (r#"{"sql":"SELECTED"}"#, false),
            (r#"{"sql":"PRAGMA user_version = 3"}"#, false),
            (r#"[{"sql":"SELECT 1"},{"sql":"SELECT 2"}]"#, true),
            (r#"{"batch":[{"sql":"SELECT 1"},{"sql":"INSERT INTO t VALUES (1)"}]}"#, false),
            (r#"{"batch":[{"sql":"SELECT 1"}]}"#, true),
            (r#"{"batch":[{"sql":"SELECT 1"}],"sql":"DROP TABLE t"}"#, false),
            (r#"{"batch":[{"sql":"SELECT 1"}],"sql":"SELECT 1"}"#, false),
            (r#"{"sql":1}"#, false),
            (r#"{}"#, false),
            ("[]", false),
            ("SELECT 1", false),
            ("", false),
        ] {
            assert_eq!(only_selects(body.as_bytes()), reads, "{body}");
        }
    }
}
