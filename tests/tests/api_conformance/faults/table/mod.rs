//! Every write of the API, and what is kept apart.

mod data;
mod identity;
mod queues;
mod r2;
mod triggers;
mod versions;
mod workers;
mod workflows;
mod zones;

use super::write::Write;

/// What a version that is uploaded twice leaves.
const VERSION: &str = "one version that nothing refers to; `lost_replies` tells which";

/// All writes, in the order in which they are done.
pub(crate) fn writes() -> impl Iterator<Item = Write> {
    [
        identity::WRITES,
        zones::WRITES,
        triggers::WRITES,
        workers::WRITES,
        versions::WRITES,
        data::WRITES,
        r2::WRITES,
        queues::WRITES,
        workflows::WRITES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Routes that are no `GET` and are not in the table, and why.
pub(crate) const KEPT_APART: [(&str, &str); 12] = [
    ("POST /graphql", "only reads"),
    ("POST /accounts/{account}/analytics_engine/sql", "only reads"),
    ("POST /accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get", "only reads"),
    ("POST /accounts/{account}/queues/{queue}/messages/peek", "only reads"),
    ("POST /accounts/{account}/workers/scripts/{script}/domains/changeset", "only reads"),
    ("POST /accounts/{account}/d1/database/{database}/export", "reads, into a file of its own"),
    (
        "POST /accounts/{account}/workers/scripts/{script}/assets-upload-session",
        "tells what lacks and signs a token: nothing is there that was not before",
    ),
    ("POST /zones/{zone}/purge_cache", "there is no cache here, so that nothing is purged"),
    (
        "POST /accounts/{account}/workers/scripts/{script}/tails/{tail}/heartbeat",
        "a session ends a little later: nothing to be doubled or lost",
    ),
    (
        "PUT /accounts/{account}/r2/buckets/{bucket}/sippy",
        "always refused: no other cloud is reached",
    ),
    ("DELETE /accounts/{account}/r2/buckets/{bucket}/sippy", "it is never on"),
    (
        "POST /accounts/{account}/queues/{queue}/messages/pull",
        "shown by `a_message_is_not_lost_with_the_answer_to_its_pull`",
    ),
];
