use crate::wire::{number, open_enum, or_default};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

open_enum! {
    /// How an invocation ended.
    Outcome {
        /// Well.
        Ok = "ok",
        /// The Worker threw.
        Exception = "exception",
        /// It used too much CPU time.
        ExceededCpu = "exceededCpu",
        /// It used too much memory.
        ExceededMemory = "exceededMemory",
        /// The client went away.
        Canceled = "canceled",
        /// The code could not be loaded.
        ScriptNotFound = "scriptNotFound",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

/// One invocation of a Worker. Fields that came later are in `other`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TraceEvent {
    /// How it ended.
    #[serde(default = "unknown", deserialize_with = "outcome")]
    pub outcome: Outcome,
    /// The Worker.
    #[serde(default)]
    pub script_name: Option<String>,
    /// Its version.
    #[serde(default)]
    pub script_version: Option<ScriptVersion>,
    /// The class or function that was called, when it is not the default export.
    #[serde(default)]
    pub entrypoint: Option<String>,
    /// When it began, in milliseconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub event_timestamp: Option<u64>,
    /// `stateless`, `durableObject` …
    #[serde(default)]
    pub execution_model: Option<String>,
    /// Milliseconds of CPU.
    #[serde(default)]
    pub cpu_time: Option<f64>,
    /// Milliseconds in all.
    #[serde(default)]
    pub wall_time: Option<f64>,
    /// Whether there was more than fits.
    #[serde(default, deserialize_with = "or_default")]
    pub truncated: bool,
    /// What the Worker wrote with `console`.
    #[serde(default, deserialize_with = "or_default")]
    pub logs: Vec<TraceLog>,
    /// What it threw.
    #[serde(default, deserialize_with = "or_default")]
    pub exceptions: Vec<TraceException>,
    /// What it published, as it travels.
    #[serde(default, deserialize_with = "or_default")]
    pub diagnostics_channel_events: Vec<Value>,
    /// What called it.
    #[serde(default)]
    pub event: Option<EventKind>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn unknown() -> Outcome {
    Outcome::Unknown
}

fn outcome<'de, D: Deserializer<'de>>(from: D) -> Result<Outcome, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(Outcome::Unknown))
}

/// The version of an invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScriptVersion {
    /// Its id.
    #[serde(default)]
    pub id: Option<String>,
    /// The name that its maker gave it.
    #[serde(default)]
    pub tag: Option<String>,
    /// What its maker wrote about it.
    #[serde(default)]
    pub message: Option<String>,
}

/// What a Worker wrote with `console`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct TraceLog {
    /// The arguments, as they travel.
    #[serde(default, deserialize_with = "or_default")]
    pub message: Value,
    /// `log`, `info`, `warn`, `error`, `debug`.
    #[serde(default, deserialize_with = "or_default")]
    pub level: String,
    /// In milliseconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub timestamp: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a Worker threw.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct TraceException {
    /// Its class, such as `TypeError`.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Its text.
    #[serde(default, deserialize_with = "or_default")]
    pub message: Value,
    /// Where it was thrown.
    #[serde(default)]
    pub stack: Option<String>,
    /// In milliseconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub timestamp: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Fields of an event, as they travel.
pub type TriggerFields = Map<String, Value>;

/// What called a Worker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A request.
    Fetch {
        /// The request.
        request: FetchRequest,
        /// The answer, when there was one.
        response: Option<FetchResponse>,
    },
    /// A cron expression.
    Scheduled {
        /// The expression.
        cron: String,
        /// When it was due, as it travels.
        scheduled_time: Value,
    },
    /// A batch of a queue.
    Queue {
        /// The queue.
        queue: String,
        /// How many messages.
        batch_size: Option<u64>,
    },
    /// An alarm of a Durable Object; when it was due, as it travels.
    Alarm(Value),
    /// An e-mail, with all its fields.
    Email(TriggerFields),
    /// A method that another Worker called.
    Rpc {
        /// The method.
        method: String,
    },
    /// Events of other Workers, as they travel.
    Tail(Value),
    /// Something else.
    Other(TriggerFields),
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct FetchRequest {
    /// Its URL.
    #[serde(default, deserialize_with = "or_default")]
    pub url: String,
    /// Its method.
    #[serde(default, deserialize_with = "or_default")]
    pub method: String,
    /// Its headers; those that hold credentials are redacted.
    #[serde(default, deserialize_with = "or_default")]
    pub headers: BTreeMap<String, Value>,
    /// What Cloudflare knows of the client, as it travels.
    #[serde(default, deserialize_with = "or_default")]
    pub cf: Value,
}

