use crate::{classify::classify, envelope::ApiMessage};
use clodo_http::{BodyError, TransportError, TransportKind};
use http::{Method, StatusCode};
use std::{error, fmt};

/// What went wrong; retries, exit codes and what to tell the user are decided on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// The token is missing, wrong, expired or disabled.
    Auth,
    /// The token is good and may not do this.
    Permission,
    /// What the call names does not exist.
    NotFound,
    /// This API has no such call, or an id in the path has the wrong shape.
    NoRoute,
    /// What was to be created is there already.
    Exists,
    /// It contradicts the present state.
    Conflict,
    /// Too many calls.
    RateLimited,
    /// The request was understood and refused: a script that does not parse, wrong SQL.
    Invalid,
    /// A limit of the account or the plan is reached.
    Limit,
    /// The platform has a problem of its own.
    Unavailable,
    /// The answer is not what this API answers: a proxy's page, a broken document.
    Protocol,
    /// There was no answer, or only part of one.
    Transport,
    /// It was not sent, because those before it failed: see
    /// [`ClientOptions::breaker`](crate::ClientOptions::breaker).
    CircuitOpen,
    /// The call could not be put together.
    Request,
}

/// A call that did not succeed. Its text names the call and what Cloudflare said, and never holds
/// a token.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ApiErrorKind,
    call: String,
    template: &'static str,
    status: Option<StatusCode>,
    messages: Vec<ApiMessage>,
    detail: Option<String>,
    ray_id: Option<String>,
    transport: Option<TransportKind>,
    may_have_happened: bool,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

/// The call that an error is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) template: &'static str,
    pub(crate) writes: bool,
}

/// The head of an answer, as far as errors speak of it.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) ray_id: Option<String>,
    /// Cloudflare's own firewall stood in the way.
    pub(crate) challenged: bool,
}

impl ApiError {
    fn new(kind: ApiErrorKind, call: Call<'_>) -> Self {
        Self(Box::new(Inner {
            kind,
            call: format!("{} {}", call.method, call.path),
            template: call.template,
            status: None,
            messages: Vec::new(),
            detail: None,
            ray_id: None,
            transport: None,
            may_have_happened: false,
            source: None,
        }))
    }

    pub(crate) fn request(call: Call<'_>, detail: impl Into<String>) -> Self {
        let mut error = Self::new(ApiErrorKind::Request, call);
        error.0.detail = Some(detail.into());
        error
    }

    /// It was not sent.
    pub(crate) fn circuit_open(call: Call<'_>, detail: String) -> Self {
        let mut error = Self::new(ApiErrorKind::CircuitOpen, call);
        error.0.detail = Some(detail);
        error
    }

    /// Cloudflare says no.
    pub(crate) fn refused(call: Call<'_>, head: Head, messages: Vec<ApiMessage>) -> Self {
        let kind = classify(call.template, head.status, &messages);
        let mut error = Self::answered(kind, call, head);
        error.0.messages = messages;
        error
    }

    /// The answer is no envelope. `excerpt` shows its beginning.
    pub(crate) fn foreign(call: Call<'_>, head: Head, excerpt: String) -> Self {
        let challenged = head.challenged;
        use ApiErrorKind::{Auth, Limit, NotFound, Permission, Protocol, RateLimited, Unavailable};
        let kind = match classify(call.template, head.status, &[]) {
            _ if head.challenged => Permission,
            kind @ (Auth | Limit | Permission | RateLimited | Unavailable) => kind,
            // A page that says "not found" is somebody else's: it proves nothing about the
            // platform.
            NotFound if excerpt.is_empty() => NotFound,
            _ => Protocol,
        };
        let mut error = Self::done_but(kind, call, head);
        error.0.detail = Some(match (error.0.kind, excerpt.as_str()) {
            (Permission, _) if challenged => "the firewall asks for a browser's challenge".into(),
            (_, "") => "the answer is empty".into(),
            _ => format!("the answer is not Cloudflare's JSON: {excerpt}"),
        });
        error
    }

    /// The envelope is fine and its content is not.
    pub(crate) fn unreadable(call: Call<'_>, head: Head, source: serde_json::Error) -> Self {
        let mut error = Self::done_but(ApiErrorKind::Protocol, call, head);
        error.0.detail = Some("the answer has another shape than expected".to_owned());
        error.0.source = Some(source.into());
        error
    }

    /// A list that does not move on.
    pub(crate) fn endless(call: Call<'_>, detail: &str) -> Self {
        let mut error = Self::new(ApiErrorKind::Protocol, call);
        error.0.detail = Some(detail.to_owned());
        error
    }

