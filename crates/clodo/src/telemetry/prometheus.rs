use super::first::First;
use crate::load_error::chain;
use clodo_config::PrometheusSettings;
use clodo_http::{Body, HttpService};
use clodo_judge::{Arm, Bounds, Histogram};
use clodo_orchestrator::{PlatformError, PlatformErrorKind, Reading, TelemetryQuestion};
use clodo_types::{Clock, Secret, VersionId};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::timeout;

/// The most that is read of an answer, in bytes.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);
/// Stands for the time since the canary's step began.
const WINDOW: &str = "{window}";

/// Queries to a Prometheus server. A query without `{window}` is taken for counters that only grow,
/// of which the difference counts since the server was first asked.
#[derive(Debug)]
pub(super) struct Prometheus {
    http: Arc<dyn HttpService>,
    clock: Arc<dyn Clock>,
    tokens: BTreeMap<String, Secret>,
    first: First,
}

/// One sample of an answer.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    /// The label `le`.
    within: Option<f64>,
    value: f64,
}

impl Prometheus {
    pub(super) fn new(
        http: Arc<dyn HttpService>,
        clock: Arc<dyn Clock>,
        tokens: BTreeMap<String, Secret>,
    ) -> Self {
        Self { http, clock, tokens, first: First::default() }
    }

    pub(super) async fn read(
        &self,
        question: &TelemetryQuestion,
        settings: &PrometheusSettings,
    ) -> Result<Reading, PlatformError> {
        let baseline = self.arm(question, settings, &question.baseline).await?;
        let canary = self.arm(question, settings, &question.canary).await?;
        let reading = Reading { baseline, canary };
        let asked = [&settings.requests, &settings.errors, &settings.latency];
        let of_window = asked.into_iter().flatten().all(|query| query.contains(WINDOW));
        Ok(if of_window { reading } else { self.first.since(question, &reading) })
    }

    async fn arm(
        &self,
        question: &TelemetryQuestion,
        settings: &PrometheusSettings,
        version: &VersionId,
    ) -> Result<Arm, PlatformError> {
        let of = async |query: &Option<String>| match query {
            Some(query) => self.ask(settings, &self.filled(query, question, version)).await,
            None => Ok(Vec::new()),
        };
        let requests = whole(of(&settings.requests).await?.iter().map(|sample| sample.value).sum());
        let errors = whole(of(&settings.errors).await?.iter().map(|sample| sample.value).sum());
        let latency = histogram(of(&settings.latency).await?);
        // All of them are counted from the same requests, a little sooner or later.
        let requests = requests.max(latency.as_ref().map_or(0, Histogram::total));
        let arm = Arm::new(requests, errors.min(requests));
        Ok(latency.map_or(arm.clone(), |latency| arm.with_latency(latency)))
    }

    fn filled(&self, query: &str, question: &TelemetryQuestion, version: &VersionId) -> String {
        let window = self.clock.now().since(question.since).as_secs_f64().ceil().max(1.0);
        query
            .replace("{version}", version.as_str())
            .replace("{worker}", question.check.addresses.worker.worker.as_str())
            .replace(WINDOW, &format!("{window}s"))
    }

