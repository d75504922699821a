use http::{Method, Uri};
use std::{error, fmt};

/// What went wrong on the way; retries are decided on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// No connection came about: the request cannot have arrived.
    Connect,
    /// No answer in time: the request may have arrived.
    Timeout,
    /// The connection broke off before the answer: the request may have arrived.
    Reset,
    /// The request could not be sent as it is; sending it again cannot help.
    Other,
}

impl TransportKind {
    /// Whether the peer may have acted on the request.
    #[must_use]
    pub fn may_have_arrived(self) -> bool {
        matches!(self, Self::Timeout | Self::Reset)
    }
}

/// A request that got no answer. Its text names method, host and path, never the query, which
/// may hold a signature.
#[derive(Debug)]
pub struct TransportError {
    kind: TransportKind,
    subject: String,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl TransportError {
    /// An error without a cause.
    #[must_use]
    pub fn new(kind: TransportKind, method: &Method, uri: &Uri) -> Self {
        let host = uri.authority().map_or("", |authority| {
            let text = authority.as_str();
            // A password in the URL must not get into a log.
            text.rsplit_once('@').map_or(text, |(_, host)| host)
        });
        Self { kind, subject: format!("{method} {host}{}", uri.path()), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind, for whoever decides what to do.
    #[must_use]
    pub fn kind(&self) -> TransportKind {
        self.kind
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TransportKind::Connect => "could not connect",
            TransportKind::Timeout => "got no answer in time",
            TransportKind::Reset => "lost its connection before the answer",
            TransportKind::Other => "could not be sent",
        };
        write!(f, "{} {what}", self.subject)
    }
}

impl error::Error for TransportError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_no_query_and_no_password() {
        let uri: Uri = "http://me:pw@a.test:8080/file?signature=abc".parse().unwrap();
        let error = TransportError::new(TransportKind::Timeout, &Method::PUT, &uri);
        assert_eq!(error.to_string(), "PUT a.test:8080/file got no answer in time");
    }
}
