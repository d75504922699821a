use crate::wire::{Running, in_front_of, json, send, upstream};
use clodo_gateway::Drained;
use clodo_gateway::{GatewayStatus, StatusError};
use clodo_http::{Body, ReqwestHttp, ReqwestOptions};
use http::Request;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

#[tokio::test]
async fn what_is_under_way_is_finished_and_who_waits_is_sent_away() {
    let (begun, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let port = upstream({
        let (begun, go_on) = (begun.clone(), go_on.clone());
        move |_| {
            let (begun, go_on) = (begun.clone(), go_on.clone());
            async move {
                begun.add_permits(1);
                let _ = go_on.acquire().await.unwrap();
                json(r#"{"result":"done"}"#)
            }
        }
    })
    .await;
    let options = in_front_of(port).with_budget(Some("1/1h".parse().unwrap()));
    let running = Running::start(options.with_longest_wait(Duration::from_secs(7200))).await;
    let url = |number: u32| running.url(&format!("/zones?page={number}"));
    let get = |number| Request::get(url(number)).body(Body::empty()).unwrap();
    let sent = tokio::spawn(send(get(1)));
    begun.acquire().await.unwrap().forget();
    let waiting = tokio::spawn(send(get(2)));
    while running.gateway.status().waiting == 0 {
        tokio::task::yield_now().await;
    }
    running.stop.cancel();
    assert_eq!(waiting.await.unwrap().status(), 503);
    go_on.add_permits(1);
    let finished = sent.await.unwrap();
    assert_eq!(finished.status(), 200);
    assert_eq!(finished.into_body().collect(1 << 20).await.unwrap(), r#"{"result":"done"}"#);
    let drained = timeout(Duration::from_secs(10), running.served).await.unwrap().unwrap();
    assert_eq!(drained, Drained { cut: 0 });
}

#[tokio::test]
async fn what_never_ends_is_cut_and_counted() {
    let port = upstream(|_| std::future::pending()).await;
    let running = Running::with_patience(in_front_of(port), Duration::from_millis(100)).await;
    let stuck = tokio::spawn({
        let request = Request::get(running.url("/zones")).body(Body::empty()).unwrap();
        let http = ReqwestHttp::new(&ReqwestOptions::default()).unwrap();
        async move { clodo_http::HttpService::call(&http, request).await.is_err() }
    });
    while running.gateway.status().in_gateway == 0 {
        tokio::task::yield_now().await;
    }
    running.stop.cancel();
    let drained = timeout(Duration::from_secs(20), running.served).await.unwrap().unwrap();
    assert_eq!(drained.cut, 1);
    assert!(stuck.await.unwrap());
}

#[tokio::test]
async fn a_running_gateway_tells_how_it_stands_and_nothing_else_is_taken_for_one() {
    let port = upstream(|_| async { json(r#"{"success":true}"#) }).await;
    let running = Running::start(in_front_of(port)).await;
    send(Request::get(running.url("/zones")).body(Body::empty()).unwrap()).await;
    let http = ReqwestHttp::new(&ReqwestOptions::default()).unwrap();
    let status = GatewayStatus::ask(&http, running.port).await.unwrap();
    assert_eq!(status.upstream, format!("http://127.0.0.1:{port}/client/v4"));
    assert_eq!((status.calls.total, status.pid), (1, std::process::id()));
    let other = GatewayStatus::ask(&http, port).await.unwrap_err();
    assert!(matches!(other, StatusError::NotAGateway { .. }));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = GatewayStatus::ask(&http, nobody).await.unwrap_err();
    assert!(matches!(nobody, StatusError::NotRunning { .. }));
}
