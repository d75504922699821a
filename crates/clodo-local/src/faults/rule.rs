use crate::span;
use http::Method;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// 429, with `Retry-After` if there are seconds. Nothing is done.
    TooManyRequests {
        /// What `Retry-After` says.
        retry_after: Option<u64>,
    },
    /// A 5xx. Nothing is done.
    ErrorBefore {
        /// 500 to 599.
        status: u16,
    },
    /// A 5xx, and yet everything is done.
    ErrorAfter {
        /// 500 to 599.
        status: u16,
    },
    /// The call is done late.
    Slow {
        /// By how much.
        delay: Duration,
    },
    /// The connection ends without an answer. Nothing is done.
    CutBefore,
    /// Everything is done, and the connection ends without an answer.
    CutAfter,
    /// Everything is done, and the connection ends in the middle of the answer.
    CutBody,
    /// The call is done twice; the client sees the second answer.
    Duplicate,
    /// An HTML page with a 5xx, as an overloaded edge sends it. Nothing is done.
    Html {
        /// 500 to 599.
        status: u16,
    },
    /// Everything is done; the answer's body is cut to half, with a length to match.
    Malformed,
}

impl FaultKind {
    /// The names that [`FromStr`] reads.
    pub const NAMES: [&'static str; 10] = [
        "too-many-requests",
        "error-before",
        "error-after",
        "slow",
        "cut-before",
        "cut-after",
        "cut-body",
        "duplicate",
        "html",
        "malformed",
    ];

    /// Such as `error-after`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::ErrorBefore { .. } => "error-before",
            Self::ErrorAfter { .. } => "error-after",
            Self::Slow { .. } => "slow",
            Self::CutBefore => "cut-before",
            Self::CutAfter => "cut-after",
            Self::CutBody => "cut-body",
            Self::Duplicate => "duplicate",
            Self::Html { .. } => "html",
            Self::Malformed => "malformed",
        }
    }
}

/// Reads a name, with the usual status, delay and no `Retry-After`.
impl FromStr for FaultKind {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        Ok(match text {
            "too-many-requests" => Self::TooManyRequests { retry_after: None },
            "error-before" => Self::ErrorBefore { status: 503 },
            "error-after" => Self::ErrorAfter { status: 502 },
            "slow" => Self::Slow { delay: Duration::from_secs(1) },
            "cut-before" => Self::CutBefore,
            "cut-after" => Self::CutAfter,
            "cut-body" => Self::CutBody,
            "duplicate" => Self::Duplicate,
            "html" => Self::Html { status: 502 },
            "malformed" => Self::Malformed,
            other => {
                let names = Self::NAMES.join(", ");
                return Err(FaultError(format!("`{other}` is no kind of fault: {names}")));
            }
        })
    }
}

/// A fault, and which calls it hits. Without further conditions it hits every call of the API.
///
/// The same faults with the same seeds hit the same calls: the draw depends on the fault's place
/// in the list, its seed, the route and how many calls of that route there were.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Calls that may be hit: see [`Fault::on`].
    pub route: RoutePattern,
    /// The share of them that is hit, from 0 to 1.
    pub rate: f64,
    /// Only the n-th of them, counted from 1 since the fault was added.
    pub nth: Option<u64>,
    /// How often at most.
    pub times: Option<u64>,
    /// What the draw depends on.
    pub seed: u64,
}

/// A fault that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

