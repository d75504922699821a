use super::{by_minute, first::First};
use crate::platform::{CloudflarePlatform, failed};
use clodo_cf_api::analytics::{Invocations, InvocationsFilter, TimeRange, invocations};
use clodo_judge::Arm;
use clodo_orchestrator::{PlatformError, Reading, TelemetryQuestion};
use clodo_types::{Clock, VersionId};
use std::sync::Arc;

const MINUTE: i64 = 60_000;

/// Cloudflare's own analytics: invocations by version, and how many of them failed. An invocation
/// fails when the Worker throws or exceeds a limit; an answer with a status of 500 is none. On the
/// real Cloudflare figures come minutes late, and may be sampled.
#[derive(Debug)]
pub(super) struct Analytics {
    platform: Arc<CloudflarePlatform>,
    clock: Arc<dyn Clock>,
    first: First,
}

impl Analytics {
    pub(super) fn new(platform: Arc<CloudflarePlatform>, clock: Arc<dyn Clock>) -> Self {
        Self { platform, clock, first: First::default() }
    }

    pub(super) async fn read(
        &self,
        question: &TelemetryQuestion,
    ) -> Result<Reading, PlatformError> {
        let worker = &question.check.addresses.worker;
        let account = self.platform.account(&worker.account)?;
        let by_minute = by_minute(self.platform.style());
        let since = question.since.as_millis();
        // Where figures come by the second, the one that had begun belongs to the time before.
        let from = match by_minute {
            true => since.div_euclid(MINUTE) * MINUTE,
            false => since.saturating_add(999).div_euclid(1_000) * 1_000,
        };
        let time = TimeRange::new(rfc3339(from), rfc3339(self.clock.now().as_millis()));
        let filter = InvocationsFilter::all(time).of_worker(&worker.worker);
        let doing = format!("could not read the analytics of `{}`", worker.worker);
        let asked = self.platform.client().send(invocations(account, &filter)).await;
        let groups = asked.map_err(failed(doing))?;
        let of = |version: &VersionId| arm(&groups, version);
        let reading = Reading { baseline: of(&question.baseline), canary: of(&question.canary) };
        // A minute may have begun before the time that is asked about.
        Ok(if by_minute { self.first.since(question, &reading) } else { reading })
    }
}

/// What was looked at of one version, not what is extrapolated from that.
fn arm(groups: &[Invocations], version: &VersionId) -> Arm {
    let own = groups
        .iter()
        .filter(|group| group.dimensions.script_version.as_deref() == Some(version.as_str()));
    let (mut requests, mut errors) = (0, 0);
    for group in own {
        let every = group.avg.sample_interval.filter(|every| *every >= 1.0).unwrap_or(1.0);
        requests += seen(group.sum.requests, every);
        errors += seen(group.sum.errors, every);
    }
    Arm::new(requests, errors.min(requests))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of a count"
)]
fn seen(count: u64, every: f64) -> u64 {
    (count as f64 / every).round() as u64
}

fn rfc3339(millis: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    moment.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_sampled_invocations_those_that_were_looked_at_count() {
        let version: VersionId = "018f3c5e-0000-7000-8000-000000000001".parse().unwrap();
        let group = |version: &str, status, requests, errors, every| {
            let wire = json!({
                "dimensions": { "scriptVersion": version, "status": status },
                "sum": { "requests": requests, "errors": errors },
                "avg": { "sampleInterval": every },
            });
            serde_json::from_value::<Invocations>(wire).unwrap()
        };
        let groups = [
            group(version.as_str(), "success", 1_000, 0, 10.0),
            group(version.as_str(), "scriptThrewException", 30, 30, 10.0),
            group(version.as_str(), "success", 7, 0, 1.0),
            group("018f3c5e-0000-7000-8000-000000000002", "success", 9, 0, 1.0),
        ];
        assert_eq!(arm(&groups, &version), Arm::new(110, 3));
    }

    #[test]
    fn a_moment_is_written_in_rfc_3339() {
        assert_eq!(rfc3339(1_790_000_000_000), "2026-09-21T14:13:20Z");
    }
}
