use clodo_cf_api::{ApiError, ApiErrorKind};
use clodo_orchestrator::{PlatformError, PlatformErrorKind};

/// Wraps a failed call: what was being done, the kind that callers decide on, and the advice.
pub(crate) fn failed(doing: impl Into<String>) -> impl FnOnce(ApiError) -> PlatformError {
    let doing = doing.into();
    move |error| {
        let advice = error.advice();
        PlatformError::new(kind(error.kind()), doing).with_hint(advice).with_source(error)
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
