use crate::{http_date, service::Repeatable, transport_error::TransportKind};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::{HeaderMap, StatusCode, header};
use std::time::Duration;

/// Why an attempt did not give what was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// There was no answer.
    Transport(TransportKind),
    /// The answer's status says that a later attempt may do better.
    Status {
        /// The status.
        status: StatusCode,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The answer began and broke off: the request was carried out, its result is lost.
    BrokenAnswer,
    /// The server refused because something else was going on, and did nothing.
    Busy,
}

impl Fault {
    /// The fault that a response stands for: 408, 429 and 5xx are faults, all else is an answer.
    #[must_use]
    pub fn of_response<B>(response: &http::Response<B>) -> Option<Self> {
        let status = response.status();
        let transient = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT
            || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
        transient.then(|| Self::Status { status, retry_after: retry_after(response.headers()) })
    }

    /// True when the request may be sent again without risk of doing its work twice.
    #[must_use]
    pub fn may_repeat(self, repeatable: Repeatable) -> bool {
        let harmless = match self {
            Self::Transport(TransportKind::Other) => return false,
            Self::Transport(kind) => !kind.may_have_arrived(),
            // 429 and a 503 that names a time are refusals at the door.
            Self::Status { status: StatusCode::TOO_MANY_REQUESTS, .. } | Self::Busy => true,
            Self::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after } => {
                retry_after.is_some()
            }
            Self::Status { .. } | Self::BrokenAnswer => false,
        };
        harmless || repeatable == Repeatable::Yes
    }
}

/// The `Retry-After` header. In its form as a date it is measured against the answer's own `Date`,
/// so that the peer's clock and ours need not agree; without one it says nothing.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date::seconds(asked)? - http_date::seconds(text(header::DATE)?)?;
    // A date in the past means now.
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// How often and how late to try again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts in all; 1 means never again.
    pub attempts: u32,
    /// The most to wait before the second attempt; it doubles for each one after.
    pub base: Duration,
    /// Where the doubling stops.
    pub longest: Duration,
    /// The longest `Retry-After` that is waited for; a longer one is the caller's to handle.
    pub retry_after_cap: Duration,
}

impl Default for RetryPolicy {
    /// 4 attempts, from 0.5 s up to 8 s, `Retry-After` up to 60 s.
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(500),
            longest: Duration::from_secs(8),
            retry_after_cap: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Sets the number of attempts in all.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the most to wait before the second attempt.
    #[must_use]
    pub fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The waits of one call, which has not yet been sent.
    #[must_use]
    pub fn delays(&self) -> Delays {
        let even = ExponentialBuilder::new()
            .with_min_delay(self.base)
            .with_max_delay(self.longest)
            .with_max_times(usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX));
        Delays {
            even: even.build(),
            jittered: even.with_jitter().build(),
            retry_after_cap: self.retry_after_cap,
        }
    }
}

/// The waits between the attempts of one call.
#[derive(Debug)]
pub struct Delays {
    even: ExponentialBackoff,
    // `backon` adds up to one whole delay; what it added is a full jitter.
    jittered: ExponentialBackoff,
    retry_after_cap: Duration,
}

impl Delays {
    /// How long to wait before the next attempt, or `None` when there is to be none.
    ///
    /// With `Retry-After` the wait is that plus a full jitter, else it is anything from nothing
    /// to the present step of the backoff, and at least a second after a 429.
    pub fn after(&mut self, fault: Fault, repeatable: Repeatable) -> Option<Duration> {
        if !fault.may_repeat(repeatable) {
            return None;
        }
        let jitter = self.jittered.next()?.saturating_sub(self.even.next()?);
        let least = match fault {
            Fault::Status { retry_after: Some(asked), .. } if self.retry_after_cap < asked => {
                return None;
            }
            Fault::Status { retry_after: Some(asked), .. } => asked,
            Fault::Status { status: StatusCode::TOO_MANY_REQUESTS, .. } => Duration::from_secs(1),
            _ => Duration::ZERO,
        };
        Some(least + jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> Fault {
        Fault::Status {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn what_may_be_repeated_is_the_fault_times_what_the_request_says() {
        use TransportKind::{Connect, Other, Reset, Timeout};
        for (fault, when_repeatable, otherwise) in [
            (Fault::Transport(Connect), true, true),
            (Fault::Transport(Timeout), true, false),
            (Fault::Transport(Reset), true, false),
            (Fault::Transport(Other), false, false),
            (status(429, None), true, true),
            (status(429, Some(3)), true, true),
            (status(503, Some(3)), true, true),
            (status(503, None), true, false),
            (status(500, Some(3)), true, false),
            (status(502, None), true, false),
            (status(408, None), true, false),
            (status(522, None), true, false),
            (Fault::BrokenAnswer, true, false),
            (Fault::Busy, true, true),
        ] {
            assert_eq!(fault.may_repeat(Repeatable::Yes), when_repeatable, "{fault:?}");
            assert_eq!(fault.may_repeat(Repeatable::No), otherwise, "{fault:?}");
        }
    }

    #[test]
    fn answers_are_not_faults() {
        for (code, fault) in [
            (200, false),
            (302, false),
            (400, false),
            (404, false),
            (409, false),
            (501, false),
            (408, true),
            (429, true),
            (500, true),
            (530, true),
        ] {
            let response = http::Response::builder().status(code).body(()).unwrap();
            assert_eq!(Fault::of_response(&response).is_some(), fault, "{code}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (text, date, seconds) in [
            ("7", None, Some(7)),
            (" 0 ", None, Some(0)),
            ("-1", None, None),
            ("", None, None),
            ("Wed, 21 Oct 2026", Some(date), None),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(date), Some(30)),
            ("Wed, 21 Oct 2026 07:27:30 GMT", Some(date), Some(0)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", None, None),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some("yesterday"), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn waits_stay_within_their_steps_and_end() {
        for _ in 0..200 {
            let policy = RetryPolicy::default().with_attempts(6);
            let mut delays = policy.delays();
            for most in [500, 1_000, 2_000, 4_000, 8_000] {
                let wait = delays.after(status(500, None), Repeatable::Yes).unwrap();
                assert!(wait <= Duration::from_millis(most), "{wait:?} > {most} ms");
            }
            assert_eq!(delays.after(status(500, None), Repeatable::Yes), None);
        }
    }

    #[test]
    fn retry_after_is_a_floor_up_to_its_cap() {
        let policy = RetryPolicy::default();
        let wait = policy.delays().after(status(429, Some(60)), Repeatable::No).unwrap();
        assert!((60_000..=60_500).contains(&wait.as_millis()), "{wait:?}");
        assert_eq!(policy.delays().after(status(429, Some(61)), Repeatable::Yes), None);
        let wait = policy.delays().after(status(429, None), Repeatable::No).unwrap();
        assert!((1_000..=1_500).contains(&wait.as_millis()), "{wait:?}");
    }

    #[test]
    fn one_attempt_means_never_again() {
        let mut delays = RetryPolicy::default().with_attempts(1).delays();
        assert_eq!(delays.after(Fault::Busy, Repeatable::Yes), None);
        let mut delays = RetryPolicy::default().with_attempts(0).delays();
        assert_eq!(delays.after(Fault::Busy, Repeatable::Yes), None);
    }
}
