use crate::{envelope::Envelope, multipart::EncodedForm, url_text::encoded};
use bytes::Bytes;
use clodo_http::{Body, Effect, Repeatable, Response};
use clodo_types::Secret;
use http::{HeaderName, HeaderValue, Method, Uri};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use std::{collections::BTreeMap, fmt, sync::Mutex, time::Duration};

/// Whether a call may be made again when it is not known if the first one arrived. It belongs to
/// the endpoint, not to the HTTP method: a `PUT` of a secret makes a new version each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Twice does what once does.
    Safe,
    /// It creates something that has a name: look it up before creating it again, as the
    /// `ensure_*` calls do.
    LookUp,
    /// Twice does more than once.
    Never,
}

impl From<Repeat> for Repeatable {
    fn from(repeat: Repeat) -> Self {
        match repeat {
            Repeat::Safe => Self::Yes,
            Repeat::LookUp | Repeat::Never => Self::No,
        }
    }
}

/// Who the call says it is.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// The client's token.
    Client,
    /// A token of this call's own, such as the one of an upload session.
    Own(Secret),
    /// Nobody: the URL itself is signed.
    Nobody,
}

pub(crate) enum Payload {
    Nothing,
    Buffered { content_type: HeaderValue, body: Body },
    // Taken by the first attempt: a stream cannot be sent again.
    Stream { content_type: HeaderValue, body: Mutex<Option<Body>> },
}

pub(crate) enum Reading<A> {
    /// The second argument names the field of `result` that is meant, when it is not all of it.
    Envelope(fn(&Envelope<'_>, Option<&'static str>) -> Result<A, serde_json::Error>),
    Raw(fn(Response) -> A),
    /// `{data, errors}`. The second argument names the node of the account that is meant.
    GraphQl(fn(&RawValue, Option<&'static str>) -> Result<A, serde_json::Error>),
}

impl<A> Clone for Reading<A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<A> Copy for Reading<A> {}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Below the client's base URL.
    Template(&'static str),
    /// Somewhere else; the text is shown instead of the URL.
    Elsewhere(Uri, &'static str),
}

/// One call as data: where, what, how it may be repeated, and how its answer is read.
///
/// The functions in this crate's modules make them; [`Client::send`](crate::Client::send) sends
/// them. For an endpoint that is missing here, start at [`Endpoint::new`].
pub struct Endpoint<A> {
    pub(crate) method: Method,
    pub(crate) place: Place,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) payload: Payload,
    pub(crate) credentials: Credentials,
    pub(crate) repeat: Repeat,
    pub(crate) effect: Effect,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) reading: Reading<A>,
    pub(crate) within: Option<&'static str>,
    pub(crate) when_absent: Option<fn() -> A>,
    /// Why the call cannot be made; said when it is sent, so that building stays one expression.
    pub(crate) problem: Option<String>,
}

impl<A: DeserializeOwned> Endpoint<A> {
    /// A call whose answer is the envelope's `result`. `template` is a path below the base URL
    /// with names in braces, filled by [`Endpoint::at`].
    ///
    /// `GET` may be repeated and only reads; everything else writes and says in `repeat` whether
    /// it may be repeated.
    #[must_use]
    pub fn new(method: Method, template: &'static str, repeat: Repeat) -> Self {
        Self::reading(
            method,
            Place::Template(template),
            repeat,
            Reading::Envelope(|envelope, within| envelope.result(within)),
        )
    }

    pub(crate) fn get(template: &'static str) -> Self {
        Self::new(Method::GET, template, Repeat::Safe)
    }
}

impl<A: DeserializeOwned> Endpoint<A> {
    /// A question to GraphQL; `A` is what the answer's `data` is.
    pub(crate) fn graphql() -> Self {
        let reading = Reading::GraphQl(|data, _| serde_json::from_str(data.get()));
        Self::reading(Method::POST, Place::Template(GRAPHQL), Repeat::Safe, reading).only_reading()
    }
}

impl<T: DeserializeOwned> Endpoint<Vec<T>> {
    /// A question to GraphQL about one node of one account.
    pub(crate) fn graphql_node(node: &'static str) -> Self {
        let reading = Reading::GraphQl(|data, node| {
            let data: Viewer = serde_json::from_str(data.get())?;
            let accounts = data.viewer.and_then(|viewer| viewer.accounts).unwrap_or_default();
            let found = accounts.into_iter().next().flatten();
            let found = found.and_then(|mut nodes| nodes.remove(node?)).unwrap_or_default();
            Ok(Option::deserialize(found)?.unwrap_or_default())
        });
        Self::reading(Method::POST, Place::Template(GRAPHQL), Repeat::Safe, reading)
            .only_reading()
            .within(node)
    }
}

const GRAPHQL: &str = "/graphql";

#[derive(Deserialize)]
struct Viewer {
    viewer: Option<Accounts>,
}

#[derive(Deserialize)]
struct Accounts {
    accounts: Option<Vec<Option<BTreeMap<String, Value>>>>,
}

impl Endpoint<()> {
    /// A call whose answer says nothing but success; an empty one will do.
    #[must_use]
    pub fn silent(method: Method, template: &'static str, repeat: Repeat) -> Self {
        Self::reading(method, Place::Template(template), repeat, Reading::Envelope(|_, _| Ok(())))
    }

