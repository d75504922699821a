//! Answers of the future: new fields and new words never break reading.

mod data;
mod rest;
mod workers;
mod workflows;

use crate::support::{HEX, ID, json as answer, ok};
use clodo_cf_api::{Client, ClientOptions, Endpoint, ListEndpoint, analytics, tails};
use clodo_http::Scripted;
use clodo_types::{AccountId, BucketName, Secret, WorkerName};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{any::type_name, collections::BTreeSet, fs, path::Path, sync::Arc};

/// Reads an answer, or says why it cannot.
type Read = dyn Fn(&Client) -> Result<(), String>;

/// What the API documents, and how it is read.
struct Fixture {
    result: Value,
    /// The node of GraphQL that it stands in; none for all other calls.
    node: Option<&'static str>,
    type_name: &'static str,
    read: Box<Read>,
}

/// An answer to one call.
fn one<A: 'static>(result: Value, call: impl Fn() -> Endpoint<A> + 'static) -> Fixture {
    let read = move |client: &Client| {
        block(client.send(call())).map(|_| ()).map_err(|error| error.to_string())
    };
    Fixture { result, node: None, type_name: type_name::<A>(), read: Box::new(read) }
}

/// A page of a list with one item.
fn list<T>(result: Value, call: impl Fn() -> ListEndpoint<T> + 'static) -> Fixture
where
    T: serde::de::DeserializeOwned + Send + 'static,
{
    let read = move |client: &Client| {
        let all = block(client.list(call())).map_err(|error| error.to_string())?;
        if all.len() == 1 { Ok(()) } else { Err(format!("{} items instead of one", all.len())) }
    };
    Fixture { result, node: None, type_name: type_name::<T>(), read: Box::new(read) }
}

/// An answer of GraphQL: one group.
fn graph<T: 'static>(
    node: &'static str,
    result: Value,
    call: impl Fn() -> Endpoint<Vec<T>> + 'static,
) -> Fixture {
    let read = move |client: &Client| {
        let all = block(client.send(call())).map_err(|error| error.to_string())?;
        if all.len() == 1 { Ok(()) } else { Err(format!("{} groups instead of one", all.len())) }
    };
    Fixture { result, node: Some(node), type_name: type_name::<Vec<T>>(), read: Box::new(read) }
}

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn account() -> AccountId {
    HEX.parse().unwrap()
}

fn web() -> WorkerName {
    "web".parse().unwrap()
}

fn media() -> BucketName {
    "media".parse().unwrap()
}

fn time() -> analytics::TimeRange {
    analytics::TimeRange::new("2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z")
}

fn fixtures() -> Vec<Fixture> {
    let mut all = workers::fixtures();
    all.extend(data::fixtures());
    all.extend(rest::fixtures());
    all.extend(rest::figures());
    all.extend(workflows::fixtures());
    all
}

/// Words that stand for one of a set. The others are ids, names and times, which do not change
/// their form.
const WORDS: [&str; 35] = [
    "type",
    "status",
    "source",
    "strategy",
    "mode",
    "category",
    "effect",
    "storage_class",
    "jurisdiction",
    "location",
    "version",
    "served_by_region",
    "level",
    "outcome",
    "usage_model",
    "default_usage_model",
    "last_deployed_from",
    "environment",
    "action_type",
    "actionType",
    "workers/triggered_by",
    "scopes",
    "handlers",
    "roles",
    "methods",
    "compatibility_flags",
    "served_by",
    "text",
    "completed",
    "contentType",
    "expires_at",
    "created_on",
    "modified_on",
    "last_modified",
    "creation_date",
];

/// Adds a field to every object, and replaces words.
fn aged(value: &Value, key: &str, extra: &Value, word: &str) -> Value {
    let inner = |key: &str, value: &Value| match value {
        Value::String(_) if WORDS.contains(&key) => Value::from(word),
        other => aged(other, key, extra, word),
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), inner(key, value)));
            let mut fields: serde_json::Map<_, _> = fields.collect();
            // A map by name takes no foreign entries; everything else does.
            let by_name = ["annotations", "custom_metadata", "resources", "values"];
            if !by_name.contains(&key) {
                fields.insert("field_of_2031".to_owned(), extra.clone());
            }
            fields.into()
        }
        Value::Array(each) => each.iter().map(|value| inner(key, value)).collect(),
        other => other.clone(),
    }
}

