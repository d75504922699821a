use crate::{
    api_error::{ApiError, Call, Head},
    endpoint::{Credentials, Endpoint, Payload, Place, Reading},
    envelope::Envelope,
    options::{Checked, ClientOptions, ClientOptionsError, bearer},
    paced::Paced,
};
use clodo_http::{
    Body, BodyError, Effect, Fault, HttpService, Repeatable, Request, Response, TimeLimit, Timeout,
    Trace,
};
use clodo_types::Secret;
use http::{HeaderMap, HeaderValue, header};
use std::{fmt, sync::Arc};

/// Cloudflare's v4 API over any [`HttpService`]. Clones share connections and budget.
///
/// It repeats what may be repeated: see [`Repeat`](crate::Repeat).
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: Paced<Timeout<Trace<Arc<dyn HttpService>>>>,
    checked: Checked,
    options: ClientOptions,
}

/// Cloudflare's code for "another change of the same Worker is going on"; nothing was done.
const CONCURRENT_EDIT: u64 = 10035;

/// An attempt that gave no result, and what it means for the next one.
struct Missed {
    error: ApiError,
    fault: Option<Fault>,
}

impl Missed {
    fn finally(error: ApiError) -> Self {
        Self { error, fault: None }
    }
}

impl Client {
    /// A client that sends through `http`.
    ///
    /// # Errors
    /// When the base URL or the token cannot be used.
    pub fn new(
        http: Arc<dyn HttpService>,
        options: ClientOptions,
    ) -> Result<Self, ClientOptionsError> {
        let checked = Checked::of(&options)?;
        let http = Timeout::new(Trace::new(http), options.time_limit, options.stall);
        let http = Paced::new(http, Arc::clone(&options.pacer), options.at_once);
        Ok(Self(Arc::new(Inner { http, checked, options })))
    }

    /// Makes a call and reads its answer, and makes it again where that does no harm.
    ///
    /// # Errors
    /// When the call did not succeed in the end; [`ApiError::may_have_happened`] says whether a
    /// write may have been carried out nevertheless.
    pub async fn send<A>(&self, endpoint: Endpoint<A>) -> Result<A, ApiError> {
        let path = endpoint.path();
        let call = call_of(&endpoint, &path);
        let repeatable = Repeatable::from(endpoint.repeat);
        let mut delays = self.0.options.retry.delays();
        let mut may_have_happened = false;
        loop {
            let Missed { error, fault } = match self.attempt(&endpoint, call).await {
                Ok(answer) => return Ok(answer),
                Err(missed) => missed,
            };
            // What an earlier attempt removed is not there any more.
            if may_have_happened
                && error.is_not_found()
                && let Some(done) = endpoint.when_absent
            {
                return Ok(done());
            }
            may_have_happened |= error.may_have_happened();
            let fault = fault.filter(|_| !matches!(endpoint.payload, Payload::Stream { .. }));
            let Some(delay) = fault.and_then(|fault| delays.after(fault, repeatable)) else {
                return Err(self.cleaned(error, &endpoint).remembering(may_have_happened));
            };
            tracing::debug!(call = endpoint.template(), ?fault, ?delay, "calling again");
            tokio::time::sleep(delay).await;
        }
    }

