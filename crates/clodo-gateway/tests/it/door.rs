use crate::world::{World, asks, ok, options, read};
use clodo_gateway::Caller;
use clodo_http::{Answer, Body, Scripted, Timeout, TransportKind};
use http::{Method, Request, StatusCode};
use std::{sync::Arc, time::Duration};

async fn refusal(world: &World, request: Request<Body>) -> (u16, String) {
    let answer = world.send(request).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let (status, text) = read(answer).await;
    assert!(text.starts_with(r#"{"success":false,"errors":[{"code":99"#), "{text}");
    assert!(text.contains("clodo-gateway:"), "{text}");
    (status, text)
}

#[tokio::test]
async fn what_may_not_pass_is_refused_in_cloudflare_s_shape_and_never_sent() {
    let world = World::answering(options(), |_| ok());
    let plain = |method: Method, uri: &str| {
        Request::builder().method(method).uri(uri).header("host", "127.0.0.1:8790")
    };
    for (request, status) in [
        (Request::get("/client/v4/user"), 403),
        (Request::get("/client/v4/user").header("host", "evil.test"), 403),
        (plain(Method::GET, "/client/v4/user").header("origin", "https://evil.test"), 403),
        (plain(Method::POST, "/client/v4/user").header("sec-fetch-site", "cross-site"), 403),
        (plain(Method::GET, "http://evil.test/client/v4/user"), 403),
        (plain(Method::GET, "/"), 404),
        (plain(Method::GET, "/client/v4x/user"), 404),
        (plain(Method::GET, "/client/v4/../../clodo/stop"), 400),
        (plain(Method::GET, "/client/v4/%2e%2e/%2E%2e/clodo/stop"), 400),
        (plain(Method::TRACE, "/client/v4/user"), 405),
        (plain(Method::CONNECT, "127.0.0.1:80"), 405),
        (plain(Method::POST, "/clodo/gateway/status"), 405),
        (Request::get("/clodo/gateway/status").header("host", "evil.test"), 403),
    ] {
        let request = request.body(Body::empty()).unwrap();
        let shown = format!("{request:?}");
        assert_eq!(refusal(&world, request).await.0, status, "{shown}");
    }
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn a_gateway_in_front_of_itself_says_so() {
    let world = World::answering(options(), |_| ok());
    world.get("/user").await;
    let via = world.upstream.asked()[0].headers()["via"].clone();
    let request = asks(Method::GET, "/user").header("via", via).body(Body::empty()).unwrap();
    assert_eq!(refusal(&world, request).await.0, 508);
    assert_eq!(world.get_with("/zones", "via", "1.1 another-proxy").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_gone_late_or_lost_is_told_apart() {
    for (answer, status, says) in [
        (Answer::fail(TransportKind::Connect), 502, "nothing was sent"),
        (Answer::fail(TransportKind::Reset), 502, "may have had its effect"),
        (Answer::fail(TransportKind::Other), 502, "could not be sent"),
        (Answer::hang(), 504, "did not answer in time"),
    ] {
        let upstream = Arc::new(Scripted::new([answer]));
        let limit = Duration::from_secs(100);
        let upstream = Arc::new(Timeout::new(upstream, limit, limit));
        let gateway = crate::world::gateway(options(), upstream, Arc::default());
        let request = asks(Method::PUT, "/zones").body(Body::from("x")).unwrap();
        let answer = gateway.answer(Caller { port: 1, connection: 1 }, request).await;
        let (got, text) = read(answer).await;
        assert_eq!(got, status, "{text}");
        assert!(text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn the_call_arrives_as_the_client_made_it() {
    let world = World::answering(options(), |_| ok());
    let request = asks(Method::POST, "/accounts/a1/d1/database?name=a%20b&x=%2F")
        .header("authorization", "Bearer secret")
        .header("user-agent", "wrangler/4.86.0")
        .header("content-type", "text/plain;charset=UTF-8")
        .header("x-custom", "1")
        .header("x-custom", "2")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "gone")
        .header("expect", "100-continue");
    world.send(request.body(Body::from(r#"{"name":"db"}"#)).unwrap()).await;
    let asked = world.upstream.asked().remove(0);
    assert_eq!(asked.uri(), "https://api.test/client/v4/accounts/a1/d1/database?name=a%20b&x=%2F");
    assert_eq!(asked.headers()["authorization"], "Bearer secret");
    assert_eq!(asked.headers()["content-type"], "text/plain;charset=UTF-8");
    assert_eq!(asked.headers().get_all("x-custom").iter().count(), 2);
    for gone in ["host", "connection", "x-hop", "expect", "content-length"] {
        assert!(!asked.headers().contains_key(gone), "{gone}");
    }
    assert_eq!(asked.body(), r#"{"name":"db"}"#);
}

#[tokio::test]
async fn any_status_of_the_api_is_passed_on_with_its_headers() {
    for status in [200, 201, 204, 301, 304, 400, 401, 403, 404, 409, 500, 503, 522] {
        let world = World::answering(options(), move |_| {
            let answer = Answer::json(StatusCode::from_u16(status).unwrap(), "{}");
            answer
                .with_header("cf-ray", "1-LOC".parse().unwrap())
                .with_header("connection", "close".parse().unwrap())
        });
        let answer = world.send(asks(Method::GET, "/zones").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["cf-ray"], "1-LOC");
        assert!(!answer.headers().contains_key("connection"));
    }
}
