//! Connections whose answers come from the future: each object in them has a field more. Whatever the
//! suite does must not notice.

use async_trait::async_trait;
use clodo_http::{Body, HttpService, Request, Response, TransportError, TransportKind};
use serde_json::{Map, Value, json};

/// A service whose JSON answers have fields that nobody knows yet.
#[derive(Debug)]
pub(crate) struct Aging<S>(pub(crate) S);

/// Below these the user's own values stand, or entries by name.
const OWN: [&str; 9] = [
    "annotations",
    "custom_metadata",
    "json",
    "metadata",
    "output",
    "params",
    "resources",
    "results",
    "values",
];
/// An answer that is more than this is a stream.
const LARGEST: usize = 32 << 20;

#[async_trait]
impl<S: HttpService> HttpService for Aging<S> {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = self.0.call(request).await?;
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        // What is kept under a key is the user's, whatever it says it is.
        let own = ["/values/", "/metadata/", "/objects/"].iter().any(|it| uri.path().contains(it));
        if own || !kind.is_some_and(|kind| kind.starts_with("application/json")) {
            return Ok(answer);
        }
        let (mut head, body) = answer.into_parts();
        let body = body.collect(LARGEST).await.map_err(|error| {
            TransportError::new(TransportKind::Reset, &method, &uri).with_source(error)
        })?;
        let aged = match serde_json::from_slice::<Value>(&body) {
            Ok(value) => aged(value).to_string().into(),
            // Faults break answers on purpose.
            Err(_) => body,
        };
        head.headers.remove("content-length");
        Ok(Response::from_parts(head, Body::from(aged)))
    }
}

fn aged(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let age = |(key, value): (String, Value)| {
                let value = if OWN.contains(&key.as_str()) { value } else { aged(value) };
                (key, value)
            };
            let mut fields: Map<_, _> = fields.into_iter().map(age).collect();
            fields
                .insert("field_of_2031".to_owned(), json!({ "type": "teleported", "by": [null] }));
            fields.into()
        }
        Value::Array(each) => each.into_iter().map(aged).collect(),
        other => other,
    }
}

#[test]
fn every_object_gets_a_field_and_the_users_own_values_none() {
    let aged = aged(json!({ "result": [{ "id": 1, "metadata": { "a": {} } }] }));
    assert_eq!(aged["result"][0]["field_of_2031"]["type"], "teleported");
    assert_eq!(aged["result"][0]["metadata"], json!({ "a": {} }));
    assert!(aged["field_of_2031"].is_object());
}
