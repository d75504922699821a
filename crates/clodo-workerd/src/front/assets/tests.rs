use super::*;
use crate::seams::{Generation, Objects, Resolved, Scripts, ServedWorker};
use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use std::sync::Arc;

/// A directory in which an asset's bytes are its own hash.
#[derive(Debug)]
struct Echo;

#[async_trait]
impl Directory for Echo {
    fn accounts(&self) -> Vec<String> {
        Vec::new()
    }
    fn serves_objects(&self, _: &str) -> bool {
        false
    }

    fn resolve(&self, _host: &str, _path: &str) -> Option<Resolved> {
        None
    }
    fn worker(&self, _account_id: &str, _script: &str) -> Option<Arc<ServedWorker>> {
        None
    }
    fn describe(&self, _account_id: &str, _generation: &mut Generation) {}
    fn objects(&self, _account_id: &str) -> Objects {
        Objects::default()
    }

    fn scripts(&self, _account_id: &str, _which: Scripts) -> Vec<String> {
        Vec::new()
    }
    async fn version(
        &self,
        _account_id: &str,
        _script: &str,
        _version_id: &str,
    ) -> Option<Arc<ServedVersion>> {
        None
    }
    fn schedules(&self, _account_id: &str) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }
    async fn asset(&self, _account_id: &str, hash: &str) -> Option<Bytes> {
        Some(Bytes::from(hash.to_owned()))
    }
}

fn assets() -> ServedAssets {
    let entry = |path: &str| AssetEntry {
        hash: format!("hash of {path}"),
        content_type: Some("text/html; charset=utf-8".into()),
        size: 1,
    };
    let files = ["/index.html", "/about.html", "/sp ace.html"];
    ServedAssets {
        files: files.map(|path| (path.to_owned(), entry(path))).into(),
        not_found_handling: Some("single-page-application".into()),
        run_worker_first: RunWorkerFirst::Paths(vec!["/api/*".into(), "!/api/docs/*".into()]),
        headers: Some("/about\n  X-Custom: 1\n  ! Cache-Control\n".into()),
        redirects: Some("/old /about 301\n/shown /about 200\n".into()),
        ..ServedAssets::default()
    }
}

fn version(main: Option<&str>) -> ServedVersion {
    ServedVersion {
        script: "web".into(),
        version_id: "v".into(),
        tag: None,
        created_on: String::new(),
        main_module: main.map(str::to_owned),
        modules: Vec::new(),
        compatibility_date: Some("2026-01-01".into()),
        compatibility_flags: Vec::new(),
        bindings: Vec::new(),
        assets: None,
        body_part: None,
    }
}

/// Status, then `location` or the body; `worker` when the Worker is to be asked.
async fn ask(method: &str, target: &str, headers: &[(&str, &str)], main: Option<&str>) -> String {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let version = version(main);
    let asked = AssetRequest { account: "a", version: &version, host: "a.test", parts: &parts };
    let Some(answer) = before_worker(asked, &assets(), &Echo).await else {
        return "worker".to_owned();
    };
    let status = answer.status().as_u16();
    let location = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    format!("{status} {}", location.unwrap_or(body))
}

#[tokio::test]
async fn assets_come_first_except_where_the_worker_does() {
    let main = Some("index.js");
    let navigate = [("sec-fetch-mode", "navigate")];
    for (method, target, headers, expected) in [
        ("GET", "/", &[][..], "200 hash of /index.html"),
        ("GET", "/about?x=1", &[], "200 hash of /about.html"),
        ("GET", "/about.html?x=1", &[], "307 /about?x=1"),
        ("GET", "/sp%20ace", &[], "200 hash of /sp ace.html"),
        ("GET", "/sp%20ace.html", &[], "307 /sp%20ace"),
        ("GET", "//evil.test/about.html", &[], "307 /evil.test/about.html"),
        ("GET", "/old?x=1", &[], "301 /about?x=1"),
        ("GET", "/shown", &[], "200 hash of /about.html"),
        ("GET", "/api/x", &[], "worker"),
        ("GET", "/api/docs/x", &[], "200 hash of /index.html"),
        ("GET", "/nothing", &[], "worker"),
        ("GET", "/nothing", &navigate, "200 hash of /index.html"),
        ("POST", "/about", &[], "worker"),
    ] {
        assert_eq!(ask(method, target, headers, main).await, expected, "{method} {target}");
    }
}

#[tokio::test]
async fn a_worker_of_assets_only_answers_everything_itself() {
    for (method, target, expected) in [
        ("GET", "/api/x", "200 hash of /index.html"),
        ("GET", "/nothing", "200 hash of /index.html"),
        ("HEAD", "/about", "200 "),
        ("POST", "/about", "405 "),
    ] {
        let answer = ask(method, target, &[], None).await;
        assert_eq!(answer, expected, "{method} {target}");
    }
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let etag = [("if-none-match", "W/\"hash of /about.html\"")];
    assert_eq!(ask("GET", "/about", &etag, None).await, "304 ");
    let other = [("if-none-match", "\"another\"")];
    assert_eq!(ask("GET", "/about", &other, None).await, "200 hash of /about.html");
}

#[tokio::test]
async fn custom_headers_replace_ours() {
    let (parts, ()) = Request::get("/about").body(()).unwrap().into_parts();
    let version = version(None);
    let asked = AssetRequest { account: "a", version: &version, host: "a.test", parts: &parts };
    let answer = serve(asked, &assets(), &Echo).await;
    assert_eq!(answer.headers()["x-custom"], "1");
    assert!(!answer.headers().contains_key(header::CACHE_CONTROL));
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
}
