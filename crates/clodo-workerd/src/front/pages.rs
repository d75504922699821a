//! What the front says when no Worker can.

use super::{
    body::FrontBody,
    hygiene::{self, CF_RAY},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};

/// One thing to say: HTML for browsers, JSON for those who ask for it, plain text for everyone
/// else.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    status: StatusCode,
    /// In the header `x-clodo-error`, for programs; digits only for what Cloudflare numbers.
    slug: &'static str,
    title: String,
    detail: String,
}

impl Page {
    /// No Worker answers at this host and path.
    pub(crate) fn unknown_host(host: &str, known: &[String]) -> Self {
        let mut detail = format!("No Worker of this local Cloudflare answers at `{host}`.");
        if known.is_empty() {
            detail.push_str(" Nothing is deployed yet.");
        } else {
            detail.push_str(&format!(" Deployed Workers: {}.", known.join(", ")));
        }
        detail.push_str(" Custom domains and routes are set in the service's wrangler config.");
        Self::new(StatusCode::NOT_FOUND, "unknown-host", "Unknown host", detail)
    }

    /// The Worker is there, but no version of it has traffic.
    pub(crate) fn not_deployed(script: &str) -> Self {
        let detail = format!("The Worker `{script}` has no version with traffic.");
        Self::new(StatusCode::NOT_FOUND, "not-deployed", "There is nothing here yet", detail)
    }

    /// Cloudflare's 1101.
    pub(crate) fn exception(script: &str) -> Self {
        let detail = format!(
            "The Worker `{script}` threw an exception while it handled this request. \
             The exception is in the local Cloudflare's log."
        );
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "1101",
            "Error 1101: Worker threw exception",
            detail,
        )
    }

    /// Cloudflare's 1102.
    pub(crate) fn out_of_resources(script: &str) -> Self {
        let detail = format!(
            "The Worker `{script}` took too much time or memory for this request and was ended."
        );
        let title = "Error 1102: Worker exceeded resource limits";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "1102", title, detail)
    }

    /// Cloudflare's 1019.
    pub(crate) fn too_many_hops(script: &str) -> Self {
        let detail = format!(
            "The Worker `{script}` called fetch() for a Worker, which did so in turn, 16 times over."
        );
        Self::new(StatusCode::LOOP_DETECTED, "1019", "Error 1019: Worker hit loop limit", detail)
    }

    /// workerd refused the version although its upload was accepted.
    pub(crate) fn broken(script: &str, why: &str) -> Self {
        let detail = format!("The Worker `{script}` could not be started: {why}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", "Worker does not start", detail)
    }

    /// The runtime is not ready; trying again soon makes sense.
    pub(crate) fn starting() -> Self {
        let detail = "The Workers runtime was not ready in time. Try again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "starting", "Not ready", detail)
    }

    /// workerd went away in the middle of the request.
    pub(crate) fn runtime_ended() -> Self {
        let detail = "The Workers runtime ended while it handled this request, and is being \
                      started again.";
        Self::new(StatusCode::BAD_GATEWAY, "runtime-ended", "Runtime ended", detail)
    }

    /// The state folder is gone.
    pub(crate) fn state_gone() -> Self {
        let detail = "The state folder of this local Cloudflare was deleted while it ran; it is \
                      stopping.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "state-gone", "State is gone", detail)
    }

    /// A Worker asked for something outside this cloud.
    pub(crate) fn outbound_denied(host: &str) -> Self {
        let detail = format!(
            "A Worker called fetch() for `{host}`, which this local Cloudflare does not serve. \
             It reaches the internet only when started with `--outbound internet`."
        );
        Self::new(
            StatusCode::from_u16(530).unwrap_or(StatusCode::BAD_GATEWAY),
            "outbound-denied",
            "No route out",
            detail,
        )
    }

    /// A Worker asked for something on this machine or in its private network.
    pub(crate) fn private_denied(host: &str, exception: &str) -> Self {
        let detail = format!(
            "A Worker called fetch() for `{host}`, which is an address of this machine or of its \
             private network. A Worker reaches one only when the cloud was started with \
             `--allow-private {exception}`."
        );
        Self::new(
            StatusCode::from_u16(530).unwrap_or(StatusCode::BAD_GATEWAY),
            "private-denied",
            "No route to a private address",
            detail,
        )
    }

    /// A Worker asked for its own hostname: on Cloudflare that goes to the origin server.
    pub(crate) fn no_origin(host: &str) -> Self {
        let detail = format!(
            "A Worker called fetch() for `{host}`, which it serves itself. On Cloudflare that \
             goes to the origin server; the local Cloudflare has none."
        );
        Self::new(StatusCode::BAD_GATEWAY, "no-origin", "No origin", detail)
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", why)
    }

    fn new(status: StatusCode, slug: &'static str, title: &str, detail: impl Into<String>) -> Self {
        Self { status, slug, title: title.to_owned(), detail: detail.into() }
    }

    /// The status that it comes with.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer, in the form that the asking side reads best.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response<FrontBody> {
        let ray = asked.get(CF_RAY).cloned().unwrap_or_else(hygiene::ray);
        let (kind, text) = match Form::of(asked) {
            Form::Html => ("text/html; charset=utf-8", self.html(&ray)),
            Form::Json => ("application/problem+json; charset=utf-8", self.json(&ray)),
            Form::Text => ("text/plain; charset=utf-8", self.text()),
        };
        let mut answer = Response::new(FrontBody::full(text));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-clodo-error", HeaderValue::from_static(self.slug));
        headers.insert(CF_RAY, ray);
        // A Worker that was ended for its own doing would be so again.
        if self.status == StatusCode::SERVICE_UNAVAILABLE && self.code().is_none() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }

    /// The same in two parts: head and text.
    pub(crate) fn parts(&self, asked: &HeaderMap) -> (response::Parts, Bytes) {
        let (parts, body) = self.answer(asked).into_parts();
        match body {
            FrontBody::Full(text) => (parts, text.unwrap_or_default()),
            _ => (parts, Bytes::new()),
        }
    }

    /// Cloudflare's number for it.
    fn code(&self) -> Option<u16> {
        self.slug.parse().ok()
    }

    /// Begins as Cloudflare's own plain text does, for those who look for it.
    fn text(&self) -> String {
        let code = self.code().map(|code| format!("error code: {code}\n")).unwrap_or_default();
        format!("{code}{}\n{}\n", self.title, self.detail)
    }

    /// A problem in the sense of RFC 9457.
    fn json(&self, ray: &HeaderValue) -> String {
        let mut problem = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "ray_id": ray.to_str().unwrap_or_default(),
            "error": self.slug,
        });
        if let Some(code) = self.code() {
            problem["error_code"] = code.into();
            problem["cloudflare_error"] = true.into();
            problem["type"] = format!(
                "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/\
                 cloudflare-1xxx-errors/error-{code}/"
            )
            .into();
        }
        problem.to_string()
    }

    fn html(&self, ray: &HeaderValue) -> String {
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <style>body{{font:16px/1.5 system-ui;margin:4rem auto;max-width:40rem;padding:0 1rem}}\
             </style></head><body><h1>{title}</h1><p>{detail}</p><p><small>Ray ID: {ray}</small></p>\
             </body></html>\n",
            title = escaped(&self.title),
            detail = escaped(&self.detail),
            ray = escaped(ray.to_str().unwrap_or_default()),
        )
    }
}