    /// A removal. When it is repeated because the first answer was lost, "not found" is success.
    #[must_use]
    pub fn delete(template: &'static str) -> Self {
        let mut endpoint = Self::silent(Method::DELETE, template, Repeat::Safe);
        endpoint.when_absent = Some(|| ());
        endpoint
    }
}

impl Endpoint<Response> {
    /// A call whose answer is not JSON; its body is read as it arrives.
    #[must_use]
    pub fn raw(method: Method, template: &'static str, repeat: Repeat) -> Self {
        Self::reading(method, Place::Template(template), repeat, Reading::Raw(|answer| answer))
    }

    /// A call to a signed URL, without the token. `name` is shown in messages instead of the URL.
    #[must_use]
    pub fn elsewhere(method: Method, url: &Secret, name: &'static str, repeat: Repeat) -> Self {
        let parsed = url.expose().parse::<Uri>().ok().filter(|uri| uri.host().is_some());
        let problem = parsed.is_none().then(|| format!("the URL for {name} cannot be read"));
        let place = Place::Elsewhere(parsed.unwrap_or_default(), name);
        let mut endpoint = Self::reading(method, place, repeat, Reading::Raw(|answer| answer));
        endpoint.credentials = Credentials::Nobody;
        endpoint.problem = problem;
        endpoint
    }
}

impl<A> Endpoint<A> {
    /// The same call; the envelope's `result` is read as something else.
    #[cfg(feature = "d1")]
    pub(crate) fn answered_as<B: DeserializeOwned>(self) -> Endpoint<B> {
        Endpoint {
            method: self.method,
            place: self.place,
            parameters: self.parameters,
            query: self.query,
            headers: self.headers,
            payload: self.payload,
            credentials: self.credentials,
            repeat: self.repeat,
            effect: self.effect,
            time_limit: self.time_limit,
            reading: Reading::Envelope(|envelope, within| envelope.result(within)),
            within: self.within,
            when_absent: None,
            problem: self.problem,
        }
    }

    pub(crate) fn reading(
        method: Method,
        place: Place,
        repeat: Repeat,
        reading: Reading<A>,
    ) -> Self {
        let effect = if method == Method::GET { Effect::Read } else { Effect::Write };
        Self {
            method,
            place,
            parameters: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            payload: Payload::Nothing,
            credentials: Credentials::Client,
            repeat,
            effect,
            time_limit: None,
            reading,
            within: None,
            when_absent: None,
            problem: None,
        }
    }

    /// Fills `{name}` in the path; the value is percent-encoded.
    ///
    /// A value that would leave its place in the path (empty, `.` or `..`) is refused when the
    /// call is sent.
    #[must_use]
    pub fn at(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        if matches!(value.as_str(), "" | "." | "..") {
            self.problem = Some(format!("`{value}` cannot stand for {{{name}}} in a path"));
        }
        self.parameters.push((name, value));
        self
    }

    /// Adds `name=value` to the query.
    #[must_use]
    pub fn with_query(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Reads one field of `result` instead of all of it.
    #[must_use]
    pub fn within(mut self, field: &'static str) -> Self {
        self.within = Some(field);
        self
    }

    /// Sets a header of this call.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((HeaderName::from_static(name), HeaderValue::from_static(value)));
        self
    }

    /// Sets a header whose value is known only now; one that no header can carry is refused when
    /// the call is sent.
    #[must_use]
    pub fn with_header_value(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.headers.push((HeaderName::from_static(name), value)),
            Err(_) => self.problem = Some(format!("`{name}` cannot carry this value")),
        }
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn with_json(self, value: &impl Serialize) -> Self {
        self.with_json_as("application/json", value)
    }

