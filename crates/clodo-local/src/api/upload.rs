//! The multipart body that carries a Worker.

use super::{error::ApiError, form_fields};
use crate::state::worker::Content;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What Cloudflare takes of code in one version, not compressed.
const MAX_CODE: usize = 64 * 1024 * 1024;

/// Modules, source maps and form fields together; real Workers have some hundreds.
const MAX_PARTS: usize = 20_000;

/// Metadata and modules, as they came.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pub(super) metadata: Metadata,
    pub(super) parts: Vec<Part>,
}

/// One file of the upload.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

/// The `metadata` (or `settings`) part.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata(Map<String, Value>);

impl Metadata {
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let text = self.0.get(key)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let list = self.0.get(key)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key)?.as_bool()
    }

    pub(super) fn list(&self, key: &str) -> Option<&Vec<Value>> {
        self.0.get(key)?.as_array()
    }

    /// The value, unless it is missing or `null`.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// The settings of a stored version with the entry point of `new`, all bindings included.
    pub(super) fn of_content(content: &Content, new: &Self) -> Self {
        let mut fields = new.0.clone();
        fields.insert("bindings".into(), Value::Array(content.bindings.clone()));
        fields.insert("compatibility_date".into(), json!(content.compatibility_date));
        fields.insert("compatibility_flags".into(), json!(content.compatibility_flags));
        fields.insert("keep_assets".into(), json!(true));
        fields.insert("limits".into(), json!(content.limits));
        fields.insert("placement".into(), json!(content.placement));
        Self(fields)
    }

    pub(super) fn annotations(&self) -> BTreeMap<String, String> {
        let all = self.value("annotations").and_then(Value::as_object).into_iter().flatten();
        let texts = all.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        texts.filter(|(_, text)| !text.is_empty()).collect()
    }
}

/// Reads a multipart body whose JSON is in the part `field` or spread over fields below it; a plain
/// script is a service worker, and any other body the JSON itself. The body decides what it is, not
/// its label.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Bytes,
    field: &str,
) -> Result<Upload, ApiError> {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let labelled = multer::parse_boundary(content_type).ok();
    let Some(boundary) = labelled.or_else(|| form_fields::boundary_of(&body)) else {
        return alone(content_type, body);
    };
    let mut upload = Upload::default();
    let mut found = false;
    for part in parts(boundary, body).await? {
        if form_fields::insert(field, &mut upload.metadata.0, &part.name, &part.body) {
            found = true;
        } else if part.name == field {
            if found {
                // Which of the two counts would depend on who reads it.
                let message = format!("The part `{field}` is there twice.");
                return Err(ApiError::bad_request(10026, message));
            }
            upload.metadata =
                Metadata(serde_json::from_slice(&part.body).map_err(ApiError::bad_body)?);
            found = true;
        } else {
            upload.parts.push(part);
        }
    }
    if !found {
        return Err(ApiError::bad_request(10026, format!("The part `{field}` is missing.")));
    }
    let size: usize = upload.parts.iter().map(|part| part.body.len()).sum();
    if size > MAX_CODE {
        let message = format!("Your Worker is {size} bytes large and exceeds the limit of 64 MiB.");
        return Err(ApiError::bad_request(10027, message));
    }
    Ok(upload)
}

/// A body without parts.
fn alone(content_type: &str, body: Bytes) -> Result<Upload, ApiError> {
    let is_script = ["application/javascript", "text/javascript"].contains(&content_type);
    if is_script && body.len() <= MAX_CODE {
        let name = "worker.js".to_owned();
        let metadata = Metadata(Map::from_iter([("body_part".to_owned(), json!(name))]));
        let content_type = content_type.to_owned();
        return Ok(Upload { metadata, parts: vec![Part { name, content_type, body }] });
    }
    let metadata = Metadata(serde_json::from_slice(&body).map_err(ApiError::bad_body)?);
    Ok(Upload { metadata, parts: Vec::new() })
}

/// All parts of a multipart body.
pub(super) async fn parts(boundary: String, body: Bytes) -> Result<Vec<Part>, ApiError> {
    let whole = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut multipart = multer::Multipart::new(whole, boundary);
    let mut found = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(ApiError::bad_body)? {
        let name = field.file_name().or(field.name()).unwrap_or_default().to_owned();
        // The JSON part is known by its field name even when a client gives it a file name.
        let name = match field.name() {
            Some(own @ ("metadata" | "settings")) => own.to_owned(),
            _ => name,
        };
        let content_type = field.content_type().map(|kind| kind.to_string());
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        let body = field.bytes().await.map_err(ApiError::bad_body)?;
        if found.len() >= MAX_PARTS {
            let message = format!("The form has more than {MAX_PARTS} parts.");
            return Err(ApiError::bad_request(10026, message));
        }
        found.push(Part { name, content_type, body });
    }
    Ok(found)
}
