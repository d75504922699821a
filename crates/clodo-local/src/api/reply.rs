//! What the API answers when it did what was asked: Cloudflare's envelope.

use super::{call::Query, error::ApiError};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// How every handler ends.
pub(crate) type Answer = Result<Reply, ApiError>;

/// Marks an answer whose request changed nothing although its method says otherwise, such as a
/// `SELECT` sent by POST. The request log counts it as a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnlyRead;

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    only_read: bool,
}

#[derive(Serialize)]
struct Envelope<'a, T: Serialize + ?Sized> {
    result: &'a T,
    success: bool,
    errors: [(); 0],
    messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    result_info: Option<Box<RawValue>>,
}

/// Something that an answer says beside its result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    code: u32,
    message: String,
}

impl Message {
    pub(crate) fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Reply {
    /// 200 with `result`.
    pub(crate) fn ok(result: &(impl Serialize + ?Sized)) -> Answer {
        Self::enveloped(result, None, &[])
    }

    /// 200 with `result: null`.
    pub(crate) fn nothing() -> Answer {
        Self::ok(&())
    }

    /// 200 with `result` and messages beside it.
    pub(crate) fn with_messages(
        result: &(impl Serialize + ?Sized),
        messages: &[Message],
    ) -> Answer {
        Self::enveloped(result, None, messages)
    }

    /// 200 with `result` and `result_info`.
    pub(crate) fn with_info(
        result: &(impl Serialize + ?Sized),
        info: &(impl Serialize + ?Sized),
    ) -> Answer {
        let info = serde_json::value::to_raw_value(info).map_err(unwritable)?;
        Self::enveloped(result, Some(info), &[])
    }

    /// One page of `items`, as `page` and `per_page` ask. Pages past the end are empty.
    pub(crate) fn page<T: Serialize>(items: &[T], query: &Query, per_page: usize) -> Answer {
        let page = Page::of(items.len(), query, per_page);
        Self::with_info(&items[page.range()], &page.info())
    }

    fn enveloped(
        result: &(impl Serialize + ?Sized),
        result_info: Option<Box<RawValue>>,
        messages: &[Message],
    ) -> Answer {
        let envelope = Envelope { result, success: true, errors: [], messages, result_info };
        let body = serde_json::to_vec(&envelope).map_err(unwritable)?;
        Ok(Self::raw(body, "application/json"))
    }

    /// A body that is not an envelope.
    pub(crate) fn raw(body: impl Into<Bytes>, content_type: &str) -> Self {
        let reply = Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.into(),
            only_read: false,
        };
        reply.with_header("content-type", content_type)
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// A value that cannot be a header is left out.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// See [`OnlyRead`].
    pub(crate) fn only_read(mut self) -> Self {
        self.only_read = true;
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.only_read {
            response.extensions_mut().insert(OnlyRead);
        }
        response
    }
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        10002,
        format!("the answer cannot be written: {error}"),
    )
}

/// Which part of a list was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    page: usize,
    per_page: usize,
    total: usize,
}

impl Page {
    pub(crate) fn of(total: usize, query: &Query, per_page: usize) -> Self {
        let page = query.number("page").unwrap_or(1).max(1);
        let per_page = query.number("per_page").unwrap_or(per_page).clamp(1, 10_000);
        Self { page, per_page, total }
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        let start = (self.page - 1).saturating_mul(self.per_page).min(self.total);
        start..start.saturating_add(self.per_page).min(self.total)
    }

    pub(crate) fn info(self) -> serde_json::Value {
        serde_json::json!({
            "page": self.page,
            "per_page": self.per_page,
            "count": self.range().len(),
            "total_count": self.total,
            "total_pages": self.total.div_ceil(self.per_page),
        })
    }
}