    /// Sets a JSON merge patch (RFC 7396): what is null is removed, what is missing stays.
    #[must_use]
    pub fn with_merge_patch(self, value: &impl Serialize) -> Self {
        self.with_json_as("application/merge-patch+json", value)
    }

    fn with_json_as(mut self, content_type: &'static str, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.with_body(content_type, Bytes::from(bytes)),
            Err(error) => {
                self.problem = Some(format!("the body is no JSON: {error}"));
                self
            }
        }
    }

    /// Sets a body; a stream is sent once, whatever happens.
    #[must_use]
    pub fn with_body(self, content_type: &'static str, body: impl Into<Body>) -> Self {
        self.with_payload(HeaderValue::from_static(content_type), body.into())
    }

    /// Sets a body whose media type is known only now.
    #[must_use]
    pub fn with_typed_body(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        let Ok(content_type) = HeaderValue::from_str(content_type) else {
            self.problem = Some(format!("`{content_type}` cannot be a content type"));
            return self;
        };
        self.with_payload(content_type, body.into())
    }

    fn with_payload(mut self, content_type: HeaderValue, body: Body) -> Self {
        self.payload = if body.is_buffered() {
            Payload::Buffered { content_type, body }
        } else {
            Payload::Stream { content_type, body: Mutex::new(Some(body)) }
        };
        self
    }

    /// Sets a multipart body.
    #[must_use]
    pub fn with_form(mut self, form: EncodedForm) -> Self {
        let EncodedForm { content_type, body } = form;
        self.payload = Payload::Buffered { content_type, body };
        self
    }

    pub(crate) fn with_problem(mut self, problem: impl Into<String>) -> Self {
        self.problem = Some(problem.into());
        self
    }

    /// Uses another token than the client's.
    #[must_use]
    pub fn with_token(mut self, token: Secret) -> Self {
        self.credentials = Credentials::Own(token);
        self
    }

    /// Says that the call changes nothing although it is no `GET`, so it may be repeated.
    #[must_use]
    pub fn only_reading(mut self) -> Self {
        self.effect = Effect::Read;
        self.repeat = Repeat::Safe;
        self
    }

    /// Gives it another time until its answer begins than the client's usual one.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path's template, or the name of a signed URL: fit for metrics, it holds no id.
    #[must_use]
    pub fn template(&self) -> &'static str {
        match self.place {
            Place::Template(template) => template,
            Place::Elsewhere(_, name) => name,
        }
    }

    /// Whether it may be repeated.
    #[must_use]
    pub fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The path with its values, percent-encoded, without the query.
    #[must_use]
    pub fn path(&self) -> String {
        let template = self.template();
        let mut path = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            path.push_str(before);
            match self.parameters.iter().find(|(parameter, _)| *parameter == name) {
                Some((_, value)) => path.extend(encoded(value)),
                None => path.extend(["{", name, "}"]),
            }
            rest = after;
        }
        path.push_str(rest);
        path
    }

    pub(crate) fn query_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.query {
            text.push(if text.is_empty() { '?' } else { '&' });
            text.extend(encoded(name));
            text.push('=');
            text.extend(encoded(value));
        }
        text
    }
}

impl<A> fmt::Debug for Endpoint<A> {
    /// Method, path and repeat; never the body or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({} {}, {:?})", self.method, self.path(), self.repeat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint<()> {
        Endpoint::delete("/accounts/{account}/keys/{key}/x")
    }

    #[test]
    fn values_stay_in_their_place() {
        let path = endpoint().at("account", "abc").at("key", "a/b?c#d e{account}é%").path();
        assert_eq!(path, "/accounts/abc/keys/a%2Fb%3Fc%23d%20e%7Baccount%7D%C3%A9%25/x");
    }

    #[test]
    fn a_value_that_would_move_the_path_is_a_problem() {
        for bad in ["", ".", ".."] {
            assert!(endpoint().at("key", bad).problem.is_some(), "{bad:?}");
        }
        assert!(endpoint().at("key", "...").problem.is_none());
    }

    #[test]
    fn a_query_is_encoded() {
        let query = endpoint().with_query("a", "b c&d").with_query("n", 5).query_text();
        assert_eq!(query, "?a=b%20c%26d&n=5");
        assert_eq!(endpoint().query_text(), "");
    }

    #[test]
    fn debug_shows_no_body_and_no_token() {
        let endpoint =
            endpoint().with_token(Secret::new("hunter2")).with_body("text/plain", "hunter2");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }
}
