use crate::support::{HEX, TOKEN, account, client, json, ok, refused};
use clodo_cf_api::{analytics, d1, kv, secrets, zones};
use clodo_http::{Answer, TransportKind};
use clodo_types::Secret;
use http::HeaderValue;
use std::{
    io,
    sync::{Arc, Mutex},
};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is written about spans while `calls` run.
async fn seen(calls: impl Future<Output = ()>) -> String {
    let page = Page::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(page.clone())
        .finish();
    calls.with_subscriber(subscriber).await;
    String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_way_to_call_is_a_span_of_the_same_fields() {
    let database = r#"{"uuid":"018f3c5e-0000-7000-8000-000000000000","name":"books"}"#;
    let graphql = json(200, r#"{"data":{"viewer":{"accounts":[{}]}},"errors":null}"#);
    let answers = [
        ok(r#"[]"#),
        refused(404, 10009),
        ok(database),
        ok(&format!("[{{\"results\":[{{\"secret\":\"{BODY}\"}}],\"meta\":{{}}}}]")),
        graphql,
        json(200, BODY),
        Answer::fail(TransportKind::Other),
    ];
    let (client, _) = client(answers);
    let (account, namespace) = (account(), HEX.parse().unwrap());
    let text = seen(async {
        client.list(zones::list_zones(&account)).await.unwrap();
        client.find(kv::value(&account, &namespace, "key")).await.unwrap();
        let new = d1::NewDatabase::named("books".parse().unwrap());
        let id = client.ensure_database(&account, &new).await.unwrap().resource.id;
        let sql = d1::Sql::new(format!("SELECT '{BODY}'")).bind(BODY);
        client.send(d1::query(&account, &id, &sql)).await.unwrap();
        let time = analytics::TimeRange::new("a", "b");
        client.send(analytics::d1_storage(&account, &time)).await.unwrap();
        let url = Secret::new(format!("https://files.test/f?signature={BODY}"));
        client.send(d1::put_import_file(&url, BODY)).await.unwrap();
        let new = kv::NewValue::new("key", BODY);
        client.send(kv::put_value(&account, &namespace, new)).await.unwrap_err();
    })
    .await;
    let values = "/accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}";
    for (method, template, rest) in [
        ("GET", "/zones", "status=200"),
        ("GET", values, "status=404 error=NotFound"),
        ("POST", "/accounts/{account}/d1/database", "status=200"),
        ("POST", "/accounts/{account}/d1/database/{database}/query", "status=200"),
        ("POST", "/graphql", "status=200"),
        ("PUT", "the upload of a D1 import", "status=200"),
        ("PUT", values, "error=Transport"),
    ] {
        let want =
            format!("cloudflare{{method={method} template={template:?} attempt=1 {rest}}}: ");
        assert!(text.contains(&want), "{want} is missing in\n{text}");
    }
    let spans = text.matches("cloudflare{").count();
    assert!(7 <= spans, "{text}");
    for secret in [TOKEN, BODY, "signature"] {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
}

/// What stands in bodies and in a query, and may stand nowhere else.
const BODY: &str = "hunter2";

#[tokio::test(start_paused = true)]
async fn each_attempt_is_a_span_without_secrets() {
    let ray = HeaderValue::from_static("8a1-FRA");
    let busy = json(429, r#"{"success":false,"errors":null}"#).with_header("cf-ray", ray.clone());
    let done = ok(r#"{"name":"KEY","type":"secret_text"}"#).with_header("cf-ray", ray);
    let (client, _) = client([busy, done]);
    let new = secrets::NewSecret { name: "KEY".parse().unwrap(), text: Secret::new("hunter2") };
    let put = secrets::put_secret(&account(), &"web".parse().unwrap(), &new);
    let text = seen(async {
        client.send(put).await.unwrap();
    })
    .await;
    for want in [
        "template=\"/accounts/{account}/workers/scripts/{worker}/secrets\"",
        "attempt=1",
        "attempt=2",
        "status=429",
        "status=200",
        "ray_id=\"8a1-FRA\"",
        "error=RateLimited",
    ] {
        assert!(text.contains(want), "{want} is missing in\n{text}");
    }
    assert!(!text.contains("hunter2") && !text.contains(TOKEN), "{text}");
}