impl Fault {
    /// Hits every call.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        let route = RoutePattern::default();
        Self { kind, route, rate: 1.0, nth: None, times: None, seed: 0 }
    }

    /// Only calls of a route: `PUT /accounts/*/workers/scripts/*`. `*` stands for one segment, a
    /// `**` at the end for any number, and either half may be left out. Paths begin after
    /// `/client/v4`.
    ///
    /// # Errors
    /// When it is neither a method nor a path.
    pub fn on(mut self, route: &str) -> Result<Self, FaultError> {
        self.route = route.parse()?;
        Ok(self)
    }

    /// Only a share of them.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Only the n-th of them.
    #[must_use]
    pub fn only_nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// So often at most.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// What the draw depends on.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Reads what the control API takes.
    pub(crate) fn of_wire(wire: &FaultWire) -> Result<Self, FaultError> {
        let status = |usual: u16| match wire.status {
            None => Ok(usual),
            Some(status @ 500..=599) => Ok(status),
            Some(status) => Err(FaultError(format!("{status} is no 5xx status"))),
        };
        let delay = wire.delay.as_deref().map(|text| {
            span::parse(text).ok_or_else(|| FaultError(format!("`{text}` is no time such as `2s`")))
        });
        let kind = match wire.kind.parse()? {
            FaultKind::TooManyRequests { .. } => {
                FaultKind::TooManyRequests { retry_after: wire.retry_after }
            }
            FaultKind::ErrorBefore { status: usual } => {
                FaultKind::ErrorBefore { status: status(usual)? }
            }
            FaultKind::ErrorAfter { status: usual } => {
                FaultKind::ErrorAfter { status: status(usual)? }
            }
            FaultKind::Html { status: usual } => FaultKind::Html { status: status(usual)? },
            FaultKind::Slow { delay: usual } => {
                FaultKind::Slow { delay: delay.transpose()?.unwrap_or(usual) }
            }
            other => other,
        };
        let rate = wire.rate.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&rate) {
            return Err(FaultError(format!("a rate lies between 0 and 1, {rate} does not")));
        }
        if wire.nth == Some(0) {
            return Err(FaultError("the first call is number 1".to_owned()));
        }
        let fault = Self::new(kind).on(wire.route.as_deref().unwrap_or_default())?;
        let (nth, times, seed) = (wire.nth, wire.times, wire.seed.unwrap_or(0));
        Ok(Self { rate, nth, times, seed, ..fault })
    }

    /// What the control API says of it.
    pub(crate) fn wire(&self) -> FaultWire {
        let (mut status, mut retry_after, mut delay) = (None, None, None);
        match self.kind {
            FaultKind::TooManyRequests { retry_after: after } => retry_after = after,
            FaultKind::ErrorBefore { status: own }
            | FaultKind::ErrorAfter { status: own }
            | FaultKind::Html { status: own } => status = Some(own),
            FaultKind::Slow { delay: own } => delay = Some(span::show(own)),
            _ => {}
        }
        FaultWire {
            kind: self.kind.name().to_owned(),
            route: Some(self.route.to_string()),
            rate: Some(self.rate),
            nth: self.nth,
            times: self.times,
            seed: Some(self.seed),
            status,
            retry_after,
            delay,
        }
    }
}

/// A fault in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultWire {
    pub(crate) kind: String,
    pub(crate) route: Option<String>,
    pub(crate) rate: Option<f64>,
    pub(crate) nth: Option<u64>,
    pub(crate) times: Option<u64>,
    pub(crate) seed: Option<u64>,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) delay: Option<String>,
}

/// `PUT /accounts/*/workers/scripts/*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePattern {
    method: Option<Method>,
    /// `None`: any path.
    path: Option<String>,
}

impl RoutePattern {
    /// Whether a call is meant. `path` begins after `/client/v4`.
    #[must_use]
    pub fn fits(&self, method: &Method, path: &str) -> bool {
        let by_method = self.method.as_ref().is_none_or(|own| own == method);
        by_method && self.path.as_ref().is_none_or(|own| path_fits(own, path))
    }
}

fn path_fits(pattern: &str, path: &str) -> bool {
    let mut own = path.trim_end_matches('/').split('/');
    let mut wanted = pattern.trim_end_matches('/').split('/').peekable();
    while let Some(segment) = wanted.next() {
        if segment == "**" && wanted.peek().is_none() {
            return true;
        }
        let Some(actual) = own.next() else { return false };
        let any = segment == "*" || (segment.starts_with('{') && segment.ends_with('}'));
        let fits = if any { !actual.is_empty() } else { segment == actual };
        if !fits {
            return false;
        }
    }
    own.next().is_none()
}

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

impl FromStr for RoutePattern {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong = || {
            FaultError(format!(
                "`{text}` is no route: write `PUT /accounts/*/workers/scripts/*`, `PUT`, or a path"
            ))
        };
        let (method, path) = match text.trim().split_once(char::is_whitespace) {
            Some((method, path)) => (method, path.trim()),
            None if text.trim().starts_with('/') => ("", text.trim()),
            None => (text.trim(), ""),
        };
        let method = match method {
            "" | "*" => None,
            name => {
                let mut known = METHODS.iter();
                let found = known.find(|known| known.as_str().eq_ignore_ascii_case(name));
                Some(found.cloned().ok_or_else(wrong)?)
            }
        };
        let path = match path.strip_prefix("/client/v4").unwrap_or(path) {
            "" => None,
            path if path.starts_with('/') && !path.contains(char::is_whitespace) => {
                Some(path.to_owned())
            }
            _ => return Err(wrong()),
        };
        Ok(Self { method, path })
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_ref().map_or("*", Method::as_str);
        write!(f, "{method} {}", self.path.as_deref().unwrap_or("/**"))
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