/// An answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FetchResponse {
    /// Its status.
    #[serde(default)]
    pub status: u16,
}

impl<'de> Deserialize<'de> for EventKind {
    /// Events do not say what they are; their fields do.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::of(Map::deserialize(from)?))
    }
}

impl EventKind {
    fn of(fields: TriggerFields) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let field = |name: &str| fields.get(name).cloned();
        if let Some(request) = field("request").and_then(|it| FetchRequest::deserialize(it).ok()) {
            let response = field("response").and_then(|it| FetchResponse::deserialize(it).ok());
            return Self::Fetch { request, response };
        }
        if let Some(cron) = text("cron") {
            let scheduled_time = field("scheduledTime").unwrap_or_default();
            return Self::Scheduled { cron, scheduled_time };
        }
        if let Some(queue) = text("queue") {
            let batch_size = fields.get("batchSize").and_then(Value::as_u64);
            return Self::Queue { queue, batch_size };
        }
        if let Some(method) = text("rpcMethod") {
            return Self::Rpc { method };
        }
        if fields.contains_key("mailFrom") || fields.contains_key("rawSize") {
            return Self::Email(fields);
        }
        match (field("scheduledTime"), field("consumedEvents")) {
            (Some(due), _) => Self::Alarm(due),
            (_, Some(events)) => Self::Tail(events),
            _ => Self::Other(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn kind(wire: &str) -> EventKind {
        serde_json::from_str(wire).unwrap()
    }

    #[test]
    fn an_event_is_known_by_its_fields() {
        let fetch = kind(
            r#"{"request":{"url":"https://a.test/","method":"GET","headers":{}},"response":{"status":200}}"#,
        );
        assert!(matches!(fetch, EventKind::Fetch { request, response: Some(response) }
            if request.url == "https://a.test/" && response.status == 200));
        let broken_off = kind(r#"{"request":{"url":"u"},"response":null}"#);
        assert!(matches!(broken_off, EventKind::Fetch { response: None, .. }));
        let cron = kind(r#"{"cron":"* * * * *","scheduledTime":1}"#);
        assert!(matches!(cron, EventKind::Scheduled { cron, .. } if cron == "* * * * *"));
        assert!(matches!(kind(r#"{"scheduledTime":"2026"}"#), EventKind::Alarm(_)));
        let queue = kind(r#"{"queue":"jobs","batchSize":3}"#);
        assert_eq!(queue, EventKind::Queue { queue: "jobs".to_owned(), batch_size: Some(3) });
        assert!(matches!(kind(r#"{"mailFrom":"a@b"}"#), EventKind::Email(_)));
        assert!(matches!(kind(r#"{"rpcMethod":"add"}"#), EventKind::Rpc { .. }));
        assert!(matches!(kind(r#"{"consumedEvents":[]}"#), EventKind::Tail(_)));
        assert!(matches!(kind(r#"{"moon":1}"#), EventKind::Other(_)));
        assert!(matches!(kind("{}"), EventKind::Other(_)));
    }

    #[test]
    fn an_event_of_the_future_is_read_and_kept() {
        let wire = r#"{"outcome":"teleported","scriptName":null,"cpuTime":1.5,"logs":null,
            "exceptions":[{"name":"Error","message":"m","timestamp":1,"cause":"c"}],
            "event":null,"spanId":"abc","eventTimestamp":1790000000000}"#;
        let event: TraceEvent = serde_json::from_str(wire).unwrap();
        assert_eq!(event.outcome, Outcome::Other("teleported".to_owned()));
        assert_eq!(event.other["spanId"], "abc");
        assert_eq!(event.exceptions[0].other["cause"], "c");
        assert!(event.logs.is_empty() && event.event.is_none());
        let bare: TraceEvent = serde_json::from_str("{}").unwrap();
        assert_eq!(bare.outcome, Outcome::Unknown);
    }
}
