use crate::{SHOP, portfolio};
use clodo_config::{
    Batch, Inconclusive, Origin, Platform, Portfolio, Protection, Rules, SecretKind, Selection,
    Strategy, TelemetrySource, schema,
};
use serde_json::Value;
use std::time::Duration;

#[test]
fn a_full_file_is_read_completely() {
    let shop = portfolio(SHOP);
    assert_eq!(shop.name().as_str(), "shop");
    assert_eq!(shop.platform(), Some(Platform::Local));
    assert_eq!(shop.state(), Some("postgres://clodo@db.internal/clodo"));
    assert_eq!(shop.accounts()["main"].zones[1].value.as_str(), "globex.test");
    assert_eq!(shop.accounts()["main"].zones[1].at.to_string(), "clodo.toml:9:23");
    assert_eq!(shop.environments()["production"].strategy, Some(Strategy::Canary));
    let from = shop.environments()["preview"].promote_from.as_ref();
    assert_eq!(from.map(|from| from.as_str()), Some("staging"));
    let orders = &shop.services()["orders"];
    assert_eq!(orders.depends_on[0].value.as_str(), "catalog");
    assert_eq!(orders.secrets[0].kind, SecretKind::Jwt);
    assert_eq!(orders.secrets[0].variable(), "CLODO_SECRET_ORDER_SIGNING_KEY");
    assert_eq!(orders.secrets[1].variable(), "PAYMENT_KEY_FILE");
    assert_eq!(shop.services()["web"].path.to_str(), Some("services/web"));
    assert_eq!(shop.customers()["acme"].domains["production"].len(), 3);
}

#[test]
fn of_each_setting_of_a_rollout_the_strongest_level_counts() {
    let shop = portfolio(SHOP);
    let of = |service: &str, environment: &str| {
        shop.rollout(&service.parse().unwrap(), &environment.parse().unwrap())
    };
    let catalog = of("catalog", "production").canary;
    let steps: Vec<_> =
        catalog.steps.unwrap().iter().map(|step| (step.percentage, step.bake)).collect();
    assert_eq!(steps, [(1.0, None), (10.5, Some(Duration::from_hours(1)))]);
    assert_eq!(catalog.bake, Some(Duration::from_mins(5)));
    assert_eq!(catalog.inconclusive, Some(Inconclusive::Ask));
    assert_eq!(catalog.latency.unwrap()[1].to_string(), "p99.9");
    let orders = of("orders", "production");
    assert_eq!(orders.canary.bake, Some(Duration::from_mins(15)), "the service there");
    assert_eq!(orders.canary.steps.unwrap().len(), 2, "the environment");
    assert_eq!(orders.telemetry.map(|chosen| chosen.value), Some(TelemetrySource::Probes));
    assert_eq!(orders.rolling.batch, Some(Batch::Percent(12.5)));
    assert_eq!(orders.rolling.bake, Some(Duration::from_secs(30)), "the service");
    let staging = of("orders", "staging").canary.steps.unwrap();
    assert_eq!(staging[0].percentage, 50.0);
    let asked = of("web", "preview").prometheus;
    assert_eq!(asked.url.as_deref(), Some("https://prometheus.internal/base"));
    assert_eq!(of("web", "staging"), clodo_config::RolloutSettings::default());
}

