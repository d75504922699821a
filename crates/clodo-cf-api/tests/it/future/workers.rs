//! Answers about Workers, as the API documents them.

use super::{Fixture, account, list, one, web};
use crate::support::{HEX, ID};
use clodo_cf_api::{
    WorkerUpload, assets, secrets, tails, triggers, versions, worker_settings, workers,
};
use clodo_types::Secret;
use serde_json::json;

pub(super) fn fixtures() -> Vec<Fixture> {
    vec![
        list(
            json!([{"id": HEX, "name": "web", "tags": ["a"], "created_on": "t", "logpush": false,
            "observability": {"enabled": true}, "tail_consumers": [{"name": "log"}],
            "subdomain": {"enabled": true, "previews_enabled": false, "url": "u"},
            "references": {"domains": [{"hostname": "a.test", "zone_id": HEX}],
                "workers": [{"id": "i", "name": "n"}]}}]),
            || workers::list_workers(&account()),
        ),
        list(
            json!([{"id": "web", "tag": HEX, "etag": "e", "handlers": ["fetch"],
            "last_deployed_from": "wrangler", "tags": ["a"], "modified_on": "t"}]),
            || workers::list_scripts(&account()),
        ),
        one(
            json!({"id": "web", "default_environment": {"environment": "production",
            "script": {"id": "web", "tag": HEX}}, "environments": []}),
            || workers::service(&account(), &web()),
        ),
        list(
            json!({"items": [{"id": ID, "number": 1, "metadata": {"source": "wrangler",
            "has_preview": true, "author_email": "a@b"}, "annotations": {"workers/message": "m"},
            "resources": {"script": {"etag": "e", "handlers": ["fetch"]},
                "script_runtime": {"compatibility_date": "2026-01-01", "usage_model": "standard"},
                "bindings": [{"name": "A", "type": "plain_text", "text": "t"}]}}]}),
            || versions::list_versions(&account(), &web()),
        ),
        list(
            json!({"deployments": [{"id": ID, "source": "api", "strategy": "percentage",
            "annotations": {"workers/triggered_by": "deployment"},
            "versions": [{"version_id": ID, "percentage": 100}]}]}),
            || versions::list_deployments(&account(), &web()),
        ),
        one(
            json!({"bindings": [{"name": "A", "type": "kv_namespace", "namespace_id": HEX}],
            "compatibility_flags": ["f"], "tags": null, "logpush": false, "limits": {"cpu_ms": 5},
            "placement": {"mode": "smart"}, "tail_consumers": null}),
            || worker_settings::settings(&account(), &web()),
        ),
        list(json!([{"name": "KEY", "type": "secret_text"}]), || {
            secrets::list_secrets(&account(), &web())
        }),
        one(json!({"KEY": {"name": "KEY", "type": "secret_text"}}), || {
            secrets::patch_secrets(&account(), &web(), &Default::default())
        }),
        list(
            json!([{"id": "d1", "hostname": "a.test", "service": "web", "zone_id": HEX,
            "zone_name": "a.test", "environment": "production", "enabled": true}]),
            || triggers::list_domains(&account()),
        ),
        list(json!({"schedules": [{"cron": "* * * * *", "created_on": "t"}]}), || {
            triggers::list_schedules(&account(), &web())
        }),
        list(json!([{"id": "r1", "pattern": "a.test/*", "script": "web"}]), || {
            triggers::list_routes(&HEX.parse().unwrap())
        }),
        one(json!({"id": "t1", "url": "wss://a.test/x", "expires_at": "t"}), || {
            tails::create_tail(&account(), &web(), &[])
        }),
        one(
            json!({"services": {"incoming": [{"service": "a"}], "outgoing": []},
            "durable_objects": [{"id": "x"}], "dispatch_outbounds": []}),
            || workers::dependents(&account(), &web()),
        ),
        one(
            json!({"environment": "production", "script": {"id": "web", "handlers": ["fetch"]}, "created_on": "t"}),
            || workers::service_environment(&account(), &web(), "production"),
        ),
        one(
            json!({"id": "web", "etag": "e", "deployment_id": HEX, "handlers": ["fetch"], "startup_time_ms": 5, "usage_model": "standard"}),
            || {
                workers::put_script(
                    &account(),
                    &web(),
                    &WorkerUpload::module_worker("index.js", ""),
                )
                .unwrap()
            },
        ),
        one(json!({"default_usage_model": "standard", "green_compute": false}), || {
            workers::account_settings(&account())
        }),
        list(json!([{"service": "log", "environment": "production"}]), || {
            workers::tails_into(&account(), &web())
        }),
        one(json!({"id": ID}), || {
            versions::patch_latest_version(&account(), &web(), &versions::VersionChange::default())
        }),
        one(
            json!({"tags": ["a"], "logpush": false, "observability": {"enabled": true}, "tail_consumers": [{"service": "log"}]}),
            || worker_settings::script_settings(&account(), &web()),
        ),
        one(json!({"enabled": true, "previews_enabled": false}), || {
            triggers::subdomain(&account(), &web())
        }),
        one(json!({"subdomain": "acme"}), || triggers::account_subdomain(&account())),
        one(json!({"schedules": [{"cron": "* * * * *", "modified_on": "t"}]}), || {
            triggers::put_schedules(&account(), &web(), &[])
        }),
        one(json!([{"id": "r1", "pattern": "a.test/*", "script": "web"}]), || {
            triggers::put_worker_routes(&account(), &web(), &[])
        }),
        one(
            json!({"added": [{"hostname": "a.test"}], "removed": null, "updated": [], "conflicting": [{"hostname": "b.test"}]}),
            || triggers::domain_changeset(&account(), &web(), &[]),
        ),
        one(json!([{"id": "t1", "url": "wss://a.test/x", "expires_at": "t"}]), || {
            tails::open_tails(&account(), &web())
        }),
        one(json!({"jwt": "j", "buckets": [["a", "b"], []]}), || {
            assets::start_session(&account(), &web(), &assets::Manifest::new())
        }),
        one(json!({"jwt": "j"}), || {
            assets::upload_bucket(&account(), &Secret::new("s"), &[]).unwrap()
        }),
    ]
}
