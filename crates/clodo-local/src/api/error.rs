//! What the API answers when it does not do what was asked.

use crate::state::{StateError, StateErrorKind};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use clodo_storage::{
    D1Error, D1ErrorKind, KvError, KvErrorKind, QueueError, R2Error, WorkflowError,
    WorkflowErrorKind,
};
use clodo_workerd::ValidationError;
use serde_json::{Value, json};

/// One error of Cloudflare's envelope, with the HTTP status that it comes with.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: u32,
    pub(crate) message: String,
    /// `error_chain`: code and message.
    pub(crate) cause: Option<(u32, String)>,
    /// `meta` of the error, for clients that want more than the message.
    pub(crate) meta: Option<Box<Value>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), cause: None, meta: None }
    }

    pub(crate) fn bad_request(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn conflict(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// An object identifier in the path that cannot be one.
    pub(crate) fn bad_identifier(path: &str) -> Self {
        let message =
            format!("Could not route to {path}, perhaps your object identifier is invalid?");
        Self {
            cause: Some((7000, "No route for that URI".into())),
            ..Self::not_found(7003, message)
        }
    }

    /// The account, or something in it, is not for this token.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, 10000, "Authentication error")
    }

    pub(crate) fn no_worker() -> Self {
        Self::not_found(10007, "This Worker does not exist on your account.")
    }

    pub(crate) fn no_version(id: &str) -> Self {
        Self::not_found(10200, format!("Version `{id}` could not be found."))
    }

    pub(crate) fn bad_body(why: impl std::fmt::Display) -> Self {
        Self::bad_request(10026, format!("Could not parse the request body: {why}"))
    }

    fn body(&self) -> Value {
        let mut errors = vec![json!({ "code": self.code, "message": self.message })];
        match &self.cause {
            // Cloudflare says both of these side by side.
            Some((7000, message)) => errors.push(json!({ "code": 7000, "message": message })),
            Some((code, message)) => {
                errors[0]["error_chain"] = json!([{ "code": code, "message": message }]);
            }
            None => {}
        }
        if let Some(meta) = &self.meta {
            errors[0]["meta"] = (**meta).clone();
        }
        json!({ "result": null, "success": false, "errors": errors, "messages": [] })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(code = self.code, message = self.message, "the API failed");
        }
        let headers = [("content-type", "application/json")];
        (self.status, headers, self.body().to_string()).into_response()
    }
}

impl From<StateError> for ApiError {
    fn from(error: StateError) -> Self {
        match error.kind() {
            StateErrorKind::Seed => Self::bad_request(10026, error.to_string()),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, 10002, error.in_full()),
        }
    }
}

impl From<ValidationError> for ApiError {
    fn from(error: ValidationError) -> Self {
        match error {
            ValidationError::Script { message } => {
                Self::bad_request(10021, format!("{}\n", message.trim_end()))
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, 10002, error.to_string()),
        }
    }
}

impl From<D1Error> for ApiError {
    fn from(error: D1Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            D1ErrorKind::NotFound => Self::not_found(7404, message),
            D1ErrorKind::Storage => Self::new(StatusCode::INTERNAL_SERVER_ERROR, 7500, message),
            D1ErrorKind::Exists => Self::bad_request(7502, message),
            D1ErrorKind::NoSuchState => Self::bad_request(7400, message),
            _ => Self::bad_request(7500, message),
        }
    }
}

impl From<KvError> for ApiError {
    fn from(error: KvError) -> Self {
        let message = error.to_string();
        match error.kind() {
            KvErrorKind::NotFound => Self::not_found(10013, message),
            KvErrorKind::Storage => Self::new(StatusCode::INTERNAL_SERVER_ERROR, 10002, message),
            KvErrorKind::Exists => Self::bad_request(10014, message),
            KvErrorKind::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, 10048, message),
            _ => Self::bad_request(10033, message),
        }
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let status = StatusCode::from_u16(error.kind().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.kind().code(), error.to_string())
    }
}

impl From<WorkflowError> for ApiError {
    fn from(error: WorkflowError) -> Self {
        let status = StatusCode::from_u16(error.kind().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let what = match error.kind() {
            WorkflowErrorKind::InvalidId => "instance.invalid_id: ",
            WorkflowErrorKind::TooLarge => "too_large: ",
            WorkflowErrorKind::Body => "invalid_body: ",
            WorkflowErrorKind::Storage => "internal_server: ",
            _ => "",
        };
        let message = format!("workflows.api.error.{what}{error}");
        Self::new(status, error.kind().code(), message)
    }
}

impl From<R2Error> for ApiError {
    fn from(error: R2Error) -> Self {
        let status = StatusCode::from_u16(error.kind().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.kind().code(), error.to_string())
    }
}
