//! What canaries are judged by, as `clodo.toml` says for each target.

mod analytics;
mod first;
mod probes;
mod prometheus;

use crate::platform::{CloudflarePlatform, UrlStyle};
use analytics::Analytics;
use async_trait::async_trait;
use clodo_config::{Portfolio, RolloutSettings, TelemetrySource};
use clodo_http::HttpService;
use clodo_orchestrator::{PlatformError, Reading, Telemetry, TelemetryQuestion};
use clodo_types::{Clock, Secret, TargetId};
use probes::Probes;
use prometheus::Prometheus;
use std::{collections::BTreeMap, sync::Arc};

/// Telemetry from where the portfolio says: Cloudflare's analytics, a Prometheus server, or
/// requests that are sent for the purpose.
#[derive(Debug)]
pub struct PortfolioTelemetry {
    portfolio: Portfolio,
    analytics: Analytics,
    prometheus: Prometheus,
    probes: Probes,
}

impl PortfolioTelemetry {
    /// Reads analytics as `platform` is reached; `environment` reads the variables that hold tokens
    /// for Prometheus.
    #[must_use]
    pub fn new(
        portfolio: Portfolio,
        platform: Arc<CloudflarePlatform>,
        http: Arc<dyn HttpService>,
        clock: Arc<dyn Clock>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let mut tokens = BTreeMap::new();
        for service in portfolio.services().keys() {
            for name in portfolio.environments().keys() {
                let variable = portfolio.rollout(service, name).prometheus.token_env;
                let token = |variable: String| Some((variable.clone(), environment(&variable)?));
                let token = variable.and_then(token);
                tokens.extend(token.map(|(variable, text)| (variable, Secret::new(text))));
            }
        }
        Self {
            portfolio,
            analytics: Analytics::new(platform, Arc::clone(&clock)),
            prometheus: Prometheus::new(Arc::clone(&http), clock, tokens),
            probes: Probes::new(http),
        }
    }

    fn settings(&self, target: &TargetId) -> (TelemetrySource, RolloutSettings) {
        let settings = self.portfolio.rollout(&target.service, &target.environment);
        let chosen = settings.telemetry.as_ref().map(|chosen| chosen.value);
        (chosen.unwrap_or(TelemetrySource::Cloudflare), settings)
    }
}

#[async_trait]
impl Telemetry for PortfolioTelemetry {
    async fn read(&self, question: &TelemetryQuestion) -> Result<Reading, PlatformError> {
        let (source, settings) = self.settings(&question.check.target);
        match source {
            TelemetrySource::Cloudflare => self.analytics.read(question).await,
            TelemetrySource::Prometheus => {
                self.prometheus.read(question, &settings.prometheus).await
            }
            TelemetrySource::Probes => self.probes.read(question, &settings.probes).await,
        }
    }

    fn knows_latency(&self, target: &TargetId) -> bool {
        let (source, settings) = self.settings(target);
        match source {
            // It tells quantiles, which cannot be added up or taken apart.
            TelemetrySource::Cloudflare => false,
            TelemetrySource::Prometheus => settings.prometheus.latency.is_some(),
            TelemetrySource::Probes => true,
        }
    }
}

/// Whether figures come by the minute: the local Cloudflare does not keep them any finer.
fn by_minute(style: UrlStyle) -> bool {
    matches!(style, UrlStyle::Localhost { .. })
}
