use super::Uploaded;
use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    multipart::{Part, encode_form},
    upload::{Entry, UploadModule, WorkerUpload},
    workers::UPLOAD_TIME_LIMIT,
};
use clodo_http::{BodyError, Response};
use clodo_types::{AccountId, VersionId, WorkerName};
use http::{HeaderMap, Method, header};
use serde_json::json;
use std::error;

/// A Worker's code, as it was uploaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerContent {
    /// Where it begins; none when the answer does not say.
    pub entry: Option<String>,
    /// Its files.
    pub modules: Vec<UploadModule>,
}

/// A Worker's code could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The call failed.
    #[error("could not get the Worker's code")]
    Api(#[from] ApiError),
    /// The answer broke off or is too large.
    #[error("could not read the Worker's code to its end")]
    Body(#[from] BodyError),
    /// The answer is no form.
    #[error("the Worker's code has another shape than expected")]
    Form(#[source] Box<dyn error::Error + Send + Sync>),
}

/// A Worker's code as it travels: a form with a part for each module, or the text of a script in
/// the service-worker format. [`Client::worker_content`] reads it. Without a version the latest one
/// is meant.
#[must_use]
pub fn content(
    account: &AccountId,
    worker: &WorkerName,
    version: Option<&VersionId>,
) -> Endpoint<Response> {
    let template = "/accounts/{account}/workers/scripts/{worker}/content/v2";
    let endpoint = Endpoint::raw(Method::GET, template, Repeat::Safe)
        .at("account", account)
        .at("worker", worker);
    match version {
        Some(version) => endpoint.with_query("version", version),
        None => endpoint,
    }
}

/// The code of an environment of a Worker, as [`content`] has that of the Worker;
/// [`WorkerContent::read`] reads it. It is how `wrangler init --from-dash` gets it.
#[must_use]
pub fn service_content(
    account: &AccountId,
    worker: &WorkerName,
    environment: &str,
) -> Endpoint<Response> {
    let template =
        "/accounts/{account}/workers/services/{worker}/environments/{environment}/content/v2";
    Endpoint::raw(Method::GET, template, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .at("environment", environment)
}

/// Replaces a Worker's code and keeps everything else: makes a new version and deploys it. Only the
/// entry and the modules of `upload` are sent.
#[must_use]
pub fn put_content(
    account: &AccountId,
    worker: &WorkerName,
    upload: &WorkerUpload,
) -> Endpoint<Uploaded> {
    let metadata = match &upload.entry {
        Entry::MainModule(name) => json!({ "main_module": name }),
        Entry::BodyPart(name) => json!({ "body_part": name }),
        Entry::AssetsOnly => json!({}),
    };
    let file =
        |module: &UploadModule| Part::file(&module.name, &module.content_type, module.body.clone());
    let mut parts = vec![Part::field("metadata", metadata.to_string())];
    parts.extend(upload.modules.iter().map(file));
    let template = "/accounts/{account}/workers/scripts/{worker}/content";
    let endpoint = Endpoint::new(Method::PUT, template, Repeat::Never)
        .at("account", account)
        .at("worker", worker)
        .with_time_limit(UPLOAD_TIME_LIMIT);
    match encode_form(&parts) {
        Ok(form) => endpoint.with_form(form),
        Err(error) => endpoint.with_problem(error.to_string()),
    }
}

impl WorkerContent {
    /// Reads the answer of [`content`], up to `limit` bytes.
    ///
    /// # Errors
    /// When it breaks off, is too large, or is no form although it says so.
    pub async fn read(answer: Response, limit: usize) -> Result<Self, ContentError> {
        let (parts, body) = answer.into_parts();
        let text = |name: &str| header_text(&parts.headers, name);
        let entry = text("cf-entrypoint");
        let content_type = text(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let body = body.collect(limit).await?;
        let Ok(boundary) = multer::parse_boundary(&content_type) else {
            let name = entry.clone().unwrap_or_else(|| "index.js".to_owned());
            let content_type = content_type.split(';').next().unwrap_or_default().to_owned();
            let modules = vec![UploadModule { name, content_type, body }];
            return Ok(Self { entry, modules });
        };
        let whole = futures_util::stream::iter([Ok::<_, BodyError>(body)]);
        let modules = modules(multer::Multipart::new(whole, boundary)).await;
        Ok(Self { entry, modules: modules.map_err(|error| ContentError::Form(error.into()))? })
    }
}

async fn modules(mut form: multer::Multipart<'_>) -> Result<Vec<UploadModule>, multer::Error> {
    let mut modules = Vec::new();
    while let Some(part) = form.next_field().await? {
        let name = part.name().or(part.file_name()).unwrap_or_default();
        // Written as browsers write names.
        let name = name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
        let content_type = part.content_type().map(ToString::to_string).unwrap_or_default();
        modules.push(UploadModule { name, content_type, body: part.bytes().await? });
    }
    Ok(modules)
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

impl Client {
    /// The code of a Worker, or of one of its versions.
    ///
    /// # Errors
    /// When the call fails, or the answer cannot be read.
    pub async fn worker_content(
        &self,
        account: &AccountId,
        worker: &WorkerName,
        version: Option<&VersionId>,
    ) -> Result<WorkerContent, ContentError> {
        let answer = self.send(content(account, worker, version)).await?;
        WorkerContent::read(answer, self.options().answer_limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(content_type: &str, entry: &str, body: Vec<u8>) -> Response {
        http::Response::builder()
            .header("content-type", content_type)
            .header("cf-entrypoint", entry)
            .body(body.into())
            .unwrap()
    }

    async fn read(content_type: &str, body: &str) -> Result<WorkerContent, ContentError> {
        WorkerContent::read(answer(content_type, "index.js", body.into()), 1 << 20).await
    }

    #[tokio::test]
    async fn what_was_uploaded_comes_back() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\n\
            Content-Type: application/javascript+module\r\n\r\nexport default {}\r\n\
            --x\r\nContent-Disposition: form-data; name=\"./a%22b.txt\"\r\n\r\n\r\n--x--\r\n";
        let content = read("multipart/form-data; boundary=x", body).await.unwrap();
        assert_eq!(content.entry.as_deref(), Some("index.js"));
        assert_eq!(content.modules[0].content_type, "application/javascript+module");
        assert_eq!(content.modules[0].body, "export default {}");
        assert_eq!(content.modules[1].name, "./a\"b.txt");
    }

    #[tokio::test]
    async fn a_script_without_modules_is_one_module() {
        let content = read("application/javascript; charset=utf-8", "addEventListener()").await;
        let content = content.unwrap();
        assert_eq!(content.modules[0].name, "index.js");
        assert_eq!(content.modules[0].content_type, "application/javascript");
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_is_not_a_short_worker() {
        for body in ["", "--x", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nabc"] {
            let read = read("multipart/form-data; boundary=x", body).await;
            assert!(matches!(read, Err(ContentError::Form(_))), "{body:?} {read:?}");
        }
        let large = answer("text/javascript", "", vec![b' '; 100]);
        let error = WorkerContent::read(large, 99).await.unwrap_err();
        assert!(matches!(error, ContentError::Body(BodyError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn no_answer_makes_reading_panic(content_type in "[ -~]{0,40}", body: Vec<u8>) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for content_type in [content_type.as_str(), "multipart/form-data; boundary=x"] {
                let answer = answer(content_type, "", body.clone());
                let _ = runtime.block_on(WorkerContent::read(answer, 1 << 20));
            }
        }
    }
}
