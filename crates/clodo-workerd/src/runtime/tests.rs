use super::{
    blueprint::{Blueprint, Naming, Outbound, Repairs, Surroundings, Target},
    link::TcpLink,
};
use crate::seams::{
    Generation, ServedBinding, ServedModule, ServedNamespace, ServedVersion, Tails,
};
use clodo_types::Secret;
use serde_json::json;
use std::sync::Arc;

fn version(script: &str, id: &str, bindings: Vec<(&str, ServedBinding)>) -> Arc<ServedVersion> {
    Arc::new(ServedVersion {
        script: script.into(),
        version_id: id.into(),
        tag: None,
        created_on: "2026-01-01T00:00:00Z".into(),
        main_module: Some("index.js".into()),
        modules: vec![ServedModule {
            name: "index.js".into(),
            content_type: "application/javascript+module".into(),
            body: "export default {};".into(),
        }],
        compatibility_date: Some("2027-05-05".into()),
        compatibility_flags: vec!["nodejs_compat".into()],
        bindings: bindings.into_iter().map(|(name, to)| (name.to_owned(), to)).collect(),
        assets: None,
        body_part: None,
    })
}

fn around() -> Surroundings {
    Surroundings {
        account: "acc".into(),
        back_address: "unix:/run/back".into(),
        back_key: Secret::new("key"),
        durable_folder: Some("/state/durable".into()),
        empty_folder: "/run/empty".into(),
        outbound: Outbound::Denied,
        private: false,
        v8_flags: vec!["--single-threaded".into()],
        newest_date: Some("2026-11-17".into()),
    }
}

fn space(id: &str, script: &str, class: &str) -> ServedNamespace {
    let (id, script, class_name) = (id.into(), script.into(), class.into());
    ServedNamespace { id, script, class_name, sqlite: true }
}

fn room(namespace_id: Option<&str>) -> ServedBinding {
    let namespace_id = namespace_id.map(str::to_owned);
    ServedBinding::DurableObject { class_name: "Room".into(), script_name: None, namespace_id }
}

fn blueprint(generation: &Generation) -> Blueprint {
    let naming = Naming { prefix: "p7-", link: Some(&TcpLink) };
    Blueprint::of(generation, &around(), &Repairs::default(), naming)
}

#[test]
fn a_config_says_all_that_a_generation_needs() {
    let bindings = vec![
        ("DB", ServedBinding::D1 { database_id: "db1".into() }),
        ("KEY", ServedBinding::Secret(Secret::new("hunter2"))),
        (
            "OTHER",
            ServedBinding::Service {
                script: "other".into(),
                entrypoint: Some("Api".into()),
                props: Some(json!({ "a": 1 })),
            },
        ),
        ("ROOM", room(None)),
    ];
    let generation = Generation {
        versions: vec![version("shop", "v1", bindings), version("other", "v2", Vec::new())],
        live: [
            ("shop".to_owned(), vec![("v1".to_owned(), 100.0)]),
            ("other".to_owned(), vec![("v2".to_owned(), 100.0)]),
        ]
        .into(),
        namespaces: vec![space("5pace", "shop", "Room")],
        ..Generation::default()
    };
    let made = blueprint(&generation);
    assert!(made.exclusive, "two processes must not open the same objects");
    assert_eq!(made.environment.len(), 1);
    assert!(!made.config.contains("hunter2"));
    insta::assert_snapshot!(made.config);
}

#[test]
fn a_change_of_a_secret_changes_the_fingerprint() {
    let with = |secret: &str| {
        let bindings = vec![("KEY", ServedBinding::Secret(Secret::new(secret)))];
        let versions = vec![version("shop", "v1", bindings)];
        blueprint(&Generation { versions, ..Generation::default() }).fingerprint()
    };
    assert_eq!(with("one"), with("one"));
    assert_ne!(with("one"), with("two"));
}

