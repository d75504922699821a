//! Which events a listener wants to hear of.

use serde_json::Value;
use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// More than any client sends; each costs work per event.
const MAX_FILTERS: usize = 64;

/// Every filter must let an event pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filters(Vec<Filter>);

#[derive(Clone, Debug, PartialEq)]
enum Filter {
    /// Passes this share of events.
    Sampling(f64),
    Outcome(Vec<String>),
    Method(Vec<String>),
    /// A request with this header, and this text in its value.
    Header {
        key: String,
        query: Option<String>,
    },
    ClientIp(Vec<String>),
    /// This text in what was logged.
    Query(String),
    Version(String),
}

/// Why filters were not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FilterError(String);

impl Filters {
    /// Reads the body of `POST S/tails`: nothing, `{"filters": […]}`, or the list alone. `client`
    /// is who asks; it is what `self` stands for.
    pub(crate) fn read(body: &[u8], client: Option<IpAddr>) -> Result<Self, FilterError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let body: Value =
            serde_json::from_slice(body).map_err(|error| FilterError(error.to_string()))?;
        let list = match &body {
            Value::Array(list) => list.as_slice(),
            Value::Object(fields) => match fields.get("filters") {
                None | Some(Value::Null) => &[],
                Some(Value::Array(list)) => list.as_slice(),
                Some(_) => return Err(FilterError("`filters` must be a list".into())),
            },
            Value::Null => &[],
            _ => return Err(FilterError("the body must be an object".into())),
        };
        if list.len() > MAX_FILTERS {
            return Err(FilterError(format!("there may be {MAX_FILTERS} filters at most")));
        }
        let filters = list.iter().map(|one| filter(one, client)).collect::<Result<_, _>>()?;
        Ok(Self(filters))
    }

    /// Whether the listener wants the event.
    pub(crate) fn pass(&self, event: &Value) -> bool {
        self.0.iter().all(|filter| filter.passes(event))
    }
}

