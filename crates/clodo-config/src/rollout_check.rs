//! What all levels together say about roll-outs.

use crate::{
    choices::TelemetrySource, portfolio::Portfolio, rollout::RolloutSettings, source::Problems,
};
use clodo_types::{EnvironmentName, ServiceName};

impl Portfolio {
    /// What all levels together say about how new versions of a service take over.
    #[must_use]
    pub fn rollout(&self, service: &ServiceName, environment: &EnvironmentName) -> RolloutSettings {
        let service = self.services.get(service);
        let inner = service.and_then(|service| service.environments.get(environment));
        let levels = [
            inner.map(|inner| &inner.rollout),
            self.environments.get(environment).map(|environment| &environment.rollout),
            service.map(|service| &service.rollout),
        ];
        let nothing = RolloutSettings::default();
        levels.into_iter().flatten().fold(nothing, |stronger, weaker| stronger.or(weaker))
    }
}

/// Whoever chooses Prometheus says where it is and what to ask.
pub(crate) fn telemetry(problems: &Problems<'_>, portfolio: &Portfolio) {
    let mut told = Vec::new();
    for environment in portfolio.environments.keys() {
        for service in portfolio.services.keys() {
            let settings = portfolio.rollout(service, environment);
            let Some(chosen) = settings.telemetry else { continue };
            let asked = &settings.prometheus;
            let complete =
                asked.url.is_some() && asked.requests.is_some() && asked.errors.is_some();
            let wrong = chosen.value == TelemetrySource::Prometheus && !complete;
            if wrong && !told.contains(&chosen.at) {
                let message = format!(
                    "`telemetry = \"prometheus\"` of {service}@{environment} needs `url`, \
                     `requests` and `errors`"
                );
                let hint = "put them into a table `prometheus` beside it";
                problems.add_at(&chosen, message, hint);
                told.push(chosen.at);
            }
        }
    }
}
