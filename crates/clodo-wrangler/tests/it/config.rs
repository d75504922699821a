use crate::read;
use clodo_types::Severity;
use clodo_wrangler::{NotFoundHandling, Route, RunWorkerFirst, WorkerConfig};
use serde_json::json;
use std::{fs, path::Path};

fn recorded(name: &str, environment: Option<&str>) -> WorkerConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    read(name, &text, environment).unwrap().config
}

#[test]
fn the_top_level_of_a_typical_toml_file() {
    let config = recorded("storefront.toml", None);
    assert_eq!(config.name.unwrap().as_str(), "orders");
    assert!(!config.name_from_environment && !config.has_environment);
    assert_eq!(config.main.unwrap(), Path::new("src/index.ts"));
    assert_eq!(config.compatibility_date.unwrap(), "2025-04-01");
    assert_eq!(config.compatibility_flags, ["nodejs_compat"]);
    assert_eq!(config.vars["LIMIT"], json!(12));
    assert_eq!(config.vars["NESTED"], json!({ "deep": { "er": true } }));
    let database = &config.d1_databases[0];
    assert_eq!(database.binding.as_str(), "DB");
    assert_eq!(database.migrations_dir, Path::new("migrations"));
    assert_eq!(database.migrations_table, "d1_migrations");
    assert_eq!(config.services[0].entrypoint.as_deref(), Some("Catalog"));
    assert_eq!(config.version_metadata.unwrap().as_str(), "VERSION");
    assert_eq!(config.crons.unwrap(), ["0 * * * *"]);
    assert_eq!(config.workers_dev, Some(true));
    assert_eq!(config.build_command.as_deref(), Some("npm run build"));
    assert!(config.keep_vars && config.keep_names && config.minify);
    assert!(config.other.is_empty(), "{:?}", config.other);
}

#[test]
fn a_named_environment_inherits_some_and_not_all() {
    let staging = recorded("storefront.toml", Some("staging"));
    assert_eq!(staging.name.unwrap().as_str(), "orders-staging");
    assert!(staging.has_environment && !staging.name_from_environment);
    assert_eq!(staging.vars.len(), 1);
    assert!(staging.kv_namespaces.is_empty() && staging.services.is_empty());
    assert_eq!(staging.d1_databases[0].migrations_dir, Path::new("db/migrations"));
    assert_eq!(staging.crons.unwrap().len(), 1);

    let production = recorded("storefront.toml", Some("production"));
    assert_eq!(production.name.unwrap().as_str(), "orders-live");
    assert!(production.name_from_environment);
    assert_eq!(production.routes, [Route::CustomDomain("orders.example.com".parse().unwrap())]);
    assert_eq!(production.crons, Some(Vec::new()));

    let absent = recorded("storefront.jsonc", None);
    assert_eq!(absent.crons, None);
}

#[test]
fn assets_routes_and_modules_of_a_typical_jsonc_file() {
    let config = recorded("storefront.jsonc", None);
    let assets = config.assets.unwrap();
    assert_eq!(assets.directory.as_deref(), Some(Path::new("./public")));
    assert_eq!(assets.not_found_handling, Some(NotFoundHandling::SinglePageApplication));
    let paths = vec!["/api/*".to_owned(), "!/api/docs/*".to_owned()];
    assert_eq!(assets.run_worker_first, Some(RunWorkerFirst::Paths(paths)));
    assert_eq!(config.routes.len(), 4);
    assert_eq!(config.routes[1], Route::CustomDomain("shop.example.com".parse().unwrap()));
    assert!(
        matches!(&config.routes[2], Route::Pattern { zone_name: Some(zone), .. } if zone == "example.com")
    );
    assert_eq!(config.rules[0].kind, "Text");
    assert_eq!(config.r2_buckets[0].jurisdiction.as_deref(), Some("eu"));
    assert_eq!(config.durable_objects[1].script_name.as_ref().unwrap().as_str(), "other");
    assert_eq!(config.services[0].props, Some(json!({ "a": 1 })));
    assert_eq!(config.define["VERSION"], "\"1\"");
    assert_eq!(config.alias["fs"], "./fs.js");
    let other: Vec<_> = config.other.keys().map(String::as_str).collect();
    assert_eq!(other, ["vectorize", "unsafe", "ai"]);
    assert_eq!(config.queue_producers[0].queue.as_str(), "q");
    assert_eq!(config.queue_consumers[0].max_batch_size, Some(3));
    assert_eq!(config.queue_consumers[0].max_retries, None);
}

#[test]
fn a_list_of_routes_wins_over_an_inherited_one_and_the_other_way_round() {
    let text = r#"{
        "name": "a", "routes": ["top.example.com/*"],
        "env": { "one": { "route": "one.example.com/*" }, "none": { "routes": [] } }
    }"#;
    let routes =
        |environment| read("wrangler.json", text, Some(environment)).unwrap().config.routes;
    // As in wrangler: the inherited list, not the environment's own single route.
    assert!(
        matches!(&routes("one")[..], [Route::Pattern { pattern, .. }] if pattern == "top.example.com/*")
    );
    assert!(routes("none").is_empty());
}

#[test]
fn an_environment_without_a_section_is_the_top_level_under_another_name() {
    let reading = read("wrangler.toml", "name = \"a\"\nvars = { X = 1 }\n", Some("new")).unwrap();
    assert_eq!(reading.config.name.unwrap().as_str(), "a-new");
    assert_eq!(reading.config.vars.len(), 1);
    assert!(!reading.config.has_environment);
    assert_eq!(reading.warnings[0].rule, "wrangler-no-environment");
}

#[test]
fn what_clodo_cannot_do_is_said_where_it_stands() {
    let text = "name = \"a\"\npages_build_output_dir = \"dist\"\n[site]\nbucket = \"x\"\n[[d1_databases]]\nbinding = \"DB\"\njurisdiction = \"eu\"\n";
    let found = read("wrangler.toml", text, None).unwrap().warnings;
    let ours: Vec<_> = found.iter().filter(|f| f.rule == "unsupported-setting").collect();
    let places: Vec<_> = ours.iter().map(|f| (f.at.as_ref().unwrap().line, f.severity)).collect();
    assert_eq!(places, [(7, Severity::Note), (3, Severity::Block), (2, Severity::Block)]);
    assert!(ours.iter().all(|finding| finding.hint.is_some()));
}

#[test]
fn a_python_worker_brings_its_modules() {
    let config = recorded("python.toml", None);
    assert!(config.no_bundle);
    assert_eq!(config.rules[0].kind, "PythonModule");
}
