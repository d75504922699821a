use crate::{body::Body, transport_error::TransportError};
use async_trait::async_trait;
use http::Method;
use std::{fmt, sync::Arc, time::Duration};

/// A request. Its URI is absolute: scheme, authority, path.
pub type Request = http::Request<Body>;

/// A response. Any status, 2xx or not, is a response.
pub type Response = http::Response<Body>;

/// An asynchronous function from request to response.
///
/// # Contract
/// - A non-2xx status is a [`Response`], not an error. Redirects are not followed.
/// - One call sends at most one request; repeating is the business of [`Retry`](crate::Retry).
/// - The future is ready when status and headers are there; the body is read as it arrives.
/// - An answer that ends early is an error of its body's stream, never a short body.
/// - Dropping the future, or a body half-read, cancels the request and leaves nothing running.
/// - Wrappers forward every method (`#[deny(clippy::missing_trait_methods)]`).
#[async_trait]
pub trait HttpService: fmt::Debug + Send + Sync + 'static {
    /// Sends one request.
    ///
    /// # Errors
    /// When no answer came back; [`TransportError::kind`] says whether the request may have
    /// arrived.
    async fn call(&self, request: Request) -> Result<Response, TransportError>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: HttpService + ?Sized> HttpService for Arc<T> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        (**self).call(request).await
    }
}

/// Request extension: whether sending the request twice does what sending it once does.
///
/// The HTTP method cannot tell: a `PUT` may make a new version each time. Without this extension
/// only `GET`, `HEAD` and `OPTIONS` count as repeatable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeatable {
    /// It may be sent again even when the first one may have arrived.
    Yes,
    /// It may be sent again only when the first one cannot have had an effect.
    No,
}

impl Repeatable {
    /// What the request says, or what its method suggests.
    #[must_use]
    pub fn of<B>(request: &http::Request<B>) -> Self {
        let said = request.extensions().get::<Self>().copied();
        said.unwrap_or(if only_reads(request.method()) { Self::Yes } else { Self::No })
    }
}

/// Request extension: whether the request changes anything at the peer.
///
/// A `POST` that only asks (a SQL query) says so here. Without it `GET`, `HEAD` and `OPTIONS`
/// read and everything else writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// May change something.
    Write,
}

impl Effect {
    /// What the request says, or what its method suggests.
    #[must_use]
    pub fn of<B>(request: &http::Request<B>) -> Self {
        let said = request.extensions().get::<Self>().copied();
        said.unwrap_or(if only_reads(request.method()) { Self::Read } else { Self::Write })
    }
}

/// Request extension: how long this request may take until its answer begins, instead of what
/// [`Timeout`](crate::Timeout) was set to. For uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit(pub Duration);

fn only_reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method) -> http::Request<()> {
        http::Request::builder().method(method).uri("http://a.test/").body(()).unwrap()
    }

    #[test]
    fn without_a_word_only_reading_methods_are_repeatable() {
        for (method, repeatable, effect) in [
            (Method::GET, Repeatable::Yes, Effect::Read),
            (Method::HEAD, Repeatable::Yes, Effect::Read),
            (Method::PUT, Repeatable::No, Effect::Write),
            (Method::DELETE, Repeatable::No, Effect::Write),
            (Method::POST, Repeatable::No, Effect::Write),
        ] {
            let request = request(method.clone());
            assert_eq!(Repeatable::of(&request), repeatable, "{method}");
            assert_eq!(Effect::of(&request), effect, "{method}");
        }
    }

    #[test]
    fn a_request_can_say_that_it_only_asks() {
        let mut query = request(Method::POST);
        query.extensions_mut().insert(Effect::Read);
        query.extensions_mut().insert(Repeatable::Yes);
        assert_eq!(Effect::of(&query), Effect::Read);
        assert_eq!(Repeatable::of(&query), Repeatable::Yes);
    }
}
