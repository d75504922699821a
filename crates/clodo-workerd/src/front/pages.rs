//! What the front says when no Worker can.

use super::body::FrontBody;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// One thing to say: HTML for browsers, plain text for everyone else.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    status: StatusCode,
    /// In the header `x-clodo-error`, for programs.
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

    /// The answer, in the form that the asking side reads best.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response<FrontBody> {
        let accept = asked.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let html = accept.is_some_and(|accept| accept.contains("text/html"));
        let (kind, text) = if html {
            ("text/html; charset=utf-8", self.html())
        } else {
            ("text/plain; charset=utf-8", format!("{}\n{}\n", self.title, self.detail))
        };
        let mut answer = Response::new(FrontBody::full(text));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-clodo-error", HeaderValue::from_static(self.slug));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }

    fn html(&self) -> String {
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
             <style>body{{font:16px/1.5 system-ui;margin:4rem auto;max-width:40rem;padding:0 1rem}}\
             </style></head><body><h1>{title}</h1><p>{detail}</p></body></html>\n",
            title = escaped(&self.title),
            detail = escaped(&self.detail),
        )
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
        assert!(!page.html().contains("<script>"));
    }

    #[test]
    fn browsers_get_html_and_programs_get_text() {
        let mut asked = HeaderMap::new();
        let kind = |asked: &HeaderMap| {
            Page::starting().answer(asked).headers()[header::CONTENT_TYPE].clone()
        };
        assert!(kind(&asked).to_str().unwrap().starts_with("text/plain"));
        asked.insert(header::ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8"));
        assert!(kind(&asked).to_str().unwrap().starts_with("text/html"));
    }
}
