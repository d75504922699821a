//! Answers of the gateway's own, in the shape of Cloudflare's, so that clients print them.

use crate::{lease_note::LeaseNoteError, lease_refusal::LeaseRefusal};
use bytes::Bytes;
use clodo_http::{Body, Response, TransportKind};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use std::{borrow::Cow, time::Duration};

/// Why the gateway answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is not meant for a program on this machine.
    NotForBrowsers,
    /// The path leaves the base URL, or is no path of the API.
    BadPath,
    /// There is nothing of the gateway's here.
    NoSuchRoute,
    /// A method that proxies do not pass on.
    BadMethod,
    /// The gateway was asked to ask itself.
    Loop,
    /// The budget will not allow the call in time.
    TooLong { retry_after: Duration },
    /// Too many calls are in the gateway already.
    TooMany,
    /// The gateway ends.
    Closing,
    /// The upstream gave no answer.
    Upstream(TransportKind),
    /// The client's own body broke off or was not as long as it said.
    BadBody,
    /// The header that names a lease cannot be read.
    BadLease(LeaseNoteError),
    /// A lease keeps the write from being sent.
    Lease(Box<LeaseRefusal>),
    /// Writes of an older holder are not over in time.
    OlderWrites,
}

/// The number by which an answer says that a lease keeps a write from being sent, whosever it is.
pub const LEASE_REFUSED: u64 = 9_900_409;

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotForBrowsers => StatusCode::FORBIDDEN,
            Self::BadPath | Self::BadBody | Self::BadLease(_) => StatusCode::BAD_REQUEST,
            Self::Lease(refusal) => refusal.status,
            Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::TooLong { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooMany | Self::Closing | Self::OlderWrites => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream(TransportKind::Timeout) => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// A word for the log.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::NotForBrowsers => "not_for_browsers",
            Self::BadPath => "bad_path",
            Self::NoSuchRoute => "no_such_route",
            Self::BadMethod => "bad_method",
            Self::Loop => "loop",
            Self::TooLong { .. } => "waited_too_long",
            Self::TooMany => "too_many_calls",
            Self::Closing => "closing",
            Self::Upstream(TransportKind::Connect) => "upstream_unreachable",
            Self::Upstream(TransportKind::Timeout) => "upstream_late",
            Self::Upstream(TransportKind::Reset) => "upstream_lost",
            Self::Upstream(TransportKind::Other) => "upstream_other",
            Self::BadBody => "bad_body",
            Self::BadLease(_) => "bad_lease",
            Self::Lease(refusal) => refusal.word,
            Self::OlderWrites => "older_writes",
        }
    }

    /// Numbers that Cloudflare does not use.
    fn code(&self) -> u64 {
        match self {
            Self::NotForBrowsers => 9_900_403,
            Self::BadPath => 9_900_400,
            Self::BadBody => 9_900_401,
            Self::BadLease(_) => 9_900_402,
            Self::Lease(_) => LEASE_REFUSED,
            Self::OlderWrites => 9_900_505,
            Self::NoSuchRoute => 9_900_404,
            Self::BadMethod => 9_900_405,
            Self::Loop => 9_900_508,
            Self::TooLong { .. } => 9_900_429,
            Self::TooMany => 9_900_503,
            Self::Closing => 9_900_504,
            Self::Upstream(TransportKind::Connect) => 9_900_521,
            Self::Upstream(TransportKind::Timeout) => 9_900_524,
            Self::Upstream(TransportKind::Reset) => 9_900_520,
            Self::Upstream(TransportKind::Other) => 9_900_530,
        }
    }

    fn message(&self) -> Cow<'static, str> {
        let fixed = match self {
            Self::BadLease(error) => {
                let header = crate::lease_note::LEASE_HEADER;
                return format!("clodo-gateway: the header `{header}` cannot be read: {error}")
                    .into();
            }
            Self::Lease(refusal) => return refusal.message.clone().into(),
            Self::OlderWrites => {
                "clodo-gateway: writes of an older holder of the lease are still under way; nothing was sent"
            }
            Self::NotForBrowsers => {
                "clodo-gateway: only programs on this machine may call, by 127.0.0.1 or localhost"
            }
            Self::BadPath => "clodo-gateway: the path holds `.` or `..`",
            Self::BadBody => "clodo-gateway: the request's body broke off",
            Self::NoSuchRoute => "clodo-gateway: the API is below /client/v4",
            Self::BadMethod => "clodo-gateway: this method is not passed on",
            Self::Loop => "clodo-gateway: its upstream leads back to itself",
            Self::TooLong { .. } => {
                "clodo-gateway: the token's budget of calls is used up for longer than a call may wait"
            }
            Self::TooMany => "clodo-gateway: too many calls at once",
            Self::Closing => "clodo-gateway: it is being stopped",
            Self::Upstream(TransportKind::Connect) => {
                "clodo-gateway: the upstream cannot be reached; nothing was sent"
            }
            Self::Upstream(TransportKind::Timeout) => {
                "clodo-gateway: the upstream did not answer in time; the call may have had its effect"
            }
            Self::Upstream(TransportKind::Reset) => {
                "clodo-gateway: the upstream broke the connection; the call may have had its effect"
            }
            Self::Upstream(TransportKind::Other) => {
                "clodo-gateway: the call could not be sent to the upstream"
            }
        };
        fixed.into()
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooLong { retry_after } => Some(whole_seconds(*retry_after)),
            Self::TooMany | Self::OlderWrites => Some(1),
            _ => None,
        }
    }

    pub(crate) fn answer(&self) -> Response {
        let error = Said { code: self.code(), message: self.message() };
        let envelope = Envelope { success: false, errors: [error], messages: [], result: None };
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut answer = json_answer(self.status(), body);
        let word = HeaderValue::from_static(self.word());
        answer.headers_mut().insert("x-clodo-error", word);
        if let Some(seconds) = self.retry_after() {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

#[derive(Serialize)]
struct Envelope {
    success: bool,
    errors: [Said; 1],
    messages: [Said; 0],
    result: Option<Said>,
}

#[derive(Serialize)]
struct Said {
    code: u64,
    message: Cow<'static, str>,
}

/// Rounded up, and at least one.
fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

pub(crate) fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut answer = Response::new(Body::from(body.into()));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
