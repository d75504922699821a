//! From the front to a Worker and back.

use super::{body::FrontBody, hygiene, pages::Page};
use crate::runtime::{Account, PooledBody, RequestBody, SendError, Unavailable};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::{net::IpAddr, time::Duration};

/// How long a request waits for a generation that is starting.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long it takes at most until a process that broke its connections is known to have ended.
const SETTLE_PATIENCE: Duration = Duration::from_millis(100);

/// A request that knows where it goes.
#[derive(Debug)]
pub(crate) struct Forward<'a> {
    /// The account that the Worker belongs to.
    pub(crate) account: &'a Account,
    /// The Worker's name, for messages.
    pub(crate) script: &'a str,
    /// The version that answers.
    pub(crate) version: &'a str,
    /// The hostname that the Worker sees.
    pub(crate) host: &'a str,
    /// Who asks.
    pub(crate) client: IpAddr,
}

/// Sends the request to the Worker; whatever goes wrong becomes an answer.
pub(crate) async fn forward(
    to: &Forward<'_>,
    mut parts: request::Parts,
    body: RequestBody,
) -> Response<FrontBody> {
    let asked = Asked::of(&mut parts);
    hygiene::clean_request(&mut parts, to.host, to.client);
    let mut request = Request::from_parts(parts, body);
    let mut dead = None;
    loop {
        let pool = match to.account.pool(to.version, dead.as_ref(), START_PATIENCE).await {
            Ok(pool) => pool,
            Err(why) => return unavailable(to.script, &why).answer(&asked.headers),
        };
        match pool.send(request).await {
            Ok(answer) => return answered(to, &asked, answer),
            // The process has just ended; the next one is on its way.
            Err(SendError::Connect(_, unsent)) => {
                request = *unsent;
                dead = Some(pool);
            }
            Err(error) => {
                tracing::debug!(%error, script = to.script, "a request was lost");
                // Whoever hears of the loss and tries again must not meet the same process.
                let _ = to.account.pool(to.version, Some(&pool), SETTLE_PATIENCE).await;
                return Page::runtime_ended().answer(&asked.headers);
            }
        }
    }
}

/// What is still needed of a request after it was sent.
struct Asked {
    /// Only `accept`: pages look at nothing else.
    headers: HeaderMap,
    upgrade: Option<OnUpgrade>,
}

impl Asked {
    fn of(parts: &mut request::Parts) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(accept) = parts.headers.get(header::ACCEPT) {
            headers.insert(header::ACCEPT, accept.clone());
        }
        let wants = hygiene::upgrade(&parts.headers).is_some();
        let upgrade = if wants { parts.extensions.remove::<OnUpgrade>() } else { None };
        Self { headers, upgrade }
    }
}

fn answered(
    to: &Forward<'_>,
    asked: &Asked,
    mut answer: Response<PooledBody>,
) -> Response<FrontBody> {
    if is_uncaught(&answer) {
        return Page::exception(to.script).answer(&asked.headers);
    }
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let theirs = answer.extensions_mut().remove::<OnUpgrade>();
        if let (Some(ours), Some(theirs)) = (asked.upgrade.clone(), theirs) {
            tokio::spawn(tunnel(ours, theirs));
        }
    }
    hygiene::clean_answer(answer.headers_mut());
    if let Ok(version) = HeaderValue::from_str(to.version) {
        answer.headers_mut().insert("x-clodo-version", version);
    }
    answer.map(FrontBody::Worker)
}

/// workerd's own answer when an exception reaches the top. A Worker that answers the same text
/// itself has a content type.
fn is_uncaught(answer: &Response<PooledBody>) -> bool {
    answer.status() == StatusCode::INTERNAL_SERVER_ERROR
        && !answer.headers().contains_key(header::CONTENT_TYPE)
        && answer.body().size_hint().exact() == Some("Internal Server Error".len() as u64)
}

async fn tunnel(ours: OnUpgrade, theirs: OnUpgrade) {
    let Ok((ours, theirs)) = tokio::try_join!(ours, theirs) else { return };
    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
    // Either side may leave whenever it likes.
    let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
}

fn unavailable(script: &str, why: &Unavailable) -> Page {
    match why {
        Unavailable::Failed(why) => Page::broken(script, why),
        Unavailable::NotServed => Page::not_deployed(script),
        Unavailable::Late => Page::starting(),
    }
}