fn filter(wire: &Value, client: Option<IpAddr>) -> Result<Filter, FilterError> {
    let fields = wire.as_object().filter(|fields| fields.len() == 1);
    let one = fields.and_then(|fields| fields.iter().next());
    let Some((name, value)) = one else {
        return Err(FilterError("a filter must be an object with one field".into()));
    };
    let wrong = |what: &str| FilterError(format!("the filter `{name}` must be {what}"));
    Ok(match name.as_str() {
        "sampling_rate" => {
            let rate = value.as_f64().filter(|rate| (0.0..=1.0).contains(rate));
            Filter::Sampling(rate.ok_or_else(|| wrong("a number between 0 and 1"))?)
        }
        "outcome" => Filter::Outcome(texts(value).ok_or_else(|| wrong("a list of texts"))?),
        "method" => Filter::Method(texts(value).ok_or_else(|| wrong("a list of texts"))?),
        "header" => header(value).ok_or_else(|| wrong("an object with `key` and `query`"))?,
        "client_ip" => {
            let wanted = texts(value).ok_or_else(|| wrong("a list of texts"))?;
            let own = |text: String| match (text.as_str(), client) {
                ("self", Some(client)) => client.to_string(),
                _ => text,
            };
            Filter::ClientIp(wanted.into_iter().map(own).collect())
        }
        "query" => Filter::Query(value.as_str().ok_or_else(|| wrong("a text"))?.to_owned()),
        "scriptVersion" => {
            Filter::Version(value.as_str().ok_or_else(|| wrong("a text"))?.to_owned())
        }
        other => return Err(FilterError(format!("there is no filter `{other}`"))),
    })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

fn header(value: &Value) -> Option<Filter> {
    let key = value["key"].as_str()?.to_ascii_lowercase();
    let query = match value.get("query") {
        None | Some(Value::Null) => None,
        Some(query) => Some(query.as_str()?.to_owned()),
    };
    Some(Filter::Header { key, query })
}

impl Filter {
    fn passes(&self, event: &Value) -> bool {
        let request = &event["event"]["request"];
        let is = |value: &Value, wanted: &[String]| {
            value.as_str().is_some_and(|text| wanted.iter().any(|w| w.eq_ignore_ascii_case(text)))
        };
        match self {
            Self::Sampling(rate) => random() < *rate,
            Self::Outcome(wanted) => is(&event["outcome"], wanted),
            Self::Method(wanted) => is(&request["method"], wanted),
            Self::ClientIp(wanted) => is(&request["headers"]["cf-connecting-ip"], wanted),
            Self::Header { key, query } => {
                let value = request["headers"].get(key).and_then(Value::as_str);
                value.is_some_and(|value| query.as_ref().is_none_or(|text| value.contains(text)))
            }
            Self::Query(text) => logged(event).any(|message| holds(message, text)),
            Self::Version(id) => event["scriptVersion"]["id"] == id.as_str(),
        }
    }
}

/// Everything that was given to `console.log` and the like.
fn logged(event: &Value) -> impl Iterator<Item = &Value> {
    let logs = event["logs"].as_array().into_iter().flatten();
    logs.flat_map(|log| log["message"].as_array().into_iter().flatten())
}

fn holds(message: &Value, text: &str) -> bool {
    match message {
        Value::String(message) => message.contains(text),
        other => other.to_string().contains(text),
    }
}

/// At least 0 and below 1.
fn random() -> f64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let hash = SEED.get_or_init(RandomState::new).hash_one(count);
    let bits = u32::try_from(hash >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "outcome": "exception",
            "scriptVersion": { "id": "v1" },
            "logs": [{ "message": ["plain words", { "nested": "needle" }, 7] }],
            "event": { "request": {
                "method": "GET",
                "headers": { "x-mark": "some value", "cf-connecting-ip": "127.0.0.1" },
            } },
        })
    }

    fn read(filters: Value) -> Result<Filters, FilterError> {
        let body = json!({ "filters": filters }).to_string();
        Filters::read(body.as_bytes(), Some(IpAddr::from([127, 0, 0, 1])))
    }

    #[test]
    fn every_filter_must_let_an_event_pass() {
        for (filters, expected) in [
            (json!([]), true),
            (json!([{ "sampling_rate": 1 }]), true),
            (json!([{ "sampling_rate": 0 }]), false),
            (json!([{ "outcome": ["ok"] }]), false),
            (json!([{ "outcome": ["exception", "exceededCpu"] }]), true),
            (json!([{ "outcome": [] }]), false),
            (json!([{ "method": ["POST", "get"] }]), true),
            (json!([{ "method": ["POST"] }]), false),
            (json!([{ "header": { "key": "X-Mark" } }]), true),
            (json!([{ "header": { "key": "x-mark", "query": "value" } }]), true),
            (json!([{ "header": { "key": "x-mark", "query": "other" } }]), false),
            (json!([{ "header": { "key": "x-none" } }]), false),
            (json!([{ "client_ip": ["self"] }]), true),
            (json!([{ "client_ip": ["10.0.0.1"] }]), false),
            (json!([{ "query": "words" }]), true),
            (json!([{ "query": "needle" }]), true),
            (json!([{ "query": "hay" }]), false),
            (json!([{ "scriptVersion": "v1" }]), true),
            (json!([{ "scriptVersion": "v2" }]), false),
            (json!([{ "outcome": ["exception"] }, { "method": ["POST"] }]), false),
        ] {
            assert_eq!(read(filters.clone()).unwrap().pass(&event()), expected, "{filters}");
        }
    }

    #[test]
    fn an_event_that_is_no_request_passes_no_filter_on_requests() {
        let cron = json!({ "outcome": "ok", "logs": null, "event": { "cron": "* * * * *" } });
        for filters in [
            json!([{ "method": ["GET"] }]),
            json!([{ "header": { "key": "host" } }]),
            json!([{ "client_ip": ["self"] }]),
            json!([{ "query": "" }]),
        ] {
            assert!(!read(filters.clone()).unwrap().pass(&cron), "{filters}");
        }
        assert!(read(json!([{ "outcome": ["ok"] }])).unwrap().pass(&cron));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filters in [
            json!([{ "sampling_rate": 2 }]),
            json!([{ "sampling_rate": "half" }]),
            json!([{ "outcome": "ok" }]),
            json!([{ "method": [1] }]),
            json!([{ "header": "x" }]),
            json!([{ "header": { "key": "x", "query": 1 } }]),
            json!([{ "colour": ["red"] }]),
            json!([{}]),
            json!([{ "query": "a", "method": ["GET"] }]),
            json!(["query"]),
            json!("all"),
            Value::Array(vec![json!({ "query": "a" }); MAX_FILTERS + 1]),
        ] {
            assert!(read(filters.clone()).is_err(), "{filters}");
        }
        for body in ["{", "7", "\"x\"", "\u{0}"] {
            assert!(Filters::read(body.as_bytes(), None).is_err(), "{body}");
        }
        for body in ["", "  ", "{}", "null", "[]", r#"{"filters":null}"#] {
            assert_eq!(Filters::read(body.as_bytes(), None), Ok(Filters::default()), "{body}");
        }
        assert!(Filters::read(&[0xff, 0xfe], None).is_err());
    }

    #[test]
    fn a_sample_is_about_as_large_as_was_asked_for() {
        let half = read(json!([{ "sampling_rate": 0.5 }])).unwrap();
        let passed = (0..10_000).filter(|_| half.pass(&event())).count();
        assert!((4_500..5_500).contains(&passed), "{passed}");
    }
}
