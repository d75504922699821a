//! Limits, on demand: calls per window, quotas, slow propagation.

use crate::api_support::{Answer, Api, module};
use serde_json::{Value, json};
use std::time::Duration;

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

// conformance: limits | 1,200 calls per five minutes and user, `Ratelimit`, `Ratelimit-Policy` | documented
// conformance: limits | 429 with `Retry-After`, then blocked for the window | documented
#[tokio::test]
async fn the_real_limit_is_said_in_headers_and_then_holds_for_a_window() {
    let api = Api::new().await;
    assert_eq!(header(&api.get("/zones").await, "ratelimit"), "", "off unless asked for");
    let real = api.control("PUT", "limits", json!({ "limits": "real" })).await.result();
    assert_eq!((&real["calls"], &real["plan"]), (&"1200/300s".into(), &"paid".into()));
    let mut last = api.get("/zones").await;
    assert_eq!(header(&last, "ratelimit"), "\"default\";r=1199;t=300");
    assert_eq!(header(&last, "ratelimit-policy"), "\"default\";q=1200;w=300");
    for call in 1..1_200 {
        if call % 150 == 0 {
            api.clock.advance(Duration::from_secs(1));
        }
        last = api.get("/zones").await;
    }
    assert_eq!((last.status, header(&last, "ratelimit")), (200, "\"default\";r=0;t=293"));
    let refused = api.get("/zones").await;
    assert_eq!(refused.error(), (429, 971));
    assert_eq!(header(&refused, "retry-after"), "300", "blocked from now on");
    assert_eq!(header(&refused, "ratelimit"), "\"default\";r=0;t=300");
    api.clock.advance(Duration::from_secs(299));
    let still = api.get("/zones").await;
    assert_eq!((still.status, header(&still, "retry-after")), (429, "1"));
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(api.get("/zones").await.status, 200);
    let status = api.control("GET", "status", Value::Null).await.result();
    assert_eq!(status["refused_by_limits"], 2);
}

// conformance: limits | all tokens of one user share a limit, an account token has its own | documented
#[tokio::test]
async fn tokens_of_one_user_share_and_others_do_not() {
    let api = Api::new().await;
    let seed = json!({ "tokens": [
        { "token": "same-user" }, { "token": "else", "user": "else@clodo.test" },
        { "token": "owned", "owner": "main", "permissions": ["D1 Read"] },
        { "token": "owned-too", "owner": "main", "permissions": ["D1 Read"] },
    ] });
    api.control("PUT", "seed", seed).await.result();
    api.control("PUT", "limits", json!({ "limits": "2/10s" })).await.result();
    let ask = async |token: &str| {
        api.with_token(token, "GET", "{acc}/d1/database", Value::Null).await.status
    };
    assert_eq!((ask("same-user").await, api.get("/zones").await.status), (200, 200));
    assert_eq!((ask("same-user").await, api.get("/zones").await.status), (429, 429));
    assert_eq!((ask("else").await, ask("owned").await, ask("owned-too").await), (200, 200, 200));
    assert_eq!((ask("owned").await, ask("owned").await, ask("owned-too").await), (200, 429, 200));
    api.control("PUT", "limits", json!({ "limits": "off" })).await.result();
    assert_eq!(ask("owned").await, 200, "whoever lifts the limits lifts the block");
}

// conformance: limits | 200 calls per second and address | documented
// conformance: limits | 320 GraphQL queries per five minutes | documented
#[tokio::test]
async fn an_address_and_the_graphql_api_have_limits_of_their_own() {
    let api = Api::new().await;
    api.control("PUT", "limits", json!({ "limits": "real" })).await.result();
    let mut refused = 0;
    for _ in 0..250 {
        refused += u32::from(api.get("/nowhere").await.status == 429);
    }
    assert_eq!(refused, 50);
    let mut answered = 0;
    for _ in 0..4 {
        api.clock.advance(Duration::from_secs(1));
        for _ in 0..100 {
            let answer = api
                .json("POST", "/graphql", json!({ "query": "{ viewer { zones { x } } }" }))
                .await;
            answered += u32::from(answer.status != 429);
        }
    }
    assert_eq!(answered, 320);
    assert_eq!(api.get("/zones").await.status, 200, "the other budget is untouched");
}

// conformance: limits | D1 databases, Workers, variables and size of a script by plan | guessed: the texts of codes 10037, 10054 and 10055, since only their numbers are known
#[tokio::test]
async fn the_free_plan_ends_where_it_is_documented_to_end() {
    let api = Api::new().await;
    api.control("PUT", "limits", json!({ "plan": "free" })).await.result();
    for n in 0..10 {
        api.json("POST", "{acc}/d1/database", json!({ "name": format!("db{n}") })).await.result();
    }
    let refused = api.json("POST", "{acc}/d1/database", json!({ "name": "one-more" })).await;
    assert_eq!(refused.error(), (400, 7406));
    let message = refused.json()["errors"][0]["message"].clone();
    assert_eq!(message, "System limit reached: databases per account (10)");
    for n in 0..100 {
        let path = format!("{{acc}}/workers/scripts/w{n}");
        api.upload("PUT", &path, module(json!([])), "export default 1").await.result();
    }
    let path = "{acc}/workers/scripts/one-more";
    let refused = api.upload("PUT", path, module(json!([])), "export default 1").await;
    assert_eq!(refused.error(), (403, 10037));
    let again =
        api.upload("PUT", "{acc}/workers/scripts/w7", module(json!([])), "export default 2").await;
    again.result();
    let text = "x".repeat(5_121);
    let large = module(json!([{ "type": "plain_text", "name": "V", "text": text }]));
    let refused = api.upload("PUT", "{acc}/workers/scripts/w7", large, "export default 3").await;
    assert_eq!(refused.error(), (400, 10054));
    api.control("PUT", "limits", json!({ "plan": "paid" })).await.result();
    api.json("POST", "{acc}/d1/database", json!({ "name": "one-more" })).await.result();
}

#[tokio::test]
async fn limits_that_cannot_be_are_refused_and_change_nothing() {
    let api = Api::new().await;
    for body in [
        json!({ "limits": "many" }),
        json!({ "limits": "0/1s" }),
        json!({ "plan": "gold" }),
        json!({ "propagation": "soon" }),
        json!({ "limit": "off" }),
        json!({ "limits": "30/10s", "propagation": "-1s" }),
        json!([]),
    ] {
        let answer = api.control("PUT", "limits", body.clone()).await;
        assert_eq!(answer.error(), (400, 10026), "{body}");
    }
    let shown = api.control("GET", "limits", Value::Null).await.result();
    assert_eq!(
        shown,
        json!({ "calls": null, "graphql": null, "per_address": null, "plan": null, "propagation": "0s" })
    );
}
