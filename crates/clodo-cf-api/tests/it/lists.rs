use crate::support::{HEX, account, client, client_of, json, refused, worker};
use clodo_cf_api::{ApiErrorKind, ListEndpoint, Paging, kv, r2, versions};
use clodo_http::{Answer, Scripted};
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;

fn page(items: &str, info: &str) -> Answer {
    json(200, format!(r#"{{"success":true,"result":{items},"result_info":{info}}}"#))
}

fn numbered() -> ListEndpoint<u32> {
    ListEndpoint::new("/numbers", Paging::Numbered { per_page: 3 })
}

async fn check(pages: Vec<Answer>, want: &[u32], calls: usize) {
    let shown = format!("{pages:?}");
    let (client, wire) = client(pages);
    assert_eq!(client.list(numbered()).await.unwrap(), want, "{shown}");
    assert_eq!(wire.asked().len(), calls, "{shown}");
}

#[tokio::test]
async fn a_numbered_list_ends_with_a_short_or_an_empty_page_whatever_its_totals_say() {
    let lies = r#"{"page":1,"total_count":0,"total_pages":0}"#;
    let more_lies = r#"{"total_count":9999,"total_pages":400}"#;
    check(vec![page("[]", "null")], &[], 1).await;
    check(vec![page("null", "null")], &[], 1).await;
    check(vec![page("[1,2]", more_lies)], &[1, 2], 1).await;
    check(vec![page("[1,2,3]", lies), page("[4]", lies)], &[1, 2, 3, 4], 2).await;
    check(vec![page("[1,2,3]", lies), page("[]", lies)], &[1, 2, 3], 2).await;
    // The server gives two at a time, and says so.
    let two = r#"{"per_page":2}"#;
    check(vec![page("[1,2]", two), page("[3,4]", two), page("[5]", two)], &[1, 2, 3, 4, 5], 3)
        .await;
    // More than was asked for is not the end either.
    check(vec![page("[1,2,3,4]", "{}"), page("[]", "{}")], &[1, 2, 3, 4], 2).await;
}

#[tokio::test]
async fn pages_are_asked_for_by_number() {
    let (client, wire) = client([page("[1,2,3]", "{}"), page("[]", "{}")]);
    client.list(numbered().with_query("name", "a b")).await.unwrap();
    assert_eq!(
        wire.lines(),
        [
            "GET /client/v4/numbers?name=a%20b&per_page=3&page=1",
            "GET /client/v4/numbers?name=a%20b&per_page=3&page=2"
        ]
    );
}

#[tokio::test]
async fn a_list_that_repeats_itself_is_an_error_and_not_a_loop() {
    let forever = Arc::new(Scripted::answering(|_| page("[1,2,3]", "{}")));
    let error = client_of(&forever).list(numbered()).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Protocol);
    assert_eq!(forever.asked().len(), 2);

    let forever = Arc::new(Scripted::answering(|asked| {
        let query = asked.uri().query().unwrap_or_default().len();
        page(&format!("[{query}]"), r#"{"cursor":"same"}"#)
    }));
    let list: ListEndpoint<u32> =
        ListEndpoint::new("/x", Paging::Cursor { size_name: "limit", size: 1 });
    let error = client_of(&forever).list(list).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Protocol);
    assert_eq!(forever.asked().len(), 2);
}

#[tokio::test]
async fn keys_follow_the_cursor_until_it_is_empty() {
    let (client, wire) = client([
        page(r#"[{"name":"a"}]"#, r#"{"cursor":"c/1","count":1}"#),
        page("[]", r#"{"cursor":"c2"}"#),
        page(r#"[{"name":"b","expiration":5,"metadata":{"x":1}}]"#, r#"{"cursor":""}"#),
    ]);
    let keys = client.list(kv::list_keys(&account(), &HEX.parse().unwrap(), "p:")).await.unwrap();
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let queries: Vec<_> =
        wire.asked().iter().map(|a| a.uri().query().unwrap().to_owned()).collect();
    assert_eq!(
        queries,
        [
            "prefix=p%3A&limit=1000",
            "prefix=p%3A&limit=1000&cursor=c%2F1",
            "prefix=p%3A&limit=1000&cursor=c2"
        ]
    );
}

#[tokio::test]
async fn a_cursor_can_stand_one_level_deeper() {
    let list: ListEndpoint<u32> =
        ListEndpoint::new("/x", Paging::CursorAfter { size_name: "limit", size: 2 });
    let (client, _) = client([
        page("[1]", r#"{"cursors":{"after":"x"}}"#),
        page("[2]", r#"{"cursors":{"after":""}}"#),
    ]);
    assert_eq!(client.list(list).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_list_can_be_a_field_of_the_result() {
    let (client, _) = client([
        page(r#"{"buckets":[{"name":"media"}]}"#, "{}"),
        page(r#"{"deployments":[]}"#, "{}"),
        page("{}", "{}"),
        page("null", "{}"),
    ]);
    assert_eq!(client.list(r2::list_buckets(&account())).await.unwrap()[0].name.as_str(), "media");
    for _ in 0..3 {
        let list = versions::list_deployments(&account(), &worker());
        assert!(client.list(list).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_stream_fetches_no_page_before_it_is_needed_and_ends_with_the_first_error() {
    let (client, wire) = client([page("[1,2,3]", "{}"), refused(403, 10000)]);
    let mut stream = Box::pin(client.stream(numbered()));
    assert!(wire.asked().is_empty());
    for want in 1..=3 {
        assert_eq!(stream.try_next().await.unwrap(), Some(want));
        assert_eq!(wire.asked().len(), 1);
    }
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Permission);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_list_of_something_else_is_an_error() {
    for body in [r#"{"a":1}"#, "[1,\"x\"]", "7"] {
        let (client, _) = client([page(body, "{}")]);
        let error = client.list(numbered()).await.unwrap_err();
        assert_eq!(error.kind(), ApiErrorKind::Protocol, "{body}");
    }
}
