use crate::load_error::chain;
use async_trait::async_trait;
use clodo_http::{Body, HttpService, Request};
use clodo_orchestrator::{Check, Through, Verdict, Verifier};
use clodo_types::VersionId;
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Asks a target's health path until the new version answers.
///
/// The answer proves which version gave it when it is a JSON object whose `version_metadata.id` is
/// that version's id; a Worker gets it from a `version_metadata` binding.
#[derive(Debug)]
pub struct HealthProbe {
    http: Arc<dyn HttpService>,
    patience: Duration,
}

/// The most that is read of a health answer, in bytes.
pub(crate) const ANSWER_LIMIT: usize = 256 * 1024;
/// The header by which the local Cloudflare says that an answer is its own.
pub(crate) const NOT_THE_WORKER: &str = "x-clodo-error";
/// Names the version that is to answer, whatever the traffic's split; it must be part of it.
/// <https://developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments/>
pub(crate) const OVERRIDES: &str = "cloudflare-workers-version-overrides";
/// Between two questions: the first pause, and the longest. A new version is live within
/// milliseconds on the local Cloudflare and within seconds on the real one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(500));
/// How often the new version itself may answer badly before it counts as unhealthy.
const BAD_ANSWERS: u32 = 5;

impl HealthProbe {
    /// Waits at most `patience` for one target.
    #[must_use]
    pub fn new(http: Arc<dyn HttpService>, patience: Duration) -> Self {
        Self { http, patience }
    }

    async fn ask(&self, url: &str, only: Option<&HeaderValue>) -> Heard {
        let Some(mut request) = question(url) else {
            return Heard::Nothing(format!("`{url}` is no URL to ask"));
        };
        if let Some(only) = only {
            request.headers_mut().insert(OVERRIDES, only.clone());
        }
        let response = match self.http.call(request).await {
            Ok(response) => response,
            Err(error) => return Heard::Nothing(chain(&error)),
        };
        let status = response.status();
        if let Some(why) = response.headers().get(NOT_THE_WORKER) {
            let why = String::from_utf8_lossy(why.as_bytes()).into_owned();
            return Heard::Nothing(format!("no Worker answered ({status}, {why})"));
        }
        let body = response.into_body().collect(ANSWER_LIMIT).await.unwrap_or_default();
        let version = serde_json::from_slice::<Value>(&body).ok();
        let version =
            version.and_then(|json| json["version_metadata"]["id"].as_str()?.parse().ok());
        Heard::Answer { status, version }
    }
}

/// What came back.
enum Heard {
    Nothing(String),
    Answer { status: StatusCode, version: Option<VersionId> },
}