#[test]
fn a_wave_has_the_targets_that_all_of_its_lists_name() {
    let shop = portfolio(SHOP);
    let mut selection = Selection::default();
    selection.environments = vec!["production".parse().unwrap()];
    let targets = shop.select(&selection).unwrap();
    let of = |wave: usize| {
        let wave = &shop.waves()[wave];
        let its = targets.iter().filter(|target| wave.has(&target.id));
        its.map(|target| target.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of(0), "catalog@production/acme orders@production/acme web@production/acme");
    assert_eq!(of(1).split(' ').count(), 4);
    assert_eq!((shop.waves()[0].name.as_str(), shop.waves()[1].name.as_str()), ("first", "2"));
}

#[test]
fn the_strategy_of_the_command_line_is_the_strongest() {
    let mut selection = Selection::default();
    selection.overrides.strategy = Some(Strategy::Canary);
    let targets = portfolio(SHOP).select(&selection).unwrap();
    assert!(targets.iter().all(|target| target.strategy.value == Strategy::Canary));
    assert!(targets.iter().all(|target| target.strategy.origin == Origin::CommandLine));
}

#[test]
fn an_environment_of_which_nothing_is_said_is_as_strict_as_production() {
    let shop = portfolio(SHOP);
    let told = |name: &str| (shop.environments()[name].rules, shop.environments()[name].protection);
    assert_eq!(told("development"), (Rules::Development, Protection::None));
    assert_eq!(told("staging"), (Rules::Staging, Protection::None));
    assert_eq!(told("preview"), (Rules::Production, Protection::Confirm));
    assert_eq!(told("production"), (Rules::Production, Protection::Approve));
}

#[test]
fn without_environments_there_are_the_usual_three() {
    let text = "[portfolio]\nname = \"p\"\n[services.a]\npath = \"a\"\n";
    let names: Vec<_> = portfolio(text).environments().keys().map(ToString::to_string).collect();
    assert_eq!(names, ["development", "production", "staging"]);
}

#[test]
fn what_nothing_reads_yet_is_kept_and_noted() {
    let shop = portfolio(SHOP);
    assert_eq!(shop.later()["features"]["new_checkout"]["rollout"], 10);
    assert_eq!(shop.later()["features"]["new_checkout"]["until"], "2026-01-01");
    assert_eq!(shop.notes().len(), 1);
    assert_eq!(shop.notes()[0].rule, "not-read-yet");
}

#[test]
fn a_folder_with_only_a_wrangler_config_is_a_portfolio_of_one_service() {
    let portfolio = Portfolio::single_service("web".parse().unwrap(), "projects/web");
    assert_eq!(portfolio.platform(), None);
    assert_eq!(portfolio.folder().to_str(), Some("projects/web"));
    let targets = portfolio.select(&Selection::default()).unwrap();
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].id.to_string(), "web@development");
    assert_eq!(targets[0].service_path.to_str(), Some("."));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    let text = format!("\u{feff}{}", SHOP.replace('\n', "\r\n"));
    let windows = Portfolio::parse_bytes("clodo.toml", text.as_bytes()).unwrap();
    assert_eq!(windows.services(), portfolio(SHOP).services());
}

#[test]
fn the_sample_portfolio_is_valid() {
    let text = include_str!("../../../../examples/storefront/clodo.toml");
    assert_eq!(portfolio(text).services().len(), 3);
}

/// Regenerate with `cargo run -p clodo-config --example schema > docs/clodo.schema.json`.
#[test]
fn the_published_schema_is_up_to_date() {
    let published: Value =
        serde_json::from_str(include_str!("../../../../docs/clodo.schema.json")).unwrap();
    assert_eq!(published, schema());
}

#[test]
fn every_key_of_the_full_file_is_in_the_schema() {
    let shop: Value = {
        let document = toml_edit::Document::parse(SHOP).unwrap();
        let keys = |item: &toml_edit::Item| {
            item.as_table_like()
                .map(|table| table.iter().map(|(key, _)| key.to_owned()).collect::<Vec<_>>())
        };
        serde_json::json!({
            "root": document.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            "orders": keys(&document["services"]["orders"]),
        })
    };
    let schema = schema();
    for key in shop["root"].as_array().unwrap() {
        assert!(schema["properties"].get(key.as_str().unwrap()).is_some(), "{key}");
    }
    let service = &schema["properties"]["services"]["additionalProperties"]["properties"];
    for key in shop["orders"].as_array().unwrap() {
        assert!(service.get(key.as_str().unwrap()).is_some(), "{key}");
    }
}
