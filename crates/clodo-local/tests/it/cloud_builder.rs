//! A cloud from the library, as tests start one: limits, faults, late writes, tokens.

use crate::support::{
    client::{self, Answer},
    workerd,
};
use clodo_local::{CloudBuilder, Durability, Fault, FaultKind, Limits, LocalCloud, SeedToken};
use clodo_types::{Clock, ManualClock, Secret, SystemClock, Timestamp};
use http::Request;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

async fn builder() -> CloudBuilder {
    builder_at(Arc::new(SystemClock)).await
}

async fn builder_at(clock: Arc<dyn Clock>) -> CloudBuilder {
    LocalCloud::builder(&workerd::binary().await, clock)
        .account("main".parse().unwrap(), ["acme.test".parse().unwrap()])
        .durability(Durability::Normal)
}

/// A call, or `None` when no answer came.
async fn call(cloud: &LocalCloud, method: &str, path: &str, body: Value) -> Option<Answer> {
    let path = path.replace("{acc}", &format!("/accounts/{}", cloud.accounts()[0].id));
    let request = Request::builder()
        .method(method)
        .uri(format!("/client/v4{path}"))
        .header("host", format!("127.0.0.1:{}", cloud.port()))
        .header("authorization", format!("Bearer {}", cloud.token().expose()));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client::try_send(cloud.port(), request, body).await.ok()
}

async fn databases(cloud: &LocalCloud) -> usize {
    let list = call(cloud, "GET", "{acc}/d1/database", Value::Null).await.unwrap();
    list.json()["result"].as_array().unwrap().len()
}

// conformance: faults | cut connection before and after the effect, and in the middle of the answer | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_gives_no_answer_and_says_nothing_about_the_effect() {
    let cloud = builder().await.start().await.unwrap();
    let create =
        async |name: &str| call(&cloud, "POST", "{acc}/d1/database", json!({ "name": name })).await;
    for (kind, made) in
        [(FaultKind::CutBefore, 0), (FaultKind::CutAfter, 1), (FaultKind::CutBody, 2)]
    {
        cloud.add_fault(Fault::new(kind).on("POST /accounts/*/d1/database").unwrap());
        assert!(create(kind.name()).await.is_none(), "{kind:?}");
        cloud.clear_faults();
        assert_eq!(databases(&cloud).await, made, "{kind:?}");
    }
    assert_eq!(create("whole").await.unwrap().status, 200);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clouds_run_side_by_side_and_leave_nothing_behind() {
    let [a, b] = [builder().await.start(), builder().await.start()];
    let (a, b) = tokio::join!(a, b);
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_ne!(a.port(), b.port());
    call(&a, "POST", "{acc}/d1/database", json!({ "name": "shop" })).await.unwrap();
    assert_eq!((databases(&a).await, databases(&b).await), (1, 0));
    let folders = [a.state().folder().to_owned(), b.state().folder().to_owned()];
    assert!(folders.iter().all(|folder| folder.exists()));
    a.stop().await;
    drop(b);
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_faults_and_tokens_hold_from_the_first_call_on() {
    let mut reader = SeedToken::new(Secret::new("reader"));
    reader.permissions = vec!["D1 Read".to_owned()];
    reader.user = Some("else@clodo.test".to_owned());
    let cloud = builder()
        .await
        .limits(Limits::of_calls(2, Duration::from_secs(3_600)))
        .fault(Fault::new(FaultKind::ErrorBefore { status: 500 }).only_nth(1))
        .token(reader)
        .start()
        .await
        .unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(call(&cloud, "GET", "/zones", Value::Null).await.unwrap().status.as_u16());
    }
    assert_eq!(seen, [500, 200, 429]);
    let path = format!("/client/v4/accounts/{}/d1/database", cloud.accounts()[0].id);
    let as_reader = |method: &str| {
        Request::builder()
            .method(method)
            .uri(&path)
            .header("host", "localhost")
            .header("authorization", "Bearer reader")
    };
    assert_eq!(client::send(cloud.port(), as_reader("GET"), "").await.status, 200);
    assert_eq!(client::send(cloud.port(), as_reader("POST"), "{}").await.status, 403);
    cloud.set_limits(Limits::off());
    assert_eq!(call(&cloud, "GET", "/zones", Value::Null).await.unwrap().status, 200);
    assert_eq!(cloud.requests().reads, 6);
    cloud.stop().await;
}

// conformance: limits | eventual propagation: listings and hostnames show a write late | guessed: as late as the option says, and not for reads by id, since Cloudflare gives no figures
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_shows_in_listings_and_at_hostnames_when_it_has_arrived() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)));
    let late = Limits::off().with_propagation(Duration::from_secs(60));
    let cloud = builder_at(clock.clone()).await.limits(late).start().await.unwrap();
    let made = call(&cloud, "POST", "{acc}/d1/database", json!({ "name": "shop" })).await.unwrap();
    let id = made.json()["result"]["uuid"].as_str().unwrap().to_owned();
    let one = format!("{{acc}}/d1/database/{id}");
    assert_eq!(call(&cloud, "GET", &one, Value::Null).await.unwrap().status, 200);
    assert_eq!(databases(&cloud).await, 0, "not yet in the list");
    clock.advance(Duration::from_secs(59));
    assert_eq!(databases(&cloud).await, 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(databases(&cloud).await, 1);
    deploy(&cloud, "one").await;
    assert_eq!(page(&cloud).await, (404, String::new()), "the hostname is not known yet");
    clock.advance(Duration::from_secs(60));
    let served = async |text: &str| {
        while page(&cloud).await.1 != text {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), served("one")).await.unwrap();
    deploy(&cloud, "two").await;
    assert_eq!(page(&cloud).await.1, "one");
    clock.advance(Duration::from_secs(60));
    tokio::time::timeout(Duration::from_secs(20), served("two")).await.unwrap();
    cloud.stop().await;
}

async fn page(cloud: &LocalCloud) -> (u16, String) {
    let answer = client::get(cloud.port(), "shop.acme.test", "/").await;
    let text = if answer.status == 200 { answer.text() } else { String::new() };
    (answer.status.as_u16(), text)
}

async fn deploy(cloud: &LocalCloud, text: &str) {
    let metadata = json!({ "main_module": "i.js", "compatibility_date": "2026-01-01" });
    let form = format!(
        "--B\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n--B\r\n\
         content-disposition: form-data; name=\"i.js\"; filename=\"i.js\"\r\n\
         content-type: application/javascript+module\r\n\r\n\
         export default {{ fetch() {{ return new Response('{text}') }} }};\r\n--B--\r\n"
    );
    let request = Request::put(format!(
        "/client/v4/accounts/{}/workers/scripts/shop",
        cloud.accounts()[0].id
    ))
    .header("host", "127.0.0.1")
    .header("authorization", format!("Bearer {}", cloud.token().expose()))
    .header("content-type", "multipart/form-data; boundary=B");
    let answer = client::send(cloud.port(), request, form).await;
    assert_eq!(answer.json()["success"], true, "{}", answer.text());
    let domain =
        json!({ "hostname": "shop.acme.test", "service": "shop", "zone_name": "acme.test" });
    let attached = call(cloud, "PUT", "{acc}/workers/domains", domain).await.unwrap();
    assert_eq!(attached.status, 200);
}
