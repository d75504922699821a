//! Answers about data, as the API documents them.

use super::{Fixture, account, list, media, one};
use crate::support::{HEX, ID};
use clodo_cf_api::{d1, kv, r2};
use serde_json::json;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn fixtures() -> Vec<Fixture> {
    vec![
        list(
            json!([{"uuid": ID, "name": "db", "version": "production", "num_tables": 3,
            "file_size": 12288, "jurisdiction": "eu", "read_replication": {"mode": "auto"}}]),
            || d1::list_databases(&account()),
        ),
        one(
            json!([{"results": [{"a": 1}], "success": true, "meta": {"served_by": "v3",
            "duration": 0.1, "changes": 0, "last_row_id": 0, "changed_db": false,
            "size_after": 1, "rows_read": 1, "rows_written": 0, "served_by_region": "WEUR"}}]),
            || d1::query(&account(), &ID.parse().unwrap(), &d1::Sql::new("s")),
        ),
        one(json!([{"results": {"columns": ["a"], "rows": [[1], [null]]}, "meta": {}}]), || {
            d1::raw(&account(), &ID.parse().unwrap(), &d1::Sql::new("s"))
        }),
        one(
            json!({"success": true, "type": "export", "at_bookmark": "b", "messages": ["m"],
            "status": "complete", "result": {"filename": "f", "signed_url": "u"}}),
            || d1::export(&account(), &ID.parse().unwrap(), &Default::default(), None),
        ),
        list(
            json!([{"id": HEX, "title": "t", "supports_url_encoding": true, "jurisdiction": "eu"}]),
            || kv::list_namespaces(&account()),
        ),
        list(json!([{"name": "k", "expiration": 1, "metadata": {"a": 1}}]), || {
            kv::list_keys(&account(), &HEX.parse().unwrap(), "")
        }),
        one(json!({"successful_key_count": 1, "unsuccessful_keys": ["k"]}), || {
            kv::put_bulk(&account(), &HEX.parse().unwrap(), &[])
        }),
        one(
            json!({"values": {"k": {"value": "v", "metadata": null, "expiration": 5}, "l": null}}),
            || kv::get_bulk(&account(), &HEX.parse().unwrap(), &[]),
        ),
        list(
            json!({"buckets": [{"name": "media", "creation_date": "t", "location": "weur",
            "storage_class": "Standard", "jurisdiction": "default"}]}),
            || r2::list_buckets(&account()),
        ),
        list(
            json!([{"key": "a", "etag": "e", "size": 1, "last_modified": "t",
            "http_metadata": {"contentType": "text/css"}, "custom_metadata": {"k": "v"},
            "storage_class": "Standard", "ssec": false}]),
            || r2::list_objects(&account(), &media(), ""),
        ),
        list(
            json!({"rules": [{"id": "i", "enabled": true, "conditions": {"prefix": ""},
            "deleteObjectsTransition": {"condition": {"type": "Age", "maxAge": 5}}}]}),
            || r2::lifecycle(&account(), &media()),
        ),
        list(
            json!({"rules": [{"id": "i", "allowed": {"methods": ["GET"], "origins": ["*"]},
            "maxAgeSeconds": 5}]}),
            || r2::cors(&account(), &media()),
        ),
        one(json!({"bookmark": "b", "previous_bookmark": "a", "message": "m"}), || {
            d1::restore(&account(), &ID.parse().unwrap(), "b")
        }),
        one(
            json!({"key": "a", "etag": "e", "size": "5", "version": "v", "uploaded": "t", "storage_class": "Standard"}),
            || r2::put_object(&account(), &media(), r2::NewObject::new("a", "")),
        ),
    ]
}