    /// Like [`Client::send`], for something that may not exist.
    ///
    /// # Errors
    /// As [`Client::send`], except that "not found" is an answer.
    pub async fn find<A>(&self, endpoint: Endpoint<A>) -> Result<Option<A>, ApiError> {
        match self.send(endpoint).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    async fn attempt<A>(&self, endpoint: &Endpoint<A>, call: Call<'_>) -> Result<A, Missed> {
        let request = self.request(endpoint, call.path);
        let request =
            request.map_err(|problem| Missed::finally(ApiError::request(call, problem)))?;
        let response = self.0.http.call(request).await.map_err(|error| Missed {
            fault: Some(Fault::Transport(error.kind())),
            error: ApiError::unanswered(call, error),
        })?;
        let fault = Fault::of_response(&response);
        let read = match endpoint.reading {
            Reading::Raw(read) if response.status().is_success() => return Ok(read(response)),
            Reading::Raw(_) => None,
            Reading::Envelope(read) => Some(read),
        };
        let head = head_of(&response);
        let body = response.into_body().collect(self.0.options.answer_limit).await;
        let body = body.map_err(|error| Missed {
            fault: (!matches!(error, BodyError::TooLarge { .. })).then_some(Fault::BrokenAnswer),
            error: ApiError::cut_off(call, head.clone(), error),
        })?;
        let empty = body.trim_ascii().is_empty() && head.status.is_success();
        let envelope = if empty { Some(Envelope::empty()) } else { Envelope::read(&body) };
        let Some(envelope) = envelope else {
            return Err(Missed { fault, error: ApiError::foreign(call, head, excerpt(&body)) });
        };
        match read {
            Some(read) if envelope.success && !is_refusal(&head) => {
                read(&envelope, endpoint.within)
                    .map_err(|error| Missed::finally(ApiError::unreadable(call, head, error)))
            }
            _ => {
                let error = ApiError::refused(call, head, envelope.errors);
                let busy = error.has_code(CONCURRENT_EDIT).then_some(Fault::Busy);
                Err(Missed { fault: busy.or(fault), error })
            }
        }
    }

    fn request<A>(&self, endpoint: &Endpoint<A>, path: &str) -> Result<Request, String> {
        if let Some(problem) = &endpoint.problem {
            return Err(problem.clone());
        }
        let mut request = http::Request::builder().method(endpoint.method.clone());
        request = match &endpoint.place {
            Place::Elsewhere(uri, _) => request.uri(uri.clone()),
            Place::Template(_) => {
                request.uri(format!("{}{path}{}", self.0.checked.base, endpoint.query_text()))
            }
        };
        let body = body_of(&endpoint.payload)?;
        let mut request = request.body(body).map_err(|error| error.to_string())?;
        let authorization = match &endpoint.credentials {
            Credentials::Client => Some(self.0.checked.authorization.clone()),
            Credentials::Own(token) => Some(bearer(token).ok_or("the call's token is unusable")?),
            Credentials::Nobody => None,
        };
        let headers = request.headers_mut();
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        headers.insert(header::USER_AGENT, self.0.checked.user_agent.clone());
        if let Some(content_type) = content_type_of(&endpoint.payload) {
            headers.insert(header::CONTENT_TYPE, content_type.clone());
        }
        headers.extend(endpoint.headers.iter().cloned());
        request.extensions_mut().insert(endpoint.effect);
        request.extensions_mut().insert(Repeatable::from(endpoint.repeat));
        if let Some(limit) = endpoint.time_limit {
            request.extensions_mut().insert(TimeLimit(limit));
        }
        Ok(request)
    }

    /// Answers may quote what was sent; errors must not.
    fn cleaned<A>(&self, error: ApiError, endpoint: &Endpoint<A>) -> ApiError {
        let error = error.without(self.0.options.token.expose());
        match &endpoint.credentials {
            Credentials::Own(token) => error.without(token.expose()),
            Credentials::Client | Credentials::Nobody => error,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.0.checked.base).finish_non_exhaustive()
    }
}

pub(crate) fn call_of<'a, A>(endpoint: &'a Endpoint<A>, path: &'a str) -> Call<'a> {
    let writes = endpoint.effect == Effect::Write;
    Call { method: &endpoint.method, path, template: endpoint.template(), writes }
}

fn body_of(payload: &Payload) -> Result<Body, String> {
    match payload {
        Payload::Nothing => Ok(Body::empty()),
        Payload::Buffered { body, .. } => body.try_clone().ok_or("the body is a stream".to_owned()),
        Payload::Stream { body, .. } => {
            let body = body.lock().expect("no holder panics").take();
            body.ok_or("the body is a stream and was sent already".to_owned())
        }
    }
}

fn content_type_of(payload: &Payload) -> Option<&HeaderValue> {
    match payload {
        Payload::Nothing => None,
        Payload::Buffered { content_type, .. } | Payload::Stream { content_type, .. } => {
            Some(content_type)
        }
    }
}

fn head_of(response: &Response) -> Head {
    let text = |headers: &HeaderMap, name: &str| {
        headers.get(name)?.to_str().ok().map(|text| text.chars().take(64).collect::<String>())
    };
    Head {
        status: response.status(),
        ray_id: text(response.headers(), "cf-ray"),
        challenged: text(response.headers(), "cf-mitigated").as_deref() == Some("challenge"),
    }
}

/// A refusal's status counts even if the body claims success: of the two, the careful reading.
fn is_refusal(head: &Head) -> bool {
    head.status.is_client_error() || head.status.is_server_error()
}

/// The beginning of a foreign answer, fit for one line of a terminal.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let text = title.map_or(text.as_ref(), |(title, _)| title);
    let words = text.split_whitespace().map(|word| word.replace(char::is_control, ""));
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(160).collect()
}

/// Sends a secret's plain text nowhere but into the body of one call.
pub(crate) fn exposed<S: serde::Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}
