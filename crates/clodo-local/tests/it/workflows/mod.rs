//! Workflows of a whole cloud: from `create()` to the last step, over kills, restarts and new versions.

use crate::support::{client, live::Live};
use clodo_local::LocalCloud;
use clodo_types::{Clock, ManualClock, Timestamp};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

mod registry;
mod running;

/// Writes down in KV what runs; what an instance does is said by its parameters.
const SHOP: &str = include_str!("shop.js");

/// A cloud with the Worker `shop` and its Workflow `flow`.
struct Shop {
    live: Live,
}

impl Shop {
    async fn new() -> Self {
        let shop = Self { live: Live::new().await };
        let kv = shop.live.call("POST", "/storage/kv/namespaces", r#"{"title":"kv"}"#).await;
        shop.deploy(&kv["id"], "one").await;
        shop
    }

    async fn deploy(&self, kv: &Value, version: &str) {
        let bindings = json!([
            { "type": "kv_namespace", "name": "KV", "namespace_id": kv },
            { "type": "workflow", "name": "FLOW", "workflow_name": "flow", "class_name": "Flow" },
        ]);
        let source = format!("const VERSION = {version:?};\n{SHOP}");
        crate::cloud::deploy(&self.live.cloud, "shop", bindings, &source).await;
        self.register(json!({})).await;
    }

    async fn register(&self, more: Value) -> Value {
        let mut body = json!({ "script_name": "shop", "class_name": "Flow" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.live.call("PUT", "/workflows/flow", body.to_string()).await
    }

    /// `clodo-local down` and `up`, or, as it were, `kill -9`.
    async fn again(self, kill: bool) -> Self {
        let Live { cloud, folder } = self.live;
        if kill {
            drop(cloud);
        } else {
            cloud.stop().await;
        }
        let cloud = crate::cloud_events::again(folder.path()).await;
        Self { live: Live { cloud, folder } }
    }

    /// Calls of the binding, one after the other, and what each said.
    async fn bound(&self, calls: Value) -> Value {
        let request = http::Request::post("/").header("host", "shop.acme.test");
        client::send(self.live.cloud.port(), request, calls.to_string()).await.json()
    }

    async fn get(&self, path: &str) -> Value {
        client::get(self.live.cloud.port(), "shop.acme.test", path).await.json()
    }

    async fn notes(&self, id: &str) -> Value {
        self.get(&format!("/notes?of={id}")).await
    }

    async fn start(&self, id: &str, params: Value) {
        let body = json!({ "instance_id": id, "params": params });
        let made = self.live.call("POST", "/workflows/flow/instances", body.to_string()).await;
        assert_eq!((&made["id"], &made["trigger_source"]), (&json!(id), &json!("api")));
    }

    async fn logs(&self, id: &str) -> Value {
        self.live.call("GET", &format!("/workflows/flow/instances/{id}"), "").await
    }

    /// Waits until an instance is doing something, and returns its logs.
    async fn until(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let asking = async {
            loop {
                last = self.logs(id).await;
                if fits(&last) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let asked = tokio::time::timeout(Duration::from_secs(40), asking).await;
        assert!(asked.is_ok(), "still {last:#}");
        last
    }

    async fn status(&self, id: &str, status: &str) -> Value {
        self.until(id, |logs| logs["status"] == status).await
    }

    /// Waits until an instance has written down so many notes.
    async fn noted(&self, id: &str, count: usize) -> Value {
        let mut last = Value::Null;
        let asking = async {
            while last.as_array().is_none_or(|notes| notes.len() < count) {
                last = self.notes(id).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(40), asking).await.is_ok(), "{id}");
        last
    }

    async fn order(&self, id: &str, body: Value) -> Value {
        let path = format!("/workflows/flow/instances/{id}/status");
        self.live.call("PATCH", &path, body.to_string()).await["status"].clone()
    }

    async fn send(&self, id: &str, kind: &str, payload: Value) {
        let path = format!("/workflows/flow/instances/{id}/events/{kind}");
        let sent = self.live.call("POST", &path, payload.to_string()).await;
        assert_eq!(sent["instanceId"], id);
    }

    fn cloud(&self) -> &LocalCloud {
        &self.live.cloud
    }
}
