use crate::support::{HEX, ID, account, client, json, ok, refused};
use clodo_cf_api::{ApiErrorKind, Client, ClientOptions, Origin, d1, r2};
use clodo_http::{Answer, Scripted, TransportKind};
use clodo_types::{NamespaceTitle, Secret};
use http::Method;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

fn new() -> d1::NewDatabase {
    d1::NewDatabase::named("catalog".parse().unwrap())
}

fn one(name: &str) -> String {
    format!(r#"{{"uuid":"{ID}","name":"{name}"}}"#)
}

async fn check(answers: Vec<Answer>, want: Result<Origin, ApiErrorKind>, lines: &[&str]) {
    let shown = format!("{answers:?}");
    let (client, wire) = client(answers);
    let got = client.ensure_database(&account(), &new()).await;
    assert_eq!(got.map(|d| d.origin).map_err(|e| e.kind()), want, "{shown}");
    let methods: Vec<_> = wire.asked().iter().map(|asked| asked.method().to_string()).collect();
    assert_eq!(methods, lines, "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_looked_up_before_it_is_repeated() {
    let lost = || Answer::fail(TransportKind::Timeout);
    let found = || ok(&format!("[{},{}]", one("catalog-old"), one("catalog")));
    let none = || ok(&format!("[{}]", one("catalog-old")));
    let exists = || refused(400, 7502);
    let created = || ok(&one("catalog"));
    check(vec![created()], Ok(Origin::Created), &["POST"]).await;
    check(vec![exists(), found()], Ok(Origin::Existed), &["POST", "GET"]).await;
    check(vec![lost(), found()], Ok(Origin::Unclear), &["POST", "GET"]).await;
    check(vec![lost(), none(), created()], Ok(Origin::Created), &["POST", "GET", "POST"]).await;
    check(
        vec![json(502, ""), none(), exists(), found()],
        Ok(Origin::Unclear),
        &["POST", "GET", "POST", "GET"],
    )
    .await;
    // It never arrived, or was refused at the door: no look-up is needed.
    check(
        vec![Answer::fail(TransportKind::Connect), refused(429, 0), created()],
        Ok(Origin::Created),
        &["POST", "POST", "POST"],
    )
    .await;
    check(vec![refused(400, 7406)], Err(ApiErrorKind::Limit), &["POST"]).await;
    check(vec![exists(), none()], Err(ApiErrorKind::Exists), &["POST", "GET"]).await;
    check(vec![lost(), refused(403, 10000)], Err(ApiErrorKind::Permission), &["POST", "GET"]).await;
}

#[tokio::test(start_paused = true)]
async fn attempts_to_create_end() {
    let answers =
        (0..20).map(|at| if at % 2 == 0 { Answer::fail(TransportKind::Reset) } else { ok("[]") });
    let (client, wire) = client(answers);
    let error = client.ensure_database(&account(), &new()).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Transport);
    assert!(error.may_have_happened());
    assert_eq!(wire.asked().len(), 8);
}

/// A server that carries out every creation and loses every second answer.
#[tokio::test(start_paused = true)]
async fn a_server_that_loses_answers_ends_up_with_one_namespace() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let item = format!(r#"{{"id":"{HEX}","title":"cache"}}"#);
    let wire = Scripted::answering(move |asked| match *asked.method() {
        Method::POST => {
            count.fetch_add(1, Ordering::SeqCst);
            Answer::fail(TransportKind::Reset)
        }
        _ if count.load(Ordering::SeqCst) == 0 => ok("[]"),
        _ => ok(&format!("[{item}]")),
    });
    let options = ClientOptions::cloudflare(Secret::new("token"));
    let client = Client::new(Arc::new(wire), options).unwrap();
    let title: NamespaceTitle = "cache".parse().unwrap();
    let ensured = client.ensure_namespace(&account(), &title).await.unwrap();
    assert_eq!(ensured.resource.id.as_str(), HEX);
    assert_eq!(ensured.origin, Origin::Unclear);
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_exists_is_found_by_its_name() {
    let (client, wire) = client([refused(409, 10004), ok(r#"{"name":"media"}"#)]);
    let new = r2::NewBucket::named("media".parse().unwrap());
    let ensured = client.ensure_bucket(&account(), &new).await.unwrap();
    assert_eq!(ensured.origin, Origin::Existed);
    assert_eq!(wire.asked()[0].body(), r#"{"name":"media"}"#);
    assert!(wire.lines()[1].ends_with("/r2/buckets/media"));
}
