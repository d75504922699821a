use clodo_cf_api::{ApiError, ApiErrorKind};
use clodo_gateway::LEASE_REFUSED;
use clodo_orchestrator::{PlatformError, PlatformErrorKind};

/// What to do when a gateway refuses a write for a lease: its message says whose.
const HELD: &str = "wait until that is finished; `clodo-gateway status` shows who holds what";

/// Wraps a failed call: what was being done, the kind that callers decide on, and the advice.
pub(crate) fn failed(doing: impl Into<String>) -> impl FnOnce(ApiError) -> PlatformError {
    let doing = doing.into();
    move |error| {
        let (kind, advice) = match error.has_code(LEASE_REFUSED) {
            true => (PlatformErrorKind::NotAllowed, HELD),
            false => (kind(error.kind()), error.advice()),
        };
        PlatformError::new(kind, doing).with_hint(advice).with_source(error)
    }
}

fn kind(kind: ApiErrorKind) -> PlatformErrorKind {
    match kind {
        ApiErrorKind::Auth | ApiErrorKind::Permission => PlatformErrorKind::NotAllowed,
        ApiErrorKind::RateLimited
        | ApiErrorKind::Unavailable
        | ApiErrorKind::Protocol
        | ApiErrorKind::Transport => PlatformErrorKind::Unavailable,
        _ => PlatformErrorKind::Refused,
    }
}
