use crate::{
    api_error::{ApiError, ApiErrorKind},
    classify::Product,
};
use clodo_resilience::{
    BreakerEvent, BreakerOptions, BreakerState, Breakers, CallPermit, CircuitOpen,
};
use std::{fmt, time::Duration};

/// What fails together: the endpoints of one product, for one account or zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BreakerKey {
    /// The account's or the zone's id; none for calls that name neither.
    pub scope: Option<String>,
    /// The product: `d1`, `kv`, `r2`, `queues`, `workers`, `graphql`, or `rest` for all else.
    pub group: &'static str,
}

impl fmt::Display for BreakerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.group, self.scope.as_deref().unwrap_or("everybody"))
    }
}

/// The breakers of a client and its clones.
pub(crate) struct Circuit(Option<Breakers<BreakerKey>>);

impl Circuit {
    pub(crate) fn new(options: Option<BreakerOptions>) -> Self {
        Self(options.map(|options| Breakers::with_listener(options, tell)))
    }

    /// Whether a call may be made; hold what it gives until the call has ended.
    pub(crate) fn admit(
        &self,
        template: &str,
        parameters: &[(&'static str, String)],
    ) -> Result<Admission, CircuitOpen> {
        let Some(breakers) = &self.0 else { return Ok(Admission(None)) };
        let scope = parameters.iter().find(|(name, _)| matches!(*name, "account" | "zone"));
        let scope = scope.map(|(_, id)| id.clone());
        let key = BreakerKey { scope, group: Product::of(template).group() };
        breakers.admit(&key).map(|permit| Admission(Some(permit)))
    }

    pub(crate) fn state(&self, key: &BreakerKey) -> BreakerState {
        self.0.as_ref().map_or(BreakerState::Closed, |breakers| breakers.state(key))
    }
}

/// A call that may be made. Dropping it says nothing about the service.
pub(crate) struct Admission(Option<CallPermit<BreakerKey>>);

impl Admission {
    pub(crate) fn answered(self) {
        if let Some(permit) = self.0 {
            permit.succeeded();
        }
    }

    /// Counts what the platform did wrong. A refusal, a wrong token or a call too many are answers
    /// of a platform that works; what never left says nothing.
    pub(crate) fn failed(self, error: &ApiError) {
        let Some(permit) = self.0 else { return };
        match error.kind() {
            ApiErrorKind::Unavailable | ApiErrorKind::Transport => permit.failed(),
            ApiErrorKind::Request => drop(permit),
            _ => permit.succeeded(),
        }
    }
}

fn tell(event: &BreakerEvent<BreakerKey>) {
    let BreakerKey { scope, group } = match event {
        BreakerEvent::Opened { key, .. }
        | BreakerEvent::Probed { key }
        | BreakerEvent::Closed { key } => key,
        _ => return,
    };
    let scope = scope.as_deref().unwrap_or_default();
    match event {
        BreakerEvent::Opened { retry_in, .. } => {
            tracing::warn!(group, scope, ?retry_in, "calls are refused after too many failures");
        }
        BreakerEvent::Probed { .. } => {
            tracing::info!(group, scope, "one call finds out whether the API is back");
        }
        _ => tracing::info!(group, scope, "calls pass again"),
    }
}

/// How long until it is worth trying, in words.
pub(crate) fn patience(open: CircuitOpen) -> String {
    match open.retry_in {
        Some(wait) => {
            let seconds = wait.saturating_add(Duration::from_millis(999)).as_secs();
            format!("the API failed too often lately: it is tried again in {seconds} s")
        }
        None => "the API failed too often lately: another call finds out whether it is back".into(),
    }
}
