use crate::{
    body::{Body, BodyError},
    service::{HttpService, Request, Response},
    transport_error::{TransportError, TransportKind},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{HeaderName, HeaderValue, StatusCode};
use std::{collections::VecDeque, fmt, sync::Mutex, time::Duration};

/// A request as the fake saw it, its body read to the end.
pub type Asked = http::Request<Bytes>;

type Answerer = Box<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// One answer of a [`Scripted`] service.
#[derive(Clone, Debug)]
pub struct Answer {
    what: What,
    delay: Duration,
}

#[derive(Clone, Debug)]
enum What {
    Response { response: http::Response<Bytes>, cut: bool },
    Fail(TransportKind),
    Hang,
}

impl Answer {
    /// An answer with this status and no body.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = status;
        response.into()
    }

    /// An answer with this status and a JSON body.
    #[must_use]
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::status(status)
            .with_header("content-type", HeaderValue::from_static("application/json"))
            .with_body(body)
    }

    /// No answer: the request fails in this way.
    #[must_use]
    pub fn fail(kind: TransportKind) -> Self {
        Self { what: What::Fail(kind), delay: Duration::ZERO }
    }

    /// No answer, ever: the call waits until it is given up.
    #[must_use]
    pub fn hang() -> Self {
        Self { what: What::Hang, delay: Duration::ZERO }
    }

    /// Sets a header.
    ///
    /// # Panics
    /// When `name` is no header's name.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        if let What::Response { response, .. } = &mut self.what {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        if let What::Response { response, .. } = &mut self.what {
            *response.body_mut() = body.into();
        }
        self
    }

    /// Breaks the connection once the body is sent, before it is said to be complete.
    #[must_use]
    pub fn cut_off(mut self) -> Self {
        if let What::Response { cut, .. } = &mut self.what {
            *cut = true;
        }
        self
    }

    /// Answers only after a while, by tokio's clock.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl From<http::Response<Bytes>> for Answer {
    fn from(response: http::Response<Bytes>) -> Self {
        Self { what: What::Response { response, cut: false }, delay: Duration::ZERO }
    }
}

impl From<Result<Response, TransportError>> for Answer {
    /// Of an error only its kind is kept; a body must be buffered, a stream counts as cut off.
    fn from(outcome: Result<Response, TransportError>) -> Self {
        match outcome {
            Err(error) => Self::fail(error.kind()),
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let (bytes, cut) = match body.collect(usize::MAX).now_or_never() {
                    Some(Ok(bytes)) => (bytes, false),
                    _ => (Bytes::new(), true),
                };
                let response = http::Response::from_parts(parts, bytes);
                Self { what: What::Response { response, cut }, delay: Duration::ZERO }
            }
        }
    }
}

/// Answers from a script, or by a function, and remembers what it was asked.
#[derive(Default)]
pub struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    answerer: Option<Answerer>,
    asked: Mutex<Vec<Asked>>,
}

impl Scripted {
    /// Gives these answers in turn; when they run out, requests fail with
    /// [`TransportKind::Other`].
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() }
    }

    /// Works out each answer from the request.
    #[must_use]
    pub fn answering(by: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self { answerer: Some(Box::new(by)), ..Self::default() }
    }

    /// Adds an answer to the end of the script.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    pub fn push(&self, answer: impl Into<Answer>) {
        self.answers.lock().expect("no holder panics").push_back(answer.into());
    }

    /// Every request so far, oldest first.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no holder panics").clone()
    }

    /// Every request so far as `METHOD /path?query`, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |asked: &Asked| {
            let path = asked.uri().path_and_query().map_or("", |path| path.as_str());
            format!("{} {path}", asked.method())
        };
        self.asked().iter().map(line).collect()
    }

    fn next(&self, asked: &Asked) -> Option<Answer> {
        let scripted = self.answers.lock().expect("no holder panics").pop_front();
        scripted.or_else(|| self.answerer.as_ref().map(|by| by(asked)))
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").field("asked", &self.lines()).finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Scripted {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let fail = |kind| TransportError::new(kind, &method, &uri);
        if uri.host().is_none() {
            return Err(fail(TransportKind::Other).with_source("the URI is not absolute"));
        }
        let (parts, body) = request.into_parts();
        let body = body.collect(usize::MAX).await;
        let body = body.map_err(|error| fail(TransportKind::Reset).with_source(error))?;
        let asked = Asked::from_parts(parts, body);
        let answer = self.next(&asked);
        self.asked.lock().expect("no holder panics").push(asked);
        let Some(Answer { what, delay }) = answer else {
            return Err(fail(TransportKind::Other).with_source("the script ran out of answers"));
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match what {
            What::Response { response, cut: false } => Ok(response.map(Body::from)),
            What::Response { response, cut: true } => Ok(response.map(cut_off)),
            What::Fail(kind) => Err(fail(kind)),
            What::Hang => std::future::pending().await,
        }
    }
}

fn cut_off(body: Bytes) -> Body {
    let broken = BodyError::Interrupted("the script cut the answer off".into());
    Body::from_stream(stream::iter([Ok(body), Err(broken)]), None)
}
