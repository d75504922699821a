use crate::support::{TOKEN, account, client, json, ok, refused, status, worker};
use clodo_cf_api::{
    ApiErrorKind, Client, ClientOptions, Endpoint, Repeat, d1, dns, identity, kv, secrets, workers,
};
use clodo_http::{Answer, Scripted};
use clodo_types::Secret;
use http::{HeaderValue, Method};
use std::{error::Error, sync::Arc};

async fn kind_of(answer: Answer) -> ApiErrorKind {
    let (client, wire) = client([answer]);
    let error = client.send(workers::worker(&account(), &worker())).await.unwrap_err();
    assert_eq!(wire.asked().len(), 1, "{error}");
    error.kind()
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_envelope_is_told_from_one_that_refuses() {
    use ApiErrorKind::{
        Auth, Invalid, Limit, NoRoute, NotFound, Permission, Protocol, Unavailable,
    };
    let page = "<html><head><title>Sign in</title></head></html>";
    for (answer, want) in [
        (json(200, page), Protocol),
        (json(200, r#"{"success":true,"result":{"id":"#), Protocol),
        (json(200, r#"{"success":true,"result":{"id":7}}"#), Protocol),
        (json(200, r#"{"success":true}"#), Protocol),
        (json(200, ""), Protocol),
        (json(200, r#"{"result":{}}"#), Protocol),
        (json(302, page), Protocol),
        (json(404, page), Protocol),
        (json(400, page), Protocol),
        (json(404, ""), NotFound),
        (json(401, page), Auth),
        (json(403, page), Permission),
        (json(413, page), Limit),
        (json(501, page), Unavailable),
        (json(404, r#"{"success":true,"result":{"id":"a","name":"web"}}"#), NotFound),
        (refused(200, 10021), Invalid),
        (refused(404, 10007), NotFound),
        (refused(404, 7003), NoRoute),
        (json(200, r#"{"success":false,"errors":null}"#), Invalid),
    ] {
        let shown = format!("{answer:?}");
        assert_eq!(kind_of(answer).await, want, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_firewall_s_challenge_is_a_matter_of_permission() {
    let answer =
        json(200, "<html>").with_header("cf-mitigated", HeaderValue::from_static("challenge"));
    assert_eq!(kind_of(answer).await, ApiErrorKind::Permission);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_which_call_what_cloudflare_said_and_its_ray() {
    let answer = json(
        400,
        r#"{"success":false,"errors":[{"code":10021,"message":"Uncaught SyntaxError"},"more"]}"#,
    )
    .with_header("cf-ray", HeaderValue::from_static("8a1-FRA"));
    let (client, _) = client([answer]);
    let error = client.send(workers::worker(&account(), &worker())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /accounts/0123456789abcdef0123456789abcdef/workers/workers/web failed with status \
         400: Uncaught SyntaxError [code 10021]; more"
    );
    assert_eq!(error.ray_id(), Some("8a1-FRA"));
    assert_eq!(error.status(), Some(status(400)));
    assert_eq!(error.template(), "/accounts/{account}/workers/workers/{worker}");
    assert!(error.has_code(10021) && !error.has_code(1));
    assert!(!error.may_have_happened());
    assert!(!error.advice().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_quotes_the_token_does_not_make_the_error_show_it() {
    let quoted = |code, body: &str| json(code, body.replace("TOKEN", TOKEN));
    for answer in [
        quoted(400, r#"{"success":false,"errors":[{"code":6003,"message":"bad TOKEN"}]}"#),
        quoted(502, "<html>Authorization: Bearer TOKEN</html>"),
        quoted(200, r#"{"success":true,"result":{"id":"a","name":"TOKEN TOKEN"}}"#),
        quoted(200, r#"{"success":false,"errors":[{"message":"x","source":{"pointer":"TOKEN"}}]}"#),
    ] {
        let (client, _) = client(std::iter::repeat_n(answer, 4));
        let error = client.send(workers::worker(&account(), &worker())).await.unwrap_err();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        let shown = format!("{error} {error:?} {cause} {client:?}");
        assert!(!shown.contains(TOKEN), "{shown}");
    }
}

#[tokio::test]
async fn a_call_carries_the_token_the_agent_and_its_body() {
    let (client, wire) = client([ok(r#"{"name":"KEY","type":"secret_text"}"#)]);
    let secret = secrets::NewSecret { name: "KEY".parse().unwrap(), text: Secret::new("hunter2") };
    let put = secrets::put_secret(&account(), &worker(), &secret);
    assert!(!format!("{put:?}").contains("hunter2"));
    client.send(put).await.unwrap();
    let asked = &wire.asked()[0];
    assert_eq!(asked.method(), Method::PUT);
    assert_eq!(asked.headers()["authorization"], format!("Bearer {TOKEN}"));
    assert!(asked.headers()["authorization"].is_sensitive());
    assert!(asked.headers()["user-agent"].to_str().unwrap().starts_with("clodo/"));
    assert_eq!(asked.headers()["content-type"], "application/json");
    assert_eq!(asked.body(), r#"{"name":"KEY","text":"hunter2","type":"secret_text"}"#);
    assert_eq!(
        asked.uri().to_string(),
        "http://127.0.0.1:8787/client/v4/accounts/0123456789abcdef0123456789abcdef\
         /workers/scripts/web/secrets"
    );
}

#[tokio::test]
async fn an_empty_answer_will_do_where_nothing_is_expected() {
    for answer in [json(200, ""), json(204, ""), json(200, "\n"), ok("null"), ok(r#"{"id":"x"}"#)] {
        let (client, _) = client([answer]);
        let gone = kv::delete_value(&account(), &crate::support::HEX.parse().unwrap(), "k");
        client.send(gone).await.unwrap();
    }
}

#[tokio::test]
async fn a_value_is_raw_bytes_and_its_absence_is_found_out() {
    let namespace = crate::support::HEX.parse().unwrap();
    let (client, wire) = client([json(200, "\u{0}raw"), refused(404, 10009)]);
    let get = || kv::value(&account(), &namespace, "a/b?ü");
    let response = client.find(get()).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect(10).await.unwrap(), "\u{0}raw");
    assert!(client.find(get()).await.unwrap().is_none());
    assert!(wire.lines()[0].ends_with("/values/a%2Fb%3F%C3%BC"));
}

#[tokio::test]
async fn a_key_that_would_move_the_path_never_leaves() {
    let namespace = crate::support::HEX.parse().unwrap();
    for key in ["", ".", ".."] {
        let (client, wire) = client([ok("null")]);
        let error = client.send(kv::delete_value(&account(), &namespace, key)).await.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Request);
        assert!(wire.asked().is_empty(), "{key:?}");
    }
}

#[tokio::test]
async fn an_own_endpoint_is_as_good_as_ours() {
    let (client, wire) = client([ok(r#"["a"]"#)]);
    let endpoint: Endpoint<Vec<String>> =
        Endpoint::new(Method::POST, "/zones/{zone}/odd", Repeat::Never)
            .at("zone", "z 1")
            .with_query("q", "&")
            .with_json(&[1]);
    assert_eq!(client.send(endpoint).await.unwrap(), ["a"]);
    assert_eq!(wire.lines(), ["POST /client/v4/zones/z%201/odd?q=%26"]);
}

#[tokio::test]
async fn a_signed_url_gets_no_token() {
    let (client, wire) = client([json(200, "")]);
    let url = Secret::new("https://upload.test/file?signature=hunter2");
    client.send(d1::put_import_file(&url, "select 1;")).await.unwrap();
    let asked = &wire.asked()[0];
    assert_eq!(asked.uri(), "https://upload.test/file?signature=hunter2");
    assert!(!asked.headers().contains_key("authorization"));

    let broken = d1::put_import_file(&Secret::new("no url hunter2"), "");
    let error = client.send(broken).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Request);
    assert!(!error.to_string().contains("hunter2"));
}

#[tokio::test]
async fn an_answer_larger_than_the_limit_is_not_read() {
    let wire = Arc::new(Scripted::new([ok(&format!("\"{}\"", "x".repeat(100)))]));
    let mut options = ClientOptions::cloudflare(Secret::new(TOKEN));
    options.answer_limit = 100;
    let client = Client::new(wire, options).unwrap();
    let error = client.send(identity::user()).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Protocol);
}

#[tokio::test]
async fn an_import_of_records_says_which_it_did_not_make() {
    let answer = r#"{"success":true,"errors":[],"messages":[{"code":81053,"message":"a.test: taken"}],
        "result":{"recs_added":1,"recs_added_by_type":{"A":1},"total_records_parsed":2}}"#;
    let (client, _) = client([json(200, answer)]);
    let zone = crate::support::HEX.parse().unwrap();
    let import = dns::import(&zone, "a 1 A 192.0.2.1", dns::ImportProxying::Proxied).unwrap();
    let done = client.send(import).await.unwrap();
    assert_eq!((done.added, done.parsed), (1, 2));
    assert_eq!(
        (done.refused[0].code, done.refused[0].text.as_str()),
        (Some(81053), "a.test: taken")
    );
}

#[tokio::test]
async fn a_value_with_metadata_travels_as_a_form() {
    let namespace = crate::support::HEX.parse().unwrap();
    let (client, wire) = client([ok("null")]);
    let mut new = kv::NewValue::new("k", "content");
    new.metadata = Some(serde_json::json!({"x": 1}));
    new.lifetime = kv::Lifetime::Seconds(90);
    client.send(kv::put_value(&account(), &namespace, new)).await.unwrap();
    let asked = &wire.asked()[0];
    assert_eq!(asked.uri().query(), Some("expiration_ttl=90"));
    let body = String::from_utf8(asked.body().to_vec()).unwrap();
    assert!(body.contains("name=\"value\"\r\n\r\ncontent\r\n"), "{body}");
    assert!(body.contains("name=\"metadata\"\r\n\r\n{\"x\":1}\r\n"), "{body}");
}
