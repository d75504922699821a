use crate::{
    load_error::chain,
    verifier::{ANSWER_LIMIT, NOT_THE_WORKER, OVERRIDES, override_with, question as request},
};
use clodo_config::ProbeSettings;
use clodo_http::HttpService;
use clodo_judge::{Arm, Bounds, Histogram};
use clodo_orchestrator::{PlatformError, PlatformErrorKind, Reading, TelemetryQuestion};
use clodo_types::{Timestamp, VersionId};
use futures_util::{StreamExt as _, stream};
use http::HeaderValue;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// How many requests go to each version whenever telemetry is read.
const REQUESTS: usize = 20;
/// How many are under way at once: enough to be quick, too few to be a load.
const AT_ONCE: usize = 4;
/// Whoever has not answered by then has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests that are sent to both versions in turn, whatever share of the traffic they have: GETs
/// with a header that overrides the draw. A status from 500 on, and no answer in time, is an error.
#[derive(Debug)]
pub(super) struct Probes {
    http: Arc<dyn HttpService>,
    known: Mutex<HashMap<Asked, Tally>>,
}

type Asked = (VersionId, VersionId, Timestamp);

/// What came of all requests so far.
#[derive(Clone, Debug)]
struct Tally {
    baseline: Count,
    canary: Count,
}

#[derive(Clone, Debug)]
struct Count {
    requests: u64,
    errors: u64,
    latency: Histogram,
}

/// What came of one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    Answer {
        good: bool,
        after: Duration,
    },
    /// Nothing that tells about the version: nobody was reached, or another version answered.
    Nothing,
}

impl Probes {
    pub(super) fn new(http: Arc<dyn HttpService>) -> Self {
        Self { http, known: Mutex::default() }
    }

    pub(super) async fn read(
        &self,
        question: &TelemetryQuestion,
        settings: &ProbeSettings,
    ) -> Result<Reading, PlatformError> {
        let target = &question.check.target;
        let refused = |doing| PlatformError::new(PlatformErrorKind::Refused, doing);
        let base = question.urls.first().ok_or_else(|| {
            refused(format!("{target} has no URL that probes could ask"))
                .with_hint("give it a domain, or choose another `telemetry`")
        })?;
        let path = settings.path.as_deref().or(question.check.health.as_deref()).unwrap_or("/");
        let url = format!("{base}{path}");
        let count = settings.requests.map_or(REQUESTS, |count| count.get() as usize);
        let overridden = |version| override_with(&question.check, version);
        let (Some(baseline), Some(canary)) =
            (overridden(&question.baseline), overridden(&question.canary))
        else {
            return Err(refused(format!("a version of {target} cannot be named in a header")));
        };
        // In turn, so that both see the same minutes of whatever they depend on.
        let turns = (0..count).flat_map(|_| [false, true]);
        let heard = turns.map(|is_canary| {
            let (only, version) = match is_canary {
                false => (&baseline, &question.baseline),
                true => (&canary, &question.canary),
            };
            let url = &url;
            async move { (is_canary, self.ask(url, only, version).await) }
        });
        let heard: Vec<(bool, Heard)> =
            stream::iter(heard).buffer_unordered(AT_ONCE).collect().await;
        Ok(self.counted(question, &heard))
    }

    fn counted(&self, question: &TelemetryQuestion, heard: &[(bool, Heard)]) -> Reading {
        let asked = (question.canary.clone(), question.baseline.clone(), question.since);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = known
            .entry(asked)
            .or_insert_with(|| Tally { baseline: Count::nothing(), canary: Count::nothing() });
        for (is_canary, heard) in heard {
            let count = if *is_canary { &mut tally.canary } else { &mut tally.baseline };
            count.add(*heard);
        }
        Reading { baseline: tally.baseline.arm(), canary: tally.canary.arm() }
    }

    async fn ask(&self, url: &str, only: &HeaderValue, wanted: &VersionId) -> Heard {
        let Some(mut request) = request(url) else { return Heard::Nothing };
        request.headers_mut().insert(OVERRIDES, only.clone());
        let began = Instant::now();
        let answered = timeout(PATIENCE, async {
            let response = self.http.call(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect(ANSWER_LIMIT).await.unwrap_or_default();
            Ok::<_, clodo_http::TransportError>((head, body))
        });
        let (head, body) = match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(error = chain(&error), "a probe reached nobody");
                return Heard::Nothing;
            }
            Err(_) => return Heard::Answer { good: false, after: PATIENCE },
        };
        // Numbers are Cloudflare's own: those of a Worker that threw, or exceeded a limit.
        let not_the_worker = head
            .headers
            .get(NOT_THE_WORKER)
            .is_some_and(|why| why.as_bytes().iter().any(|byte| !byte.is_ascii_digit()));
        let told = serde_json::from_slice::<Value>(&body).ok();
        let told = told.and_then(|json| json["version_metadata"]["id"].as_str()?.parse().ok());
        let is_another = told.is_some_and(|told: VersionId| told != *wanted);
        match not_the_worker || is_another {
            true => Heard::Nothing,
            false => Heard::Answer { good: !head.status.is_server_error(), after: began.elapsed() },
        }
    }
}

impl Count {
    fn nothing() -> Self {
        Self { requests: 0, errors: 0, latency: Histogram::new(Bounds::default()) }
    }

    fn add(&mut self, heard: Heard) {
        let Heard::Answer { good, after } = heard else { return };
        self.requests += 1;
        self.errors += u64::from(!good);
        self.latency.record(after);
    }

    fn arm(&self) -> Arm {
        Arm::new(self.requests, self.errors).with_latency(self.latency.clone())
    }
}
