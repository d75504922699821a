use crate::{
    api_error::{ApiError, Call, Head},
    endpoint::{Endpoint, Reading},
    envelope::{Envelope, GraphQlAnswer},
};
use clodo_http::{BodyError, Fault, Response};
use http::HeaderMap;

/// Cloudflare's code for "another change of the same Worker is going on"; nothing was done.
const CONCURRENT_EDIT: u64 = 10035;

/// An attempt that gave no result, and what it means for the next one.
pub(crate) struct Missed {
    pub(crate) error: ApiError,
    pub(crate) fault: Option<Fault>,
}

impl Missed {
    pub(crate) fn finally(error: ApiError) -> Self {
        Self { error, fault: None }
    }
}

/// Reads the answer to one attempt.
pub(crate) async fn read<A>(
    response: Response,
    endpoint: &Endpoint<A>,
    call: Call<'_>,
    limit: usize,
) -> Result<A, Missed> {
    let (fault, head) = (Fault::of_response(&response), head_of(&response));
    note(&head);
    if let Reading::Raw(read) = endpoint.reading
        && head.status.is_success()
    {
        return Ok(read(response));
    }
    let body = response.into_body().collect(limit).await.map_err(|error| Missed {
        fault: (!matches!(error, BodyError::TooLarge { .. })).then_some(Fault::BrokenAnswer),
        error: ApiError::cut_off(call, head.clone(), error),
    })?;
    match endpoint.reading {
        Reading::GraphQl(read) if head.status.is_success() => {
            return graphql(&body, call, head, |data| read(data, endpoint.within));
        }
        _ => {}
    }
    let empty = body.trim_ascii().is_empty() && head.status.is_success();
    let envelope = if empty { Some(Envelope::empty()) } else { Envelope::read(&body) };
    let Some(envelope) = envelope else {
        return Err(Missed { fault, error: ApiError::foreign(call, head, excerpt(&body)) });
    };
    match endpoint.reading {
        Reading::Envelope(read) if envelope.success && !is_refusal(&head) => {
            read(&envelope, endpoint.within)
                .map_err(|error| Missed::finally(ApiError::unreadable(call, head, error)))
        }
        _ => {
            let error = ApiError::refused(call, head, envelope.errors);
            let busy = error.has_code(CONCURRENT_EDIT).then_some(Fault::Busy);
            Err(Missed { fault: busy.or(fault), error })
        }
    }
}

/// GraphQL says with status 200 that it refuses.
fn graphql<A>(
    body: &[u8],
    call: Call<'_>,
    head: Head,
    read: impl FnOnce(&serde_json::value::RawValue) -> Result<A, serde_json::Error>,
) -> Result<A, Missed> {
    let Some(answer) = GraphQlAnswer::read(body) else {
        return Err(Missed::finally(ApiError::foreign(call, head, excerpt(body))));
    };
    match answer.data {
        Some(data) if answer.errors.is_empty() => {
            read(data).map_err(|error| Missed::finally(ApiError::unreadable(call, head, error)))
        }
        _ => Err(Missed::finally(ApiError::refused(call, head, answer.errors))),
    }
}

fn note(head: &Head) {
    let span = tracing::Span::current();
    span.record("status", head.status.as_u16());
    if let Some(ray_id) = &head.ray_id {
        span.record("ray_id", ray_id.as_str());
    }
}

fn head_of(response: &Response) -> Head {
    let text = |headers: &HeaderMap, name: &str| {
        headers.get(name)?.to_str().ok().map(|text| text.chars().take(64).collect::<String>())
    };
    Head {
        status: response.status(),
        ray_id: text(response.headers(), "cf-ray"),
        challenged: text(response.headers(), "cf-mitigated").as_deref() == Some("challenge"),
    }
}

/// A refusal's status counts even if the body claims success: of the two, the careful reading.
fn is_refusal(head: &Head) -> bool {
    head.status.is_client_error() || head.status.is_server_error()
}

/// The beginning of a foreign answer, fit for one line of a terminal.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let text = title.map_or(text.as_ref(), |(title, _)| title);
    let words = text.split_whitespace().map(|word| word.replace(char::is_control, ""));
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(160).collect()
}
