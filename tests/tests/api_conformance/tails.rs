use crate::cloud::{Cloud, eventually};
use clodo_cf_api::{
    TokioSleeper,
    tails::{self, EventKind, Outcome, TailFilter, TailStream, WebSockets},
    triggers::{self, SubdomainChange},
};
use std::{sync::Arc, time::Duration};

// conformance: tails | POST /accounts/{account}/workers/scripts/{script}/tails | documented
// conformance: tails | GET /accounts/{account}/workers/scripts/{script}/tails | documented
// conformance: tails | POST /accounts/{account}/workers/scripts/{script}/tails/{tail}/heartbeat | documented
// conformance: tails | DELETE /accounts/{account}/workers/scripts/{script}/tails/{tail} | documented
// conformance: tails | websocket, subprotocol trace-v1, masked frames | documented
#[tokio::test]
async fn events_are_followed_live() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("tails").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let on = SubdomainChange { enabled: true, previews_enabled: None };
    client.send(triggers::set_subdomain(account, &worker, on)).await.unwrap();
    let filters = [TailFilter::Method(vec!["GET".to_owned()])];
    let tail = client.send(tails::create_tail(account, &worker, &filters)).await.unwrap();
    let open = client.send(tails::open_tails(account, &worker)).await.unwrap();
    assert!(open.0.iter().any(|one| one.id == tail.id));
    let sockets = WebSockets::new().unwrap();
    let mut events = TailStream::open(&sockets, Arc::new(TokioSleeper), &tail).await.unwrap();
    if !cloud.is_live() {
        let host = cloud.host(&worker).await;
        cloud.visit(&host, "/hello").await.unwrap();
        let event = next(&mut events).await;
        assert_eq!(
            (&event.outcome, event.script_name.as_deref()),
            (&Outcome::Ok, Some(worker.as_str()))
        );
        assert_eq!(event.logs[0].message, serde_json::json!(["asked", "/hello"]));
        assert!(matches!(event.event, Some(EventKind::Fetch { request, response: Some(response) })
            if request.method == "GET" && response.status == 200));
        cloud.visit(&host, "/throw").await.unwrap();
        let event = next(&mut events).await;
        assert_eq!(event.outcome, Outcome::Exception);
        assert_eq!(event.exceptions[0].message, "on purpose");
    }
    client.send(tails::keep_tail(account, &worker, &tail.id)).await.unwrap();
    client.send(tails::delete_tail(account, &worker, &tail.id)).await.unwrap();
    eventually(async || {
        let open = client.send(tails::open_tails(account, &worker)).await.unwrap();
        open.0.iter().all(|one| one.id != tail.id).then_some(())
    })
    .await;
    cloud.remove_worker(&worker).await;
}

async fn next(events: &mut TailStream) -> tails::TraceEvent {
    let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
    event.expect("an event within 20 s").unwrap().expect("the tail is open")
}