fn check(fixture: &Fixture, result: &Value) -> Result<(), String> {
    let answer = match fixture.node {
        None => ok(&result.to_string()),
        Some(node) => {
            let viewer = json!({ "accounts": [{ node: result }] });
            answer(200, json!({ "data": { "viewer": viewer }, "errors": null }).to_string())
        }
    };
    let wire = Arc::new(Scripted::new([answer]));
    let options = ClientOptions::new(crate::support::BASE, Secret::new("t"));
    let client = Client::new(wire, options).unwrap();
    let name = fixture.type_name;
    (fixture.read)(&client).map_err(|error| format!("{name}: {error}\n{result:#}"))
}

#[test]
fn every_documented_answer_is_read() {
    for fixture in fixtures() {
        check(&fixture, &fixture.result).unwrap();
    }
}

/// `Vec<QueryResult>` of `alloc::vec::Vec<clodo_cf_api::d1::query::QueryResult>`.
fn short(type_name: &str) -> String {
    let words = type_name.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let last = |word: &str| word.rsplit("::").next().unwrap_or_default().trim().to_owned();
    words.map(last).collect()
}

/// The type between the brackets that follow each `start`.
fn answers_of(text: &str, start: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in text.split(start).skip(1) {
        let mut depth = 1;
        let end = after.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        });
        found.push(after[..end.unwrap_or(0)].split_whitespace().collect());
    }
    found
}

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_type_that_a_call_answers_has_a_fixture() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for start in ["-> Endpoint<", "-> ListEndpoint<", "-> Result<Endpoint<"] {
        wanted.extend(answers_of(&text, start));
    }
    // Nothing, raw bytes, and types of the caller's own.
    for other in ["()", "Response", "A", "B", "T", "Page<T>", "Vec<A>"] {
        wanted.remove(other);
    }
    assert!(wanted.remove("BulkOutcome") && wanted.insert("Option<BulkReport>".to_owned()));
    let covered: BTreeSet<String> =
        fixtures().iter().map(|fixture| short(fixture.type_name)).collect();
    // A list covers the answer of one item, and an item the list.
    let is_covered = |name: &String| {
        let item = name.strip_prefix("Vec<").and_then(|rest| rest.strip_suffix('>'));
        covered.contains(name) || item.is_some_and(|item| covered.contains(item))
    };
    let missing: Vec<_> = wanted.iter().filter(|name| !is_covered(name)).collect();
    assert!(missing.is_empty(), "{missing:?} of {wanted:?}");
    assert!(60 < wanted.len(), "{wanted:?}");
}

fn extra() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::collection::vec(any::<i32>(), 0..3).prop_map(Value::from),
        Just(json!({"id": 7, "name": [], "type": {}})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn new_fields_and_new_words_break_no_answer(extra in extra(), word in "[a-zA-Z _-]{0,16}") {
        for fixture in fixtures() {
            let aged = aged(&fixture.result, "", &extra, &word);
            prop_assert_eq!(check(&fixture, &aged), Ok(()));
        }
    }

    #[test]
    fn no_event_breaks_a_tail(extra in extra(), word in ".{0,16}") {
        let event = json!({
            "outcome": "ok", "scriptName": "web", "scriptVersion": {"id": ID},
            "executionModel": "stateless", "cpuTime": 1, "wallTime": 2.5, "truncated": false,
            "eventTimestamp": 5, "diagnosticsChannelEvents": [],
            "logs": [{"message": ["a", 1], "level": "log", "timestamp": 5}],
            "exceptions": [{"name": "Error", "message": "m", "stack": "s", "timestamp": 5}],
            "event": {"request": {"url": "u", "method": "GET", "headers": {"a": "b"}, "cf": {}},
                "response": {"status": 200}},
        });
        let event = aged(&event, "", &extra, &word);
        let read: tails::TraceEvent = serde_json::from_value(event).unwrap();
        prop_assert_eq!(read.outcome.as_str(), word.as_str());
        prop_assert_eq!(&read.other["field_of_2031"], &extra);
    }

    #[test]
    fn no_answer_of_graphql_makes_reading_panic(body in extra(), errors in extra()) {
        let time = analytics::TimeRange::new("a", "b");
        for data in [body.clone(), json!({"viewer": body}), json!({"viewer": {"accounts": [body]}})] {
            let body = json!({"data": data, "errors": errors}).to_string();
            let wire = Arc::new(Scripted::new([crate::support::json(200, body)]));
            let client = Client::new(wire, ClientOptions::cloudflare(Secret::new("t"))).unwrap();
            let _ = block(client.send(analytics::d1_queries(&account(), &time)));
        }
    }
}
