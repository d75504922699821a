use crate::support::{TOKEN, account, client, json, ok};
use clodo_cf_api::secrets;
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

#[tokio::test(start_paused = true)]
async fn each_attempt_is_a_span_without_secrets() {
    let ray = HeaderValue::from_static("8a1-FRA");
    let busy = json(429, r#"{"success":false,"errors":null}"#).with_header("cf-ray", ray.clone());
    let done = ok(r#"{"name":"KEY","type":"secret_text"}"#).with_header("cf-ray", ray);
    let (client, _) = client([busy, done]);
    let page = Page::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(page.clone())
        .finish();
    let new = secrets::NewSecret { name: "KEY".parse().unwrap(), text: Secret::new("hunter2") };
    let put = secrets::put_secret(&account(), &"web".parse().unwrap(), &new);
    client.send(put).with_subscriber(subscriber).await.unwrap();
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
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