#[async_trait]
impl Verifier for HealthProbe {
    async fn verify(&self, check: &Check, urls: &[String], version: Option<&VersionId>) -> Verdict {
        let Some(base) = urls.first() else { return Verdict::NotReachable };
        let path = check.health.as_deref().unwrap_or("/");
        let url = format!("{base}{path}");
        let only = override_of(check, version);
        let deadline = Instant::now() + self.patience;
        let mut pause = PAUSES.0;
        let mut bad = 0;
        loop {
            let judgement = judge(check, version, self.ask(&url, only.as_ref()).await);
            let why = match judgement {
                Judgement::Verdict(verdict) => return verdict,
                Judgement::Bad(why) if bad + 1 >= BAD_ANSWERS => return failed(&url, &why),
                Judgement::Bad(why) => {
                    bad += 1;
                    why
                }
                Judgement::Wait(why) => why,
            };
            if Instant::now() + pause > deadline {
                let waited = self.patience.as_secs();
                return failed(&url, &format!("{why} (waited {waited} s)"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// The header's value for a version that is asked for by name.
fn override_of(check: &Check, version: Option<&VersionId>) -> Option<HeaderValue> {
    let version = version.filter(|_| check.through == Through::Version)?;
    override_with(check, version)
}

/// What names a version of the target in [`OVERRIDES`].
pub(crate) fn override_with(check: &Check, version: &VersionId) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{}=\"{version}\"", check.addresses.worker.worker)).ok()
}

/// What one answer means.
enum Judgement {
    Verdict(Verdict),
    /// The new version itself answers, and not well.
    Bad(String),
    /// Not there yet.
    Wait(String),
}

fn judge(check: &Check, wanted: Option<&VersionId>, heard: Heard) -> Judgement {
    let (status, version) = match heard {
        Heard::Nothing(why) => return Judgement::Wait(why),
        Heard::Answer { status, version } => (status, version),
    };
    let good = if check.health.is_some() { status.is_success() } else { status.as_u16() < 500 };
    match (version, wanted) {
        (Some(version), Some(wanted)) if version != *wanted => {
            Judgement::Wait(format!("version {version} still answers"))
        }
        (Some(_), Some(_)) if good => Judgement::Verdict(Verdict::Proved),
        (Some(_), _) if !good => Judgement::Bad(format!("it answered {status}")),
        _ if good => Judgement::Verdict(Verdict::ProbedNotProved),
        _ => Judgement::Wait(format!("it answered {status}")),
    }
}

fn failed(url: &str, why: &str) -> Verdict {
    Verdict::Failed { why: format!("{url}: {why}") }
}

/// A GET. Names below `localhost` are not known to every resolver, so the connection goes to
/// 127.0.0.1 and the name into the `Host` header.
pub(crate) fn question(url: &str) -> Option<Request> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?.clone();
    let host = HeaderValue::from_str(authority.as_str()).ok()?;
    let mut parts = uri.into_parts();
    if authority.host().ends_with(".localhost") {
        let port = authority.port_u16().unwrap_or(80);
        parts.authority = Some(format!("127.0.0.1:{port}").parse().ok()?);
    }
    let request = http::Request::get(Uri::from_parts(parts).ok()?)
        .header(header::HOST, host)
        .header(header::CACHE_CONTROL, "no-cache");
    request.body(Body::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_http::Scripted;
    use clodo_orchestrator::{Addresses, WorkerRef};
    use clodo_types::TargetId;
    use std::collections::BTreeSet;

    const NEW: &str = "018f3c5e-0000-7000-8000-000000000001";
    const OLD: &str = "018f3c5e-0000-7000-8000-000000000000";

    fn answer(status: u16, version: Option<&str>) -> http::Response<Body> {
        let body = match version {
            Some(id) => format!(r#"{{"status":"ok","version_metadata":{{"id":"{id}"}}}}"#),
            None => "hello".to_owned(),
        };
        http::Response::builder().status(status).body(Body::from(body)).unwrap()
    }

    async fn check(answers: Vec<http::Response<Body>>, want: &str) {
        let scripted = Arc::new(Scripted::default());
        for answer in answers {
            scripted.push(Ok(answer));
        }
        let probe = HealthProbe::new(scripted, Duration::from_secs(30));
        let target = TargetId {
            service: "web".parse().unwrap(),
            environment: "staging".parse().unwrap(),
            customer: None,
            account: "main".parse().unwrap(),
        };
        let worker = WorkerRef { account: "main".parse().unwrap(), worker: "web".parse().unwrap() };
        let addresses = Addresses { worker, domains: BTreeSet::new(), workers_dev: true };
        let check = Check {
            target,
            addresses,
            health: Some("/health".into()),
            knows_version: true,
            through: Through::Addresses,
        };
        let urls = ["http://web.acme.test.localhost:8787".to_owned()];
        let verdict = probe.verify(&check, &urls, Some(&NEW.parse().unwrap())).await;
        assert_eq!(format!("{verdict:?}"), want);
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_until_the_new_version_answers() {
        let answers = vec![answer(404, None), answer(200, Some(OLD)), answer(200, Some(NEW))];
        check(answers, "Proved").await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_a_version_is_a_probe_and_no_proof() {
        check(vec![answer(200, None)], "ProbedNotProved").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_version_that_answers_badly_fails_soon() {
        let answers = (0..5).map(|_| answer(500, Some(NEW))).collect();
        let url = "http://web.acme.test.localhost:8787/health";
        let want = format!("Failed {{ why: \"{url}: it answered 500 Internal Server Error\" }}");
        check(answers, &want).await;
    }

    #[test]
    fn a_name_below_localhost_is_asked_at_127_0_0_1() {
        let request = question("http://shop.acme.test.localhost:8787/health").unwrap();
        assert_eq!(request.uri().to_string(), "http://127.0.0.1:8787/health");
        assert_eq!(request.headers()["host"], "shop.acme.test.localhost:8787");
        assert!(question("not a url at all").is_none());
    }
}
