use crate::{SHOP, portfolio};
use clodo_config::{Origin, Portfolio, SelectError, Selection, Strategy, TargetSpec};

/// `services/environments/customers/domain`, each part possibly empty.
fn selection(text: &str) -> Selection {
    let mut parts = text.split('/');
    let mut next = || parts.next().unwrap_or_default();
    let mut selection = Selection::default();
    selection.services =
        next().split_whitespace().map(|name| name.parse().expect("a valid name")).collect();
    selection.environments =
        next().split_whitespace().map(|name| name.parse().expect("a valid name")).collect();
    selection.customers =
        next().split_whitespace().map(|name| name.parse().expect("a valid name")).collect();
    selection.domain =
        Some(next()).filter(|s| !s.is_empty()).map(|s| s.parse().expect("a valid name"));
    selection
}

fn select(portfolio: &Portfolio, text: &str) -> Result<Vec<TargetSpec>, SelectError> {
    portfolio.select(&selection(text))
}

fn names(targets: &[TargetSpec]) -> String {
    targets.iter().map(|target| target.id.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_selection_means_what_it_says() {
    let shop = portfolio(SHOP);
    for (text, expected) in [
        ("web//", "web@development/acme web@development/initech"),
        ("web/production/acme", "web@production/acme"),
        (
            "/staging/acme initech",
            "catalog@staging/acme catalog@staging/initech orders@staging/acme \
             orders@staging/initech web@staging/acme web@staging/initech",
        ),
        (
            "web orders/staging development staging/acme",
            "orders@staging/acme web@staging/acme orders@development/acme web@development/acme",
        ),
        ("/staging production//orders.acme.test", "orders@production/acme"),
        ("/production//orders.acme.test", "orders@production/acme"),
        ("/production//catalog.acme.test", "catalog@production/acme"),
    ] {
        assert_eq!(names(&select(&shop, text).unwrap()), expected, "{text}");
    }
    let count = shop.select(&Selection::default()).unwrap().len();
    assert_eq!(count, 6, "three services for two customers");
}

#[test]
fn an_unknown_name_says_what_was_meant() {
    let shop = portfolio(SHOP);
    for (text, message, hint) in [
        ("wbe//", "unknown service `wbe`", "did you mean `web`?"),
        (
            "/prod/",
            "unknown environment `prod`",
            "there is `development`, `preview`, `production`, `staging`",
        ),
        ("/staging productoin/", "unknown environment `productoin`", "did you mean `production`?"),
        ("//acne", "unknown customer `acne`", "did you mean `acme`?"),
        (
            "/production//shop.acme.tset",
            "no selected target serves `shop.acme.tset`",
            "did you mean `shop.acme.test`?",
        ),
        (
            "/staging//orders.acme.test",
            "no selected target serves `orders.acme.test`",
            "it is served in `--env production`",
        ),
    ] {
        let error = select(&shop, text).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.hint()), (message, hint), "{text}");
    }
}

#[test]
fn a_portfolio_without_development_asks_for_an_environment() {
    let text = "[portfolio]\nname = \"p\"\n[services.a]\npath = \"a\"\n[environments.live]\n";
    let error = portfolio(text).select(&Selection::default()).unwrap_err();
    assert_eq!(error.hint(), "choose one with --env: live");
}

#[test]
fn a_portfolio_without_customers_has_one_target_a_service() {
    let text = "[portfolio]\nname = \"p\"\n[services.a]\npath = \"a\"\n[services.b]\npath = \"b\"\n\
                [accounts.main]\nzones = [\"x.test\"]\n\
                [domains]\nproduction.a = \"a.x.test\"\n\
                [environments.production.domains]\nb = [\"b.x.test\"]\n";
    let portfolio = portfolio(text);
    let targets = select(&portfolio, "/production").unwrap();
    assert_eq!(names(&targets), "a@production b@production");
    assert_eq!(targets[0].domains[0].as_str(), "a.x.test");
    assert_eq!(targets[1].domains[0].as_str(), "b.x.test");
    let error = select(&portfolio, "/production/acme").unwrap_err();
    assert_eq!(error.hint(), "this portfolio has no customers: leave --customer out");
}

#[test]
fn each_value_comes_from_the_strongest_level_and_says_so() {
    let shop = portfolio(SHOP);
    let mut asked = selection("orders catalog/production/acme initech");
    asked.overrides.process_environment.insert("PAGE".parse().unwrap(), "50".into());
    asked.overrides.command_line.insert("PAGE".parse().unwrap(), "60".into());
    asked.overrides.process_environment.insert("BRAND".parse().unwrap(), "Env".into());
    let targets = shop.select(&asked).unwrap();
    for (target, var, value, origin) in [
        ("catalog@production/acme", "LOG_LEVEL", "\"error\"", Origin::CustomerInEnvironment),
        ("catalog@production/initech", "LOG_LEVEL", "\"warn\"", Origin::Environment),
        ("catalog@production/acme", "RATE", "10", Origin::Environment),
        ("orders@production/acme", "RATE", "5", Origin::ServiceInEnvironment),
        ("catalog@production/acme", "BRAND", "\"Env\"", Origin::ProcessEnvironment),
        ("catalog@production/acme", "PAGE", "\"60\"", Origin::CommandLine),
        (
            "orders@production/acme",
            "LIMITS",
            r#"{"hosts":["a","b"],"requests":5}"#,
            Origin::Default,
        ),
    ] {
        let spec = targets.iter().find(|spec| spec.id.to_string() == target).unwrap();
        let found = &spec.vars[var];
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        assert_eq!((&found.value, found.origin), (&value, origin), "{target} {var}");
    }
    let placed = &targets[0].vars["RATE"];
    assert_eq!(placed.at.as_ref().unwrap().to_string(), "clodo.toml:20:30");
}

#[test]
fn the_strategy_of_a_service_in_an_environment_wins() {
    let shop = portfolio(SHOP);
    let strategy = |text: &str| {
        let found = &select(&shop, text).unwrap()[0].strategy;
        (found.value, found.origin)
    };
    assert_eq!(strategy("orders/production"), (Strategy::BlueGreen, Origin::ServiceInEnvironment));
    assert_eq!(strategy("web/production"), (Strategy::Canary, Origin::Environment));
    assert_eq!(strategy("orders/staging"), (Strategy::Rolling, Origin::Service));
    assert_eq!(strategy("web/staging"), (Strategy::AllAtOnce, Origin::Default));
}

#[test]
fn a_target_lives_in_its_customers_account() {
    let shop = portfolio(SHOP);
    let targets = select(&shop, "web/production").unwrap();
    assert_eq!(targets[0].id.account.as_str(), "main");
    assert!(targets[0].account.id.is_some());
    assert_eq!(targets[1].id.account.as_str(), "other");
    assert_eq!(targets[1].account.zones[0].value.as_str(), "initech.test");
}
