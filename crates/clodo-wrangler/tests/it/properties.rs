use clodo_wrangler::{Step, parse, set};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use serde_json::{Map, Value, json};
use std::path::Path;

const KEYS: [&str; 24] = [
    "name",
    "main",
    "env",
    "vars",
    "routes",
    "route",
    "assets",
    "d1_databases",
    "kv_namespaces",
    "services",
    "durable_objects",
    "bindings",
    "binding",
    "triggers",
    "crons",
    "observability",
    "placement",
    "migrations",
    "unsafe",
    "queues",
    "rules",
    "site",
    "pattern",
    "x",
];

// Any value, under names that wrangler looks at.
fn tree(with_null: bool) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(if with_null { Value::Null } else { json!("null") }),
        any::<bool>().prop_map(Value::from),
        (-1_000_i32..1_000).prop_map(Value::from),
        prop_oneof!["[a-z]{0,6}", any::<String>()].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop::sample::select(&KEYS[..]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(object),
        ]
    })
}

fn object(entries: Vec<(&str, Value)>) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn document(with_null: bool) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop::sample::select(&KEYS[..]);
    let entries = prop::collection::vec((key, tree(with_null)), 0..8);
    entries.prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        // A basic string of TOML needs one escape more than JSON's.
        Value::String(_) => value.to_string().replace('\u{7f}', "\\u007f"),
        other => other.to_string(),
    }
}

// Everything the two languages can share about one reading.
fn told(file: &str, text: &str, environment: Option<&str>) -> String {
    let document = parse(Path::new(file), text.as_bytes()).unwrap();
    let unplaced = |text: Option<&str>| text.map(|text| text.replace(file, "FILE"));
    match document.worker(environment) {
        Ok(reading) => {
            let rules: Vec<_> = reading.warnings.iter().map(|warning| &warning.rule).collect();
            let said = unplaced(reading.wrangler.as_deref());
            format!("{:?} {rules:?} {said:?}", reading.config)
        }
        Err(errors) => {
            let messages: Vec<_> = errors.errors().iter().map(|error| &error.message).collect();
            let messages = format!("{messages:?}").replace(file, "FILE");
            format!("{messages} {:?}", unplaced(errors.wrangler()))
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for file in ["wrangler.toml", "wrangler.jsonc"] {
            if let Ok(document) = parse(Path::new(file), &bytes) {
                let _ = document.worker(None);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]{}\"'=,.:#/*a-c0-9\\\\ \n]{0,80}") {
        for file in ["wrangler.toml", "wrangler.jsonc"] {
            if let Ok(document) = parse(Path::new(file), text.as_bytes()) {
                let _ = document.worker(Some("a"));
            }
            let _ = set(Path::new(file), &text, &[Step::Key("a"), Step::Item(0)], &json!(1));
        }
    }

    #[test]
    fn any_values_under_known_names_are_read_or_refused(document in document(true)) {
        let text = Value::Object(document).to_string();
        for environment in [None, Some("x"), Some("name")] {
            told("wrangler.json", &text, environment);
        }
    }

    #[test]
    fn toml_and_json_that_say_the_same_read_the_same(document in document(false)) {
        let lines = document.iter().map(|(key, value)| format!("{key} = {}\n", toml(value)));
        let lines: String = lines.collect();
        let text = serde_json::to_string_pretty(&document).unwrap();
        for environment in [None, Some("x")] {
            let ours = told("wrangler.toml", &lines, environment);
            assert_eq!(ours, told("wrangler.jsonc", &text, environment));
        }
    }

    #[test]
    fn an_edit_says_what_was_set_and_nothing_else(document in document(false), value in tree(false)) {
        let lines = document.iter().map(|(key, value)| format!("{key} = {} # kept\n", toml(value)));
        let lines: String = lines.collect();
        let text = format!("// kept\n{}", serde_json::to_string_pretty(&document).unwrap());
        let mut after = document.clone();
        after.insert("new".to_owned(), value.clone());
        let expected = serde_json::to_string(&after).unwrap();
        let expected = told("wrangler.jsonc", &expected, None);
        for (file, before) in [("wrangler.toml", lines), ("wrangler.jsonc", text)] {
            let edited = set(Path::new(file), &before, &[Step::Key("new")], &value).unwrap();
            assert_eq!(edited.matches("kept").count(), before.matches("kept").count());
            assert_eq!(told(file, &edited, None), expected.replace("wrangler.jsonc", file));
        }
    }
}
