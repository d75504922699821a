use super::*;
use crate::analytics::{Recorder, Store};
use clodo_types::{Clock, ManualClock, Timestamp};
use clodo_workerd::{Invocation, Outcome};
use std::{sync::Arc, time::Duration};

/// 2026-11-20T12:00:30Z
const NOON: i64 = 1_795_176_030_000;

struct World {
    store: Store,
    _folder: tempfile::TempDir,
}

#[async_trait]
impl Viewing for World {
    fn accounts(&self) -> Vec<String> {
        vec!["a".into(), "b".into()]
    }

    async fn sample(&self, _account: &str, _dataset: Dataset, _only: Option<&str>) {}
}

impl World {
    /// Three requests of v1 at noon, one that threw; two of v2 seven minutes later.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOON)));
        let store =
            Store::at(folder.path().join("figures.sqlite"), Arc::clone(&clock) as Arc<dyn Clock>);
        let recorder = Recorder::new(store.clone());
        let invoked = |script, version, outcome, millis| {
            let invocation = Invocation::event("a", script, version)
                .took(clock.now(), Duration::from_millis(millis))
                .ended(outcome);
            recorder.invoked(&invocation);
        };
        recorder.fetched("a", "shop");
        recorder.fetched("a", "shop");
        invoked("shop", "v1", Outcome::Success, 10);
        invoked("shop", "v1", Outcome::Success, 20);
        invoked("shop", "v1", Outcome::ScriptThrewException, 30);
        invoked("cart", "c1", Outcome::ClientDisconnected, 5);
        clock.advance(Duration::from_secs(7 * 60));
        invoked("shop", "v2", Outcome::Success, 40);
        invoked("shop", "v2", Outcome::ExceededResources, 50);
        Self { store, _folder: folder }
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        let asked = json!({ "query": query, "variables": variables });
        answer(&self.store, &serde_json::from_value(asked).unwrap(), self).await
    }

    /// The rows of the one node of `workersInvocationsAdaptive(arguments) { fields }`.
    async fn rows(&self, arguments: &str, fields: &str) -> Value {
        let query = format!(
            "{{ viewer {{ accounts(filter: {{accountTag: \"a\"}}) {{ \
             workersInvocationsAdaptive({arguments}) {{ {fields} }} }} }} }}"
        );
        let answer = self.ask(&query, Value::Null).await;
        assert_eq!(answer["errors"], Value::Null, "{query}");
        answer["data"]["viewer"]["accounts"][0]["workersInvocationsAdaptive"].clone()
    }

    async fn refusal(&self, query: &str) -> Value {
        let answer = self.ask(query, Value::Null).await;
        assert_eq!(answer["data"], Value::Null, "{query}");
        assert!(answer["errors"][0]["extensions"]["timestamp"].is_string());
        answer["errors"][0].clone()
    }
}

#[tokio::test]
async fn sums_are_grouped_by_the_dimensions_that_are_shown() {
    let world = World::new();
    let sums = "sum { requests errors clientDisconnects subrequests cpuTimeUs }";
    let all = world.rows("limit: 10", sums).await;
    let expected = json!([{ "sum": {
        "requests": 6, "errors": 2, "clientDisconnects": 1, "subrequests": 2, "cpuTimeUs": 0,
    } }]);
    assert_eq!(all, expected);
    for (dimensions, expected) in [
        ("scriptName", json!([["cart", 1], ["shop", 5]])),
        ("scriptVersion", json!([["c1", 1], ["v1", 3], ["v2", 2]])),
        (
            "status",
            json!([
                ["clientDisconnected", 1],
                ["exceededResources", 1],
                ["scriptThrewException", 1],
                ["success", 3]
            ]),
        ),
        ("datetime", json!([["2026-11-20T12:00:00Z", 4], ["2026-11-20T12:07:00Z", 2]])),
        ("datetimeMinute", json!([["2026-11-20T12:00:00Z", 4], ["2026-11-20T12:07:00Z", 2]])),
        ("datetimeFiveMinutes", json!([["2026-11-20T12:00:00Z", 4], ["2026-11-20T12:05:00Z", 2]])),
        ("datetimeFifteenMinutes", json!([["2026-11-20T12:00:00Z", 6]])),
        ("datetimeHour", json!([["2026-11-20T12:00:00Z", 6]])),
        ("date", json!([["2026-11-20", 6]])),
        ("coloCode", json!([["LOC", 6]])),
    ] {
        let fields = format!("n: sum {{ requests }} dimensions {{ d: {dimensions} }}");
        let rows = world.rows("limit: 100", &fields).await;
        let found = rows.as_array().unwrap().iter();
        let found: Vec<_> =
            found.map(|row| json!([row["dimensions"]["d"], row["n"]["requests"]])).collect();
        assert_eq!(json!(found), expected, "{dimensions}");
    }
}