/// How an answer is best read by whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Text,
}

impl Form {
    fn of(asked: &HeaderMap) -> Self {
        let accept = asked.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let accept = accept.unwrap_or_default();
        if accept.contains("text/html") {
            Self::Html
        } else if accept.contains("application/json") || accept.contains("application/problem+json")
        {
            Self::Json
        } else {
            Self::Text
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_host_cannot_put_markup_into_the_page() {
        let page = Page::unknown_host("<script>alert(1)</script>", &[]);
        assert!(!page.html(&hygiene::ray()).contains("<script>"));
    }

    #[test]
    fn browsers_get_html_and_programs_get_text_or_json() {
        for (accept, expected) in [
            (None, "text/plain"),
            (Some("*/*"), "text/plain"),
            (Some("text/html,*/*;q=0.8"), "text/html"),
            (Some("application/json"), "application/problem+json"),
            (Some("application/problem+json"), "application/problem+json"),
            (Some("application/json, text/html"), "text/html"),
        ] {
            let mut asked = HeaderMap::new();
            if let Some(accept) = accept {
                asked.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            let answer = Page::starting().answer(&asked);
            let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
            assert!(kind.starts_with(expected), "{accept:?}: {kind}");
            assert!(answer.headers().contains_key(CF_RAY));
        }
    }

    #[test]
    fn what_cloudflare_numbers_says_its_number() {
        let page = Page::exception("shop");
        assert!(page.text().starts_with("error code: 1101\n"));
        let ray = HeaderValue::from_static("8f-LOC");
        let json: serde_json::Value = serde_json::from_str(&page.json(&ray)).unwrap();
        assert_eq!((&json["error_code"], &json["ray_id"]), (&1101.into(), &"8f-LOC".into()));
        assert!(!Page::starting().text().contains("error code"));
    }
}
