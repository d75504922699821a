use crate::{
    answer::{self, Missed},
    api_error::{ApiError, ApiErrorKind, Call},
    breaker::{BreakerKey, Circuit},
    endpoint::{Credentials, Endpoint, Payload, Place},
    options::{Checked, ClientOptions, ClientOptionsError, bearer},
    paced::Paced,
};
use clodo_http::{
    Body, Effect, Fault, HttpService, Repeatable, Request, TimeLimit, Timeout, Trace,
};
use clodo_resilience::BreakerState;
use clodo_types::Secret;
use http::{HeaderValue, header};
use std::{fmt, sync::Arc};
use tracing::{Instrument, field::Empty};

/// Cloudflare's v4 API over any [`HttpService`]. Clones share connections and budget.
///
/// It repeats what may be repeated: see [`Repeat`](crate::Repeat).
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: Paced<Timeout<Trace<Arc<dyn HttpService>>>>,
    circuit: Circuit,
    checked: Checked,
    options: ClientOptions,
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
        let http = Timeout::new(Trace::new(http), options.time_limit, options.stall)
            .with_sleeper(Arc::clone(&options.sleeper));
        let http = Paced::new(http, Arc::clone(&options.pacer), options.at_once);
        let circuit = Circuit::new(options.breaker);
        Ok(Self(Arc::new(Inner { http, circuit, checked, options })))
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
        let mut last = None;
        for number in 1.. {
            let Missed { error, fault } = match self.attempt(&endpoint, call, number).await {
                Ok(answer) => return Ok(answer),
                Err(missed) => missed,
            };
            if error.kind() == ApiErrorKind::CircuitOpen
                && let Some(last) = last
            {
                // What opened the circuit says more than that it is open.
                return Err(last);
            }
            // What an earlier attempt removed is not there any more.
            if may_have_happened
                && error.is_not_found()
                && let Some(done) = endpoint.when_absent
            {
                return Ok(done());
            }
            may_have_happened |= error.may_have_happened();
            let fault = fault.filter(|_| !matches!(endpoint.payload, Payload::Stream { .. }));
            let error = self.cleaned(error, &endpoint).remembering(may_have_happened);
            let Some(delay) = fault.and_then(|fault| delays.after(fault, repeatable)) else {
                return Err(error);
            };
            tracing::debug!(call = endpoint.template(), ?fault, ?delay, "calling again");
            last = Some(error);
            self.0.options.sleeper.sleep(delay).await;
        }
        unreachable!("the numbers of attempts do not end")
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

    /// Whether calls to a group of endpoints are refused at this moment.
    #[must_use]
    pub fn breaker_state(&self, key: &BreakerKey) -> BreakerState {
        self.0.circuit.state(key)
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.0.options
    }

    /// One attempt, seen by the breaker and in a span of its own.
    async fn attempt<A>(
        &self,
        endpoint: &Endpoint<A>,
        call: Call<'_>,
        number: u32,
    ) -> Result<A, Missed> {
        let admission = self.0.circuit.admit(endpoint.template(), &endpoint.parameters);
        let admission = admission.map_err(|open| {
            Missed::finally(ApiError::circuit_open(call, crate::breaker::patience(open)))
        })?;
        let span = tracing::debug_span!(
            "cloudflare",
            method = %endpoint.method,
            template = endpoint.template(),
            attempt = number,
            status = Empty,
            ray_id = Empty,
            error = Empty,
        );
        let outcome = self.exchange(endpoint, call).instrument(span.clone()).await;
        match &outcome {
            Ok(_) => admission.answered(),
            Err(missed) => {
                span.record("error", tracing::field::debug(missed.error.kind()));
                admission.failed(&missed.error);
            }
        }
        outcome
    }

    async fn exchange<A>(&self, endpoint: &Endpoint<A>, call: Call<'_>) -> Result<A, Missed> {
        let request = self.request(endpoint, call.path);
        let request =
            request.map_err(|problem| Missed::finally(ApiError::request(call, problem)))?;
        let response = self.0.http.call(request).await.map_err(|error| Missed {
            fault: Some(Fault::Transport(error.kind())),
            error: ApiError::unanswered(call, error),
        })?;
        answer::read(response, endpoint, call, self.0.options.answer_limit).await
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

/// Sends a secret's plain text nowhere but into the body of one call.
pub(crate) fn exposed<S: serde::Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}