#[test]
fn a_class_lives_with_the_version_that_has_most_traffic() {
    let room = || vec![("ROOM", room(None))];
    let generation = Generation {
        versions: vec![version("shop", "old", room()), version("shop", "new", room())],
        live: [("shop".to_owned(), vec![("old".to_owned(), 90.0), ("new".to_owned(), 10.0)])]
            .into(),
        namespaces: vec![space("5pace", "shop", "Room")],
        ..Generation::default()
    };
    let config = blueprint(&generation).config;
    assert_eq!(config.matches("uniqueKey").count(), 1);
    assert!(config.contains(r#"className = "Room", serviceName = "shop:old""#), "{config}");
}

#[test]
fn only_a_process_that_passes_on_events_may_do_what_is_experimental() {
    let versions = vec![version("shop", "v1", Vec::new()), version("jobs", "v2", Vec::new())];
    let quiet = Generation { versions, ..Generation::default() };
    let made = blueprint(&quiet);
    assert!(!made.experimental && !made.config.contains("clodo:events"));
    let made = blueprint(&Generation { events: ["v2".to_owned()].into(), ..quiet });
    assert!(made.experimental);
    assert!(made.config.contains(r#"name = "v2", service = "jobs:v2""#), "{}", made.config);
    let events = Target::Events(vec!["v2".to_owned()]);
    assert!(made.sockets.iter().any(|(_, target)| *target == events));
}

#[test]
fn who_is_told_stands_in_the_config_of_the_one_that_is_tailed_only() {
    let service = |script: &str| ServedVersion {
        main_module: None,
        body_part: Some("index.js".into()),
        ..(*version(script, "v3", Vec::new())).clone()
    };
    let mut generation = Generation {
        versions: vec![
            version("shop", "v1", Vec::new()),
            version("logs", "v2", Vec::new()),
            Arc::new(service("old-logs")),
        ],
        live: ["shop:v1", "logs:v2", "old-logs:v3"]
            .map(|text| text.split_once(':').unwrap())
            .map(|(script, id)| (script.to_owned(), vec![(id.to_owned(), 100.0)]))
            .into(),
        ..Generation::default()
    };
    assert!(!blueprint(&generation).config.contains("tails"));
    let consumers = ["logs", "old-logs", "nobody", "shop"].map(str::to_owned).into();
    generation.tails.insert("shop".into(), Tails { observed: true, consumers });
    let config = blueprint(&generation).config;
    assert_eq!(config.matches("tails = ").count(), 1);
    assert!(config.contains(r#"(name = "clodo:traces", props"#), "{config}");
    assert!(config.contains(r#"(name = "logs:v2", entrypoint = "__ClodoTail""#), "{config}");
    assert!(config.contains(r#"(name = "old-logs:v3", props"#), "{config}");
    assert!(!config.contains("nobody") && !config.contains(r#"name = "shop:v1", entrypoint"#));
}

#[test]
fn a_binding_from_before_a_rename_reaches_the_class_of_today() {
    let generation = Generation {
        versions: vec![version("shop", "v1", vec![("ROOM", room(Some("5pace")))])],
        live: [("shop".to_owned(), vec![("v1".to_owned(), 100.0)])].into(),
        namespaces: vec![space("5pace", "shop", "Hall"), space("0ther", "shop", "Room")],
        ..Generation::default()
    };
    let config = blueprint(&generation).config;
    assert!(config.contains(r#"durableObjectNamespace = (className = "Hall")"#), "{config}");
    let mut gone = generation;
    gone.namespaces.remove(0);
    let config = blueprint(&gone).config;
    assert!(!config.contains("durableObjectNamespace ="), "{config}");
    assert!(config.contains("no longer there"), "{config}");
}

#[test]
fn each_class_of_a_workflow_can_be_run_in_each_version_that_is_kept() {
    let bindings = vec![("ORDERS", ServedBinding::Workflow { name: "orders".into() })];
    let mut generation = Generation {
        versions: vec![version("shop", "old", Vec::new()), version("shop", "new", bindings)],
        live: [("shop".to_owned(), vec![("new".to_owned(), 100.0)])].into(),
        ..Generation::default()
    };
    assert!(!blueprint(&generation).config.contains("clodo:workflows"));
    let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    generation.workflows =
        [("old".to_owned(), classes(&["Order"])), ("new".to_owned(), classes(&["Order", "Mail"]))]
            .into();
    let made = blueprint(&generation);
    for binding in [
        r#"(name = "old/Order", service = (name = "shop:old", entrypoint = "Order"))"#,
        r#"(name = "new/Order", service = (name = "shop:new", entrypoint = "Order"))"#,
        r#"(name = "new/Mail", service = (name = "shop:new", entrypoint = "Mail"))"#,
    ] {
        assert!(made.config.contains(binding), "{binding}: {}", made.config);
    }
    let runs = Target::Workflows(vec!["old".to_owned(), "new".to_owned()]);
    assert!(made.sockets.iter().any(|(_, target)| *target == runs));
    assert!(!made.experimental && !made.exclusive, "nothing of it is experimental");
    assert!(
        made.config.contains("acc/workflow:orders")
            && made.config.contains("acc/workflow-runs:all")
    );
    // A class that turns out not to be there is left out, a version that does not start with all.
    let gone = Repairs {
        dangling: [("clodo:workflows".to_owned(), "new/Mail".to_owned())].into(),
        broken: [("shop:old".to_owned(), "no".to_owned())].into(),
    };
    let naming = Naming { prefix: "p7-", link: Some(&TcpLink) };
    let config = Blueprint::of(&generation, &around(), &gone, naming).config;
    assert!(config.contains("new/Order") && !config.contains("new/Mail"), "{config}");
    assert!(!config.contains("old/Order"), "{config}");
}
