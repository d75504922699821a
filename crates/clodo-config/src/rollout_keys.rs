//! What may be said about how new versions take over.

use crate::{
    choices::{Approval, Inconclusive, Strategy, TelemetrySource, names},
    sections::{Key, Section, Shape, key},
    time,
};
use serde_json::{Value, json};

const TIME: Shape = Shape::Other("a time such as `90s` or `5m`", time_schema);
const COUNT: Shape = Shape::Other("a whole number", count_schema);
const NUMBER: Shape = Shape::Other("a number", number_schema);
const APPROVAL: Shape = Shape::Choice("an approval", names::<Approval>);

/// The keys of an environment, a service, and a service in an environment.
pub(crate) static ROLLOUT: &[Key] = &[
    key(
        "strategy",
        Shape::Choice("a strategy", names::<Strategy>),
        "How new versions take over. Without it: all at once.",
    ),
    key(
        "telemetry",
        Shape::Choice("a source of telemetry", names::<TelemetrySource>),
        "What canaries are judged by. Without it: Cloudflare's analytics.",
    ),
    key("rolling", Shape::Section(&ROLLING), "How targets are rolled out in batches."),
    key("canary", Shape::Section(&CANARY), "How a canary is rolled out and judged."),
    key("blue_green", Shape::Section(&BLUE_GREEN), "How a blue-green deployment is rolled out."),
    key("probes", Shape::Section(&PROBES), "The requests that `telemetry = \"probes\"` sends."),
    key("prometheus", Shape::Section(&PROMETHEUS), "What `telemetry = \"prometheus\"` asks."),
];

/// `[….rolling]`.
pub(crate) static ROLLING: Section = Section {
    keys: &[
        key(
            "batch",
            Shape::Other("a number of targets, or a part such as \"20%\"", batch_schema),
            "How many targets a batch has: a number, or a part of all that change. Without it: \
             20%.",
        ),
        key(
            "max_unavailable",
            COUNT,
            "How many targets of a batch may have a new version that has not answered yet. Without \
             it: all of the batch.",
        ),
        key(
            "bake",
            TIME,
            "How long a batch must stay healthy before the next begins. Without it: it must be \
             healthy once.",
        ),
    ],
    shared: &[],
};

/// `[….canary]`.
pub(crate) static CANARY: Section = Section {
    keys: &[
        key(
            "steps",
            Shape::Other("a list of percentages", steps_schema),
            "The shares of the traffic that the new version gets, in percent, each larger than the \
             one before and below 100: 5, or { percentage = 5, bake = \"10m\" }. Without it: 5, 25, \
             50.",
        ),
        key("bake", TIME, "How long each step lasts at least. Without it: 5m."),
        key("limit", TIME, "How long a step may stay without a verdict. Without it: 1h."),
        key(
            "inconclusive",
            Shape::Choice("what to do", names::<Inconclusive>),
            "What happens then; it is never promoted. Without it: hold.",
        ),
        key("interval", TIME, "How often telemetry is read. Without it: 10s."),
        key(
            "minimum_requests",
            COUNT,
            "No promotion before each version has answered so many requests. Without it: 100.",
        ),
        key(
            "error_margin",
            NUMBER,
            "What difference in error ratios a promotion rules out: 0.01 is one request in a \
             hundred. Without it: 0.01.",
        ),
        key(
            "error_margin_relative",
            NUMBER,
            "The same as a part of the old version's error ratio, in addition. Without it: 0.",
        ),
        key(
            "error_tolerance",
            NUMBER,
            "The part of the old version's error ratio by which the new one's may be above it \
             before that counts as worse. Without it: 0.",
        ),
        key(
            "latency",
            Shape::List("quantiles such as `p95`"),
            "Which quantiles of latency are judged, where telemetry knows them; [] for none. Without \
             it: p50 and p95.",
        ),
        key(
            "latency_tolerance",
            NUMBER,
            "The part by which the new version may be slower before that counts. Without it: 0.1.",
        ),
        key(
            "latency_margin",
            NUMBER,
            "By which part of its nominal size the share of slow requests may grow. Without it: 0.5.",
        ),
        key(
            "alpha_worse",
            NUMBER,
            "How likely a new version that is as good as the old one may be called worse, ever. \
             Without it: 0.01.",
        ),
        key(
            "alpha_promote",
            NUMBER,
            "How likely one that is worse by more than a margin may be promoted, ever. Without it: \
             0.05.",
        ),
    ],
    shared: &[],
};

/// `[….blue_green]`.
pub(crate) static BLUE_GREEN: Section = Section {
    keys: &[key(
        "bake",
        TIME,
        "How long the new version must stay healthy under all traffic, with the old one kept warm. \
         Without it: it must be healthy once.",
    )],
    shared: &[],
};

/// `[….probes]`.
pub(crate) static PROBES: Section = Section {
    keys: &[
        key(
            "requests",
            COUNT,
            "How many requests go to each version whenever telemetry is read. Without it: 20.",
        ),
        key(
            "path",
            Shape::Text("a path such as `/health`"),
            "The path that is asked with GET. Without it: the service's health path.",
        ),
    ],
    shared: &[],
};

/// `[….prometheus]`.
pub(crate) static PROMETHEUS: Section = Section {
    keys: &[
        key("url", Shape::Text("a URL"), "Where Prometheus is: https://prometheus.example.com"),
        key(
            "requests",
            Shape::Text("a query"),
            "A query for the number of requests. {version}, {worker} and {window}, the time since the \
             step began, are filled in; without {window} the query is for counters that only grow.",
        ),
        key("errors", Shape::Text("a query"), "A query for how many of them failed."),
        key(
            "latency",
            Shape::Text("a query"),
            "A query for their latencies: cumulative buckets in seconds by the label `le`. Without \
             it: errors alone are judged.",
        ),
        key(
            "token_env",
            Shape::Text("the name of an environment variable"),
            "The environment variable that holds a bearer token.",
        ),
    ],
    shared: &[],
};

/// `[[waves]]`.
pub(crate) static WAVE: Section = Section {
    keys: &[
        key("name", Shape::Text("a name"), "What it is called in plans. Without it: its number."),
        key("environments", Shape::List("environment names"), "Only targets in these."),
        key("customers", Shape::List("customer names"), "Only targets of these."),
        key("services", Shape::List("service names"), "Only targets of these."),
        key("bake", TIME, "How long its targets must stay healthy before the next begins."),
        key("approval", APPROVAL, "Whose yes is needed before the next begins."),
    ],
    shared: &[],
};

fn time_schema() -> Value {
    json!({"type": "string", "pattern": time::PATTERN})
}

fn count_schema() -> Value {
    json!({"type": "integer", "minimum": 1})
}

fn number_schema() -> Value {
    json!({"type": "number", "minimum": 0})
}

fn batch_schema() -> Value {
    json!({"oneOf": [
        count_schema(),
        {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$"}
    ]})
}

/// One step that is written as a table.
pub(crate) static STEP: Section = Section {
    keys: &[
        key("percentage", NUMBER, "The share of the traffic, in percent."),
        key("bake", TIME, "How long this step lasts at least."),
    ],
    shared: &[],
};

fn steps_schema() -> Value {
    let share = json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100});
    let table = json!({
        "type": "object",
        "properties": {"percentage": share, "bake": time_schema()},
        "required": ["percentage"],
        "additionalProperties": false
    });
    json!({"type": "array", "minItems": 1, "items": {"oneOf": [share, table]}})
}