    pub(crate) fn unanswered(call: Call<'_>, source: TransportError) -> Self {
        let mut error = Self::new(ApiErrorKind::Transport, call);
        error.0.transport = Some(source.kind());
        error.0.may_have_happened = call.writes && source.kind().may_have_arrived();
        error.0.source = Some(Box::new(source));
        error
    }

    /// The answer broke off, so the call arrived.
    pub(crate) fn cut_off(call: Call<'_>, head: Head, source: BodyError) -> Self {
        let too_large = matches!(source, BodyError::TooLarge { .. });
        let kind = if too_large { ApiErrorKind::Protocol } else { ApiErrorKind::Transport };
        let mut error = Self::done_but(kind, call, head);
        error.0.transport = (!too_large).then_some(TransportKind::Reset);
        error.0.source = Some(Box::new(source));
        error
    }

    fn answered(kind: ApiErrorKind, call: Call<'_>, head: Head) -> Self {
        let mut error = Self::new(kind, call);
        error.0.may_have_happened = call.writes
            && (head.status.is_server_error() || head.status == StatusCode::REQUEST_TIMEOUT);
        error.0.status = Some(head.status);
        error.0.ray_id = head.ray_id;
        error
    }

    /// The status says that it was done, and the result cannot be had.
    fn done_but(kind: ApiErrorKind, call: Call<'_>, head: Head) -> Self {
        let done = call.writes && head.status.is_success();
        Self::answered(kind, call, head).remembering(done)
    }

    /// What went wrong, in one word.
    #[must_use]
    pub fn kind(&self) -> ApiErrorKind {
        self.0.kind
    }

    /// What Cloudflare said, most important first.
    #[must_use]
    pub fn messages(&self) -> &[ApiMessage] {
        &self.0.messages
    }

    /// Whether Cloudflare gave this code. Products reuse each other's codes: ask only about codes
    /// that this endpoint can give.
    #[must_use]
    pub fn has_code(&self, code: u64) -> bool {
        self.0.messages.iter().any(|message| message.code == Some(code))
    }

    /// The HTTP status, when there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The id by which Cloudflare's support finds the request.
    #[must_use]
    pub fn ray_id(&self) -> Option<&str> {
        self.0.ray_id.as_deref()
    }

    /// How the transport failed, for [`ApiErrorKind::Transport`].
    #[must_use]
    pub fn transport_kind(&self) -> Option<TransportKind> {
        self.0.transport
    }

    /// The endpoint's path with names instead of values, fit for metrics.
    #[must_use]
    pub fn template(&self) -> &'static str {
        self.0.template
    }

    /// True when a write may have been carried out although it is reported as failed: look before
    /// doing it again.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.0.may_have_happened
    }

    /// True for [`ApiErrorKind::NotFound`].
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == ApiErrorKind::NotFound
    }

    /// What a person can do about it: one sentence, lower case, no full stop.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        crate::classify::advice(self.kind(), self.template(), &self.0.messages)
    }

    pub(crate) fn remembering(mut self, may_have_happened: bool) -> Self {
        self.0.may_have_happened |= may_have_happened;
        self
    }

    /// Takes secrets out of everything that came from outside.
    pub(crate) fn without(mut self, secret: &str) -> Self {
        // A token this short guards nothing, and cutting it out would garble every text.
        if secret.len() < 8 {
            return self;
        }
        let inner = &mut *self.0;
        let clean = |text: &mut String| {
            if text.contains(secret) {
                *text = text.replace(secret, "****");
            }
        };
        inner.messages.iter_mut().for_each(|message| {
            clean(&mut message.text);
            message.pointer.iter_mut().for_each(clean);
            message.documentation_url.iter_mut().for_each(clean);
        });
        inner.detail.iter_mut().for_each(clean);
        inner.ray_id.iter_mut().for_each(clean);
        clean(&mut inner.call);
        // A cause that quotes a value is dropped: the level above says what happened.
        if let Some(source) = &inner.source
            && source.to_string().contains(secret)
        {
            inner.source = None;
        }
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { call, messages, detail, status, .. } = &*self.0;
        write!(f, "{call} failed")?;
        if let Some(status) = status {
            write!(f, " with status {}", status.as_u16())?;
        }
        let mut separator = ": ";
        for message in messages {
            write!(f, "{separator}{}", message.text)?;
            if let Some(code) = message.code {
                write!(f, " [code {code}]")?;
            }
            separator = "; ";
        }
        if let Some(detail) = detail {
            write!(f, "{separator}{detail}")?;
        }
        if let Some(ray_id) = self.ray_id().filter(|_| status.is_some_and(|s| s.is_server_error()))
        {
            write!(f, " (ray {ray_id})")?;
        }
        Ok(())
    }
}

impl error::Error for ApiError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