#[tokio::test]
async fn quantiles_extremes_and_averages_come_from_what_was_measured() {
    let world = World::new();
    let fields = "quantiles { wallTimeP50 wallTimeP99 cpuTimeP99 } min { wallTime } \
                  max { wallTime } avg { wallTime sampleInterval } sum { wallTime duration } count";
    let rows = world.rows("filter: {scriptVersion: \"v1\"}", fields).await;
    let row = &rows[0];
    let near = |found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < 0.03, "{found} for {expected}");
    };
    near(&row["quantiles"]["wallTimeP50"], 20_000.0);
    near(&row["quantiles"]["wallTimeP99"], 20_000.0);
    near(&row["sum"]["duration"], 0.06 * 0.128);
    assert_eq!(row["quantiles"]["cpuTimeP99"], 0);
    assert_eq!(
        (&row["min"]["wallTime"], &row["max"]["wallTime"]),
        (&10_000.into(), &30_000.into())
    );
    assert_eq!((&row["sum"]["wallTime"], &row["count"]), (&60_000.into(), &3.into()));
    assert_eq!(row["avg"], json!({ "wallTime": 20_000, "sampleInterval": 1 }));
}

#[tokio::test]
async fn filters_compare_as_their_names_say() {
    let world = World::new();
    for (filter, requests) in [
        (r#"scriptName: "shop""#, 5),
        (r#"scriptName_neq: "shop""#, 1),
        (r#"scriptName_in: ["shop", "cart"]"#, 6),
        (r#"scriptName_notin: ["shop", "cart"]"#, 0),
        (r#"scriptName_like: "sh%""#, 5),
        (r#"scriptName_notlike: "sh%""#, 1),
        (r#"scriptName_gt: "cart""#, 5),
        (r#"status: "success", scriptVersion: "v2""#, 1),
        (r#"datetime_geq: "2026-11-20T12:00:00Z""#, 6),
        (r#"datetime_geq: "2026-11-20T12:00:45.123Z""#, 6),
        (r#"datetime_geq: "2026-11-20T12:01:00Z""#, 2),
        (r#"datetime_gt: "2026-11-20T12:00:00Z""#, 2),
        (r#"datetime_leq: "2026-11-20T12:00:00Z""#, 4),
        (r#"datetime_lt: "2026-11-20T12:07:00Z""#, 4),
        (r#"datetime_geq: "2026-11-20T13:00:00+01:00", datetime_lt: "2026-11-21T00:00:00Z""#, 6),
        (r#"datetimeHour_geq: "2026-11-20T12:00:01Z""#, 0),
        (r#"datetimeHour_leq: "2026-11-20T12:59:00Z""#, 6),
        (r#"date: "2026-11-20""#, 6),
        (r#"date_geq: "2026-11-21""#, 0),
        (r#"date_in: ["2026-11-19", "2026-11-20"]"#, 6),
        (r#"OR: [{scriptVersion: "v1"}, {scriptVersion: "c1"}]"#, 4),
        (r#"AND: [{scriptName: "shop"}, {scriptVersion_neq: "v1"}]"#, 2),
        (
            r#"AND: [{datetimeHour_geq: "2026-11-19T12:00:30Z", datetimeHour_leq: "2026-11-20T12:00:30Z"}]"#,
            6,
        ),
    ] {
        let rows = world.rows(&format!("filter: {{{filter}}}"), "sum { requests }").await;
        let found = rows[0]["sum"]["requests"].as_u64().unwrap_or(0);
        assert_eq!(found, requests, "{filter}");
    }
}

#[tokio::test]
async fn rows_come_in_the_order_and_number_that_are_asked_for() {
    let world = World::new();
    let names = async |arguments: &str| -> Vec<String> {
        let rows = world.rows(arguments, "dimensions { scriptVersion } count").await;
        let names = rows.as_array().unwrap().iter();
        names.map(|row| row["dimensions"]["scriptVersion"].as_str().unwrap().to_owned()).collect()
    };
    for (arguments, expected) in [
        ("orderBy: [sum_requests_DESC]", vec!["v1", "v2", "c1"]),
        ("orderBy: [count_ASC]", vec!["c1", "v2", "v1"]),
        ("orderBy: scriptVersion_DESC", vec!["v2", "v1", "c1"]),
        ("orderBy: [sum_errors_DESC, scriptVersion_DESC]", vec!["v2", "v1", "c1"]),
        ("orderBy: [datetime_DESC, scriptVersion_ASC]", vec!["v2", "c1", "v1"]),
        ("orderBy: [quantiles_wallTimeP99_DESC], limit: 1", vec!["v2"]),
    ] {
        assert_eq!(names(arguments).await, expected, "{arguments}");
    }
}

#[tokio::test]
async fn variables_aliases_fragments_and_directives_work() {
    let world = World::new();
    let query = r#"
        query Q($tag: string, $script: string = "cart", $filter: AnyName_InputObject, $no: Boolean!) {
          viewer { mine: accounts(filter: {accountTag: $tag}) {
            a: workersInvocationsAdaptive(limit: 5, filter: {scriptName: $script}) { ...figures }
            b: workersInvocationsAdaptive(filter: $filter) { ... on Any { ...figures } __typename }
            c: workersInvocationsAdaptive @include(if: $no) { count }
          } }
        }
        fragment figures on Any { sum { requests } sum { n: errors } }"#;
    let filter = json!({ "AND": [{ "scriptVersion": "v1" }] });
    let variables = json!({ "tag": "a", "filter": filter, "no": false });
    let answer = world.ask(query, variables).await;
    let mine = &answer["data"]["viewer"]["mine"][0];
    assert_eq!(mine["a"], json!([{ "sum": { "requests": 1, "n": 0 } }]), "{answer}");
    assert_eq!(mine["b"][0]["sum"], json!({ "requests": 3, "n": 1 }));
    assert_eq!(mine["b"][0]["__typename"], "AccountWorkersInvocationsAdaptive");
    assert!(mine.get("c").is_none());
    let all = "{ viewer { accounts { accountTag } } __typename }";
    let answer = world.ask(all, Value::Null).await;
    let expected = json!({ "viewer": { "accounts": [{ "accountTag": "a" }, { "accountTag": "b" }] },
        "__typename": "Query" });
    assert_eq!(answer, json!({ "data": expected, "errors": null }));
}

#[tokio::test]
async fn what_is_not_known_is_an_error_that_says_what_and_where() {
    let world = World::new();
    let node = |inside: &str| format!("{{ viewer {{ accounts {{ {inside} }} }} }}");
    let rows = |arguments: &str, fields: &str| {
        node(&format!("workersInvocationsAdaptive{arguments} {{ {fields} }}"))
    };
    for (query, message, path) in [
        ("{ me }".into(), "unknown field \"me\"", json!(null)),
        ("{ viewer { zones { x } } }".into(), "unknown field \"zones\"", json!(["viewer"])),
        (node("nothing { count }"), "unknown field \"nothing\"", json!(["viewer", "accounts"])),
        (
            rows("", "sum { magic }"),
            "unknown field \"magic\"",
            json!(["viewer", "accounts", "workersInvocationsAdaptive", "sum"]),
        ),
        (
            rows("", "dimensions { magic }"),
            "unknown field \"magic\"",
            json!(["viewer", "accounts", "workersInvocationsAdaptive", "dimensions"]),
        ),
        (
            rows("(colour: 1)", "count"),
            "unknown arg \"colour\" for field \"workersInvocationsAdaptive\"",
            json!(["viewer", "accounts", "workersInvocationsAdaptive"]),
        ),
    ] {
        let error = world.refusal(&query).await;
        assert_eq!((&error["message"], &error["path"]), (&message.into(), &path), "{query}");
    }
    for query in [
        rows("(filter: {magic: 1})", "count"),
        rows("(filter: {scriptName_in: \"x\", datetime_geq: \"yesterday\"})", "count"),
        rows("(filter: {scriptName: [\"x\"]})", "count"),
        rows("(filter: 7)", "count"),
        rows("(limit: 0)", "count"),
        rows("(limit: 10001)", "count"),
        rows("(limit: -1)", "count"),
        rows("(orderBy: [sum_magic_DESC])", "count"),
        rows("(orderBy: [count])", "count"),
        rows("", "...missing"),
        rows("", "count @magic"),
        "{ viewer }".into(),
        "mutation { viewer { accounts { accountTag } } }".into(),
        "query A { viewer { __typename } } query B { viewer { __typename } }".into(),
        "query {".into(),
        String::new(),
        "\u{0}\u{ffff}".into(),
    ] {
        let _ = world.refusal(&query).await;
    }
    let error =
        world.refusal("{ viewer { accounts(filter: {accountTag: \"c\"}) { accountTag } } }");
    let error = error.await;
    assert_eq!(error["extensions"]["code"], "authz");
}

#[tokio::test]
async fn queries_that_would_grow_without_end_are_refused() {
    let world = World::new();
    let nested = "{ viewer ".repeat(5_000);
    let wide = format!("{{ viewer {{ {} }} }}", "__typename ".repeat(5_000));
    let mut bomb = String::from("{ ...f0 }");
    for n in 0..20 {
        let next = n + 1;
        bomb.push_str(&format!(" fragment f{n} on A {{ ...f{next} ...f{next} }}"));
    }
    bomb.push_str(" fragment f20 on A { __typename }");
    let itself = "{ ...f } fragment f on A { ...f }";
    let value = format!(
        "{{ viewer {{ accounts(filter: {}1{}) {{ accountTag }} }} }}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let long = format!("{{ viewer {{ __typename }} }} #{}", "x".repeat(MAX_QUERY));
    for query in [&nested, &wide, &bomb, itself, &value, &long] {
        let _ = world.refusal(query).await;
    }
}