    async fn ask(
        &self,
        settings: &PrometheusSettings,
        query: &str,
    ) -> Result<Vec<Sample>, PlatformError> {
        let base = settings.url.as_deref().unwrap_or_default();
        let doing = || format!("could not ask Prometheus at {base}");
        let refused = |why: String| {
            PlatformError::new(PlatformErrorKind::Refused, format!("{}: {why}", doing()))
        };
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let mut request = http::Request::get(format!("{base}/api/v1/query?query={query}"))
            .body(Body::empty())
            .map_err(|error| refused(error.to_string()))?;
        if let Some(variable) = &settings.token_env {
            let missing = || refused(format!("{variable} is not set"));
            let token = self.tokens.get(variable).ok_or_else(missing)?;
            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut bearer =
                bearer.map_err(|_| refused(format!("{variable} cannot be a token")))?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        let unavailable = |why: String| {
            PlatformError::new(PlatformErrorKind::Unavailable, format!("{}: {why}", doing()))
        };
        let answered = timeout(PATIENCE, async {
            let response = self.http.call(request).await.map_err(|error| chain(&error))?;
            let status = response.status();
            let body = response.into_body().collect(ANSWER_LIMIT).await;
            Ok((status, body.map_err(|error| chain(&error))?))
        });
        let answered = answered.await.unwrap_or_else(|_| Err("it did not answer".to_owned()));
        let (status, body) = answered.map_err(unavailable)?;
        samples(status, &body).map_err(refused)
    }
}

/// The samples of an answer, or why there are none.
fn samples(status: StatusCode, body: &[u8]) -> Result<Vec<Sample>, String> {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    if json["status"] != "success" {
        let why = json["error"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
        return Err(format!("it answered {status}{why}"));
    }
    let number = |value: &Value| value[1].as_str().and_then(|text| text.parse::<f64>().ok());
    let result = &json["data"]["result"];
    match json["data"]["resultType"].as_str() {
        Some("scalar") => {
            let value = number(result).ok_or("its answer is no number")?;
            Ok(vec![Sample { within: None, value }])
        }
        Some("vector") => {
            let rows = result.as_array().map(Vec::as_slice).unwrap_or_default();
            let sample = |row: &Value| {
                let within = row["metric"]["le"].as_str().and_then(|text| text.parse().ok());
                Some(Sample { within, value: number(&row["value"])? })
            };
            rows.iter()
                .map(sample)
                .collect::<Option<_>>()
                .ok_or("a sample has no number".to_owned())
        }
        other => Err(format!("its answer is a {}, not a vector", other.unwrap_or("riddle"))),
    }
}

/// Cumulative buckets in seconds. None when they make no histogram.
fn histogram(mut samples: Vec<Sample>) -> Option<Histogram> {
    samples.retain(|sample| sample.within.is_some_and(|within| within > 0.0));
    samples.sort_by(|a, b| a.within.partial_cmp(&b.within).unwrap_or(std::cmp::Ordering::Equal));
    let finite = samples.iter().filter_map(|sample| sample.within).filter(|le| le.is_finite());
    let bounds = Bounds::new(finite.filter_map(|le| Duration::try_from_secs_f64(le).ok())).ok()?;
    let mut below = 0;
    let mut counts = Vec::new();
    for sample in &samples {
        let up_to = whole(sample.value).max(below);
        counts.push(up_to - below);
        below = up_to;
    }
    // Without a bucket for all, nothing is known to be slower than the last bound.
    counts.resize(bounds.iter().len() + 1, 0);
    Histogram::of_counts(bounds, counts).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and NaN becomes 0"
)]
fn whole(count: f64) -> u64 {
    (count + 1e-6).floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_http::{Answer, Scripted};
    use clodo_orchestrator::{Addresses, Check, Through, WorkerRef};
    use clodo_types::{ManualClock, TargetId, Timestamp};
    use std::collections::BTreeSet;

    const OLD: &str = "018f3c5e-0000-7000-8000-000000000000";
    const NEW: &str = "018f3c5e-0000-7000-8000-000000000001";

    fn question() -> TelemetryQuestion {
        let worker = WorkerRef { account: "main".parse().unwrap(), worker: "web".parse().unwrap() };
        let check = Check {
            target: TargetId {
                service: "web".parse().unwrap(),
                environment: "staging".parse().unwrap(),
                customer: None,
                account: "main".parse().unwrap(),
            },
            addresses: Addresses { worker, domains: BTreeSet::new(), workers_dev: true },
            health: None,
            knows_version: true,
            through: Through::Addresses,
        };
        let since = Timestamp::from_millis(1_000);
        TelemetryQuestion::new(check, NEW.parse().unwrap(), OLD.parse().unwrap(), since)
    }

    fn settings(window: &str, latency: bool) -> PrometheusSettings {
        let mut settings = PrometheusSettings::default();
        let query = |name: &str| Some(format!("{name}{{v=\"{{version}}\"}}{window}"));
        settings.url = Some("http://prometheus.test".into());
        (settings.requests, settings.errors) = (query("requests"), query("errors"));
        settings.latency = query("latency").filter(|_| latency);
        settings
    }

    fn answer(rows: &[(&str, &str)]) -> Answer {
        let row = |(within, value): &(&str, &str)| serde_json::json!({ "metric": { "le": within }, "value": [1.5, value] });
        let rows: Vec<Value> = rows.iter().map(row).collect();
        let data = serde_json::json!({ "resultType": "vector", "result": rows });
        let body = serde_json::json!({ "status": "success", "data": data }).to_string();
        Answer::json(StatusCode::OK, body)
    }

    fn asking(answers: impl IntoIterator<Item = Answer>) -> (Prometheus, Arc<Scripted>) {
        let http = Arc::new(Scripted::new(answers));
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(91_000)));
        let token = ("TOKEN".to_owned(), Secret::new("hunter2"));
        (Prometheus::new(http.clone(), clock, BTreeMap::from([token])), http)
    }

    #[tokio::test]
    async fn both_versions_are_asked_about_by_the_users_queries() {
        let buckets = [("0.1", "60"), ("0.5", "95.9999999"), ("+Inf", "100")];
        let (prometheus, http) = asking([
            answer(&[("", "80.2"), ("", "20")]),
            answer(&[("", "1")]),
            answer(&buckets),
            answer(&[("", "7")]),
            answer(&[]),
            answer(&[]),
        ]);
        let mut settings = settings("[{window}]", true);
        settings.token_env = Some("TOKEN".into());
        let reading = prometheus.read(&question(), &settings).await.unwrap();
        assert_eq!((reading.baseline.requests, reading.baseline.errors), (100, 1));
        assert_eq!(reading.baseline.latency.unwrap().counts(), [60, 36, 4]);
        assert_eq!((reading.canary.requests, reading.canary.latency), (7, None));
        let asked = http.asked();
        let query = asked[0].uri().query().unwrap();
        let query = percent_encoding::percent_decode_str(query).decode_utf8().unwrap();
        assert_eq!(query, format!("query=requests{{v=\"{OLD}\"}}[90s]"));
        assert_eq!(asked[0].headers()["authorization"], "Bearer hunter2");
    }

    #[tokio::test]
    async fn of_counters_the_growth_since_the_first_answer_counts() {
        let round = |old: &str, new: &str| {
            [(old, "5"), (new, "2")]
                .map(|(requests, errors)| [answer(&[("", requests)]), answer(&[("", errors)])])
        };
        let answers = [round("1000", "10"), round("1090", "20")].into_iter().flatten().flatten();
        let (prometheus, _) = asking(answers);
        let read = async || prometheus.read(&question(), &settings("", false)).await.unwrap();
        assert_eq!(read().await, Reading::default());
        let second = read().await;
        assert_eq!((second.baseline.requests, second.canary.requests), (90, 10));
        assert_eq!((second.baseline.errors, second.canary.errors), (0, 0));
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_an_error_that_says_so() {
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        for (answer, said) in [
            (Answer::json(StatusCode::BAD_REQUEST, refused), "400 Bad Request (parse error)"),
            (Answer::json(StatusCode::OK, "<html>"), "it answered 200 OK"),
            (answer(&[("", "many")]), "a sample has no number"),
        ] {
            let (prometheus, _) = asking([answer]);
            let error = prometheus.read(&question(), &settings("", false)).await.unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
        let (prometheus, _) = asking([]);
        let mut settings = settings("", false);
        settings.token_env = Some("OTHER".into());
        let error = prometheus.read(&question(), &settings).await.unwrap_err();
        assert!(error.to_string().contains("OTHER is not set"), "{error}");
    }
}
