//! What is fuzzed of uploads.

use super::{ApiError, upload};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use serde_json::{Value, json};

/// A body that was labelled multipart, or not at all, and a form that is made of the same bytes:
/// any body is read or refused, and a form is read as it was written.
pub fn upload_forms(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for label in ["multipart/form-data; boundary=B", "application/javascript", ""] {
            if let Ok(read) = read(label, data.to_vec()).await {
                let bytes: usize = read.parts.iter().map(|part| part.body.len()).sum();
                assert!(bytes <= data.len(), "no part is made up");
            }
        }
        round_trip(data).await;
    });
}

async fn read(label: &str, body: Vec<u8>) -> Result<upload::Upload, ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(label).expect("a label"));
    upload::read(&headers, Bytes::from(body), "metadata").await
}

/// The bytes become parts at each NUL, below a boundary that is not in them.
async fn round_trip(data: &[u8]) {
    let boundary = (0..).map(|n| format!("x{n}")).find(|b| !holds(data, b.as_bytes()));
    let boundary = boundary.expect("one of all numbers");
    let bodies: Vec<&[u8]> = data.split(|byte| *byte == 0).take(20).collect();
    let mut form = Vec::new();
    let metadata = json!({ "main_module": "m0", "n": bodies.len() });
    let head = |name: &str, file: &str| {
        format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
    };
    form.extend(format!("{}{metadata}\r\n", head("metadata", "")).bytes());
    for (at, body) in bodies.iter().enumerate() {
        form.extend(head("m", &format!("; filename=\"m{at}\"")).bytes());
        form.extend(*body);
        form.extend(b"\r\n");
    }
    form.extend(format!("--{boundary}--\r\n").bytes());
    let label = format!("multipart/form-data; boundary={boundary}");
    let Ok(read) = read(&label, form).await else { panic!("a form of ours is refused") };
    assert_eq!(read.metadata.value("n"), Some(&Value::from(bodies.len())));
    assert_eq!(read.parts.len(), bodies.len());
    for (at, (part, body)) in read.parts.iter().zip(bodies).enumerate() {
        assert_eq!((part.name.as_str(), &part.body[..]), (format!("m{at}").as_str(), body));
    }
}

fn holds(data: &[u8], wanted: &[u8]) -> bool {
    data.windows(wanted.len()).any(|window| window == wanted)
}
