//! A whole cloud with real workerd, driven through its port.

use super::{client, workerd};
use clodo_local::{CloudError, CloudOptions, LocalCloud, SeedAccount};
use clodo_types::{Clock, SystemClock};
use http::Request;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};

/// A cloud for one test, with the zone `acme.test`.
pub(crate) struct Live {
    pub(crate) cloud: LocalCloud,
    pub(crate) folder: tempfile::TempDir,
}

impl Live {
    pub(crate) async fn new() -> Self {
        Self::over(tempfile::Builder::new().prefix("cl").tempdir().unwrap()).await.unwrap()
    }

    /// A cloud over a folder that may have been used before.
    pub(crate) async fn over(folder: tempfile::TempDir) -> Result<Self, CloudError> {
        // What workerd says is part of a failed test's output.
        let _ = tracing_subscriber::fmt().with_test_writer().with_ansi(false).try_init();
        let cloud = LocalCloud::start(options(folder.path()).await).await?;
        Ok(Self { cloud, folder })
    }

    /// A cloud whose time stands still until it is moved.
    pub(crate) async fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::Builder::new().prefix("cl").tempdir().unwrap();
        let mut options = options(folder.path()).await;
        options.clock = clock;
        Self { cloud: LocalCloud::start(options).await.unwrap(), folder }
    }

    /// `clodo-local down` and `up`.
    pub(crate) async fn restarted(self) -> Self {
        let Self { cloud, folder } = self;
        cloud.stop().await;
        Self::over(folder).await.unwrap()
    }

    pub(crate) fn account(&self) -> String {
        self.cloud.accounts()[0].id.to_string()
    }

    /// `path` after `/client/v4/accounts/<account>`.
    pub(crate) async fn answer(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Value {
        let text = self.text(method, path, body).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The same for an answer that may not be JSON.
    pub(crate) async fn text(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> String {
        let request = Request::builder()
            .method(method)
            .uri(format!("/client/v4/accounts/{}{path}", self.account()))
            .header("host", "127.0.0.1")
            .header("authorization", format!("Bearer {}", self.cloud.token().expose()))
            .header("content-type", "multipart/form-data; boundary=BOUNDARY");
        client::send(self.cloud.port(), request, body.into()).await.text()
    }

    /// The result of a call that must have worked.
    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Value {
        let answer = self.answer(method, path, body).await;
        assert_eq!(answer["success"], true, "{method} {path}: {answer}");
        answer["result"].clone()
    }

    /// Uploads one module with all traffic; `more` is merged into the metadata.
    pub(crate) async fn put(&self, name: &str, more: Value, source: &str) -> Value {
        self.call("PUT", &format!("/workers/scripts/{name}"), upload(&more, source)).await
    }

    /// The same as a version without traffic; returns its id.
    pub(crate) async fn version(&self, name: &str, more: Value, source: &str) -> String {
        let path = format!("/workers/scripts/{name}/versions");
        let version = self.call("POST", &path, upload(&more, source)).await;
        version["id"].as_str().unwrap().to_owned()
    }

    /// A first deployment, served at `<name>.acme.test`.
    pub(crate) async fn deploy(&self, name: &str, more: Value, source: &str) {
        self.put(name, more, source).await;
        let domain = json!({ "hostname": format!("{name}.acme.test"), "service": name,
            "zone_name": "acme.test", "environment": "production" });
        self.call("PUT", "/workers/domains", domain.to_string()).await;
    }

    /// What the Worker says.
    pub(crate) async fn get(&self, name: &str, path: &str) -> String {
        client::get(self.cloud.port(), &format!("{name}.acme.test"), path).await.text()
    }

    /// Asks again and again until the Worker says this.
    pub(crate) async fn until(&self, name: &str, path: &str, wanted: &str) {
        let mut said = String::new();
        let waiting = async {
            while said != wanted {
                said = self.get(name, path).await;
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(ended.is_ok(), "{name}{path} says {said:?}, not {wanted:?}");
    }
}

pub(crate) async fn options(state: &Path) -> CloudOptions {
    let mut options = CloudOptions::new(state, workerd::binary().await, Arc::new(SystemClock));
    let zones = vec!["acme.test".parse().unwrap()];
    options.seed.accounts = vec![SeedAccount { name: "main".parse().unwrap(), id: None, zones }];
    options
}

fn upload(more: &Value, source: &str) -> Vec<u8> {
    let mut metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": [],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    format!(
        "--BOUNDARY\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
         --BOUNDARY\r\ncontent-disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\n\
         content-type: application/javascript+module\r\n\r\n{source}\r\n--BOUNDARY--\r\n"
    )
    .into_bytes()
}
