use crate::{batch, of_errors};
use clodo_judge::{Judge, JudgeOptions, Metric};
use serde_json::{Value, json};

fn stored() -> Value {
    let mut judge = of_errors();
    judge.observe(&batch((90, 1), (10, 0))).unwrap();
    serde_json::to_value(&judge).unwrap()
}

fn reads(value: &Value) -> Result<Judge, String> {
    serde_json::from_value(value.clone()).map_err(|error| error.to_string())
}

#[test]
fn a_judge_that_was_tampered_with_is_not_read() {
    assert!(reads(&stored()).is_ok());
    let change = |pointer: &str, value: Value| {
        let mut stored = stored();
        *stored.pointer_mut(pointer).unwrap() = value;
        reads(&stored).unwrap_err()
    };
    assert!(change("/options/alpha_worse", json!(0)).contains("options"));
    assert!(change("/options/quantiles", json!(["p95"])).contains("tests"));
    assert!(change("/past/canary/errors", json!(11)).contains("counts"));
    assert!(change("/tests/0/worse", json!([])).contains("tests"));
    assert!(change("/tests/0/worse/0/run", json!(0)).contains("nonzero"));
    assert!(change("/waiting", json!({})).contains("missing field"));
}

#[test]
fn options_may_name_only_what_differs() {
    let options: JudgeOptions =
        serde_json::from_str(r#"{"error_margin":{"absolute":0.02},"quantiles":["p99.9"]}"#)
            .unwrap();
    let expected = JudgeOptions::default().with_quantiles(["p99.9".parse().unwrap()]);
    assert_eq!(options.error_margin.absolute, 0.02);
    assert_eq!(options.quantiles, expected.quantiles);
    assert!(serde_json::from_str::<JudgeOptions>(r#"{"alpha":0.1}"#).is_err());
}

#[test]
fn a_metric_reads_what_it_prints() {
    for text in ["errors", "latency-p50", "latency-p99.9"] {
        assert_eq!(text.parse::<Metric>().unwrap().to_string(), text);
    }
    for text in ["", "latency", "latency-", "latency-95", "Errors"] {
        assert!(text.parse::<Metric>().is_err(), "{text}");
    }
}

#[test]
fn the_json_of_a_verdict_names_it() {
    let mut judge = of_errors();
    judge.observe(&batch((20, 0), (10, 10))).unwrap();
    let report = serde_json::to_value(judge.report()).unwrap();
    assert_eq!(report["verdict"], "worse");
    assert_eq!(report["metric"], "errors");
    assert_eq!(report["canary"], json!({ "hits": 10, "total": 10 }));
    assert_eq!(report["metrics"][0]["metric"], "errors");
    let verdict = serde_json::to_value(of_errors().verdict()).unwrap();
    assert_eq!(verdict["verdict"], "inconclusive");
    assert_eq!(verdict["missing"][1]["missing"], "requests");
    assert_eq!(verdict["missing"][1]["side"], "canary");
}
