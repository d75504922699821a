use super::*;
use proptest::prelude::*;

#[test]
fn routes_fit_by_method_and_segment() {
    let scripts = "/accounts/a/workers/scripts/shop";
    for (pattern, method, path, expected) in [
        ("", "GET", "/zones", true),
        ("* /**", "GET", "/zones", true),
        ("put", "PUT", scripts, true),
        ("PUT", "GET", scripts, false),
        ("/accounts/*/workers/scripts/*", "DELETE", scripts, true),
        ("/accounts/{account}/workers/scripts/{script}", "DELETE", scripts, true),
        ("PUT /accounts/*/workers/scripts/*", "PUT", "/accounts/a/workers/scripts", false),
        ("PUT /accounts/*/workers/scripts/*", "PUT", "/accounts/a/workers/scripts/", false),
        ("PUT /accounts/*/workers/scripts/*", "PUT", "/accounts/a/workers/scripts/s/x", false),
        ("/accounts/*/workers/**", "PUT", scripts, true),
        ("/accounts/*/d1/**", "PUT", scripts, false),
        ("/client/v4/zones", "GET", "/zones/", true),
    ] {
        let route: RoutePattern = pattern.parse().unwrap();
        assert_eq!(
            route.fits(&method.parse().unwrap(), path),
            expected,
            "{pattern} {method} {path}"
        );
    }
    for wrong in ["zones", "GET zones", "G?T /x", "GET /a b", "/a\n/b"] {
        assert!(wrong.parse::<RoutePattern>().is_err(), "{wrong}");
    }
}

#[test]
fn impossible_faults_are_refused_with_a_reason() {
    for (wire, why) in [
        (r#"{"kind":"explode"}"#, "no kind of fault"),
        (r#"{"kind":"error-before","status":404}"#, "no 5xx"),
        (r#"{"kind":"slow","delay":"soon"}"#, "no time"),
        (r#"{"kind":"slow","rate":1.5}"#, "between 0 and 1"),
        (r#"{"kind":"slow","rate":-0.1}"#, "between 0 and 1"),
        (r#"{"kind":"slow","nth":0}"#, "number 1"),
        (r#"{"kind":"slow","route":"nowhere else"}"#, "no route"),
    ] {
        let wire: FaultWire = serde_json::from_str(wire).unwrap();
        let error = Fault::of_wire(&wire).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(serde_json::from_str::<FaultWire>(r#"{"kind":"slow","rat":1}"#).is_err());
}

#[test]
fn every_kind_reads_as_it_is_shown() {
    for name in FaultKind::NAMES {
        let kind: FaultKind = name.parse().unwrap();
        assert_eq!(kind.name(), name);
        let fault = Fault::new(kind).on("PUT /a/*").unwrap().with_rate(0.5).only_nth(3).at_most(2);
        assert_eq!(Fault::of_wire(&fault.wire()).unwrap(), fault);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_route_parser_panic_and_what_it_reads_it_prints(text in ".{0,60}") {
        if let Ok(route) = text.parse::<RoutePattern>() {
            prop_assert_eq!(route.to_string().parse::<RoutePattern>().unwrap().to_string(), route.to_string());
            let _ = route.fits(&Method::GET, &text);
        }
    }
}
