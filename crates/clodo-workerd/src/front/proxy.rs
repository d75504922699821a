//! From the front to a Worker and back.

use super::{body::FrontBody, hygiene, pages::Page, relay, watch::Watch};
use crate::{
    observer::{Observer, Outcome},
    runtime::{Account, PooledBody, RequestBody, SendError, Ticket, Unavailable},
    seams::ServedVersion,
};
use clodo_types::Timestamp;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::{net::IpAddr, sync::Arc, time::Duration};

/// How long a request waits for a generation that is starting.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long it takes at most until a process that broke its connections is known to have ended.
const SETTLE_PATIENCE: Duration = Duration::from_millis(100);

/// A request that knows where it goes.
#[derive(Debug)]
pub(crate) struct Forward<'a> {
    /// The account that the Worker belongs to.
    pub(crate) account: &'a Arc<Account>,
    /// The version that answers.
    pub(crate) version: &'a Arc<ServedVersion>,
    /// The hostname that the Worker sees.
    pub(crate) host: &'a str,
    /// Who asks.
    pub(crate) from: Caller,
    /// Hears how it ends.
    pub(crate) observer: &'a Arc<dyn Observer>,
    /// When it came.
    pub(crate) started: Timestamp,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// The address.
    pub(crate) client: IpAddr,
    /// How many more Workers may be asked by `fetch()`; `None` for a client outside.
    pub(crate) hops_left: Option<u8>,
}

/// The way to a version; waits while its process starts.
pub(crate) async fn way(account: &Account, version: &str) -> Result<Ticket, Unavailable> {
    account.pool(version, None, START_PATIENCE).await
}

/// Sends the request to the Worker; whatever goes wrong becomes an answer.
pub(crate) async fn forward(
    to: &Forward<'_>,
    mut way: Result<Ticket, Unavailable>,
    mut parts: request::Parts,
    body: RequestBody,
) -> Response<FrontBody> {
    let mut watch = Watch::begin(to.observer, to.account, to.version, to.started);
    let mut asked = Asked::of(&mut parts);
    asked.ray(hygiene::clean_request(&mut parts, to.host, to.from));
    let mut request = Request::from_parts(parts, body);
    let version = &to.version.version_id;
    loop {
        let ticket = match way {
            Ok(ticket) => ticket,
            Err(why) => return unavailable(&to.version.script, &why).answer(&asked.headers),
        };
        watch.reached(true);
        let pool = Arc::clone(ticket.pool());
        match ticket.send(request).await {
            Ok(answer) => return answered(to, &asked, answer, watch),
            // The process has just ended; the next one is on its way.
            Err(SendError::Connect(_, unsent)) => {
                watch.reached(false);
                request = *unsent;
                way = to.account.pool(version, Some(&pool), START_PATIENCE).await;
            }
            Err(error) => {
                tracing::debug!(%error, script = to.version.script, "a request was lost");
                // Whoever hears of the loss and tries again must not meet the same process.
                let _ = to.account.pool(version, Some(&pool), SETTLE_PATIENCE).await;
                let (page, outcome) = if pool.is_guilty() {
                    (Page::out_of_resources(&to.version.script), Outcome::ExceededResources)
                } else {
                    (Page::runtime_ended(), Outcome::InternalError)
                };
                watch.failed(outcome, page.status());
                return page.answer(&asked.headers);
            }
        }
    }
}

/// What is still needed of a request after it was sent.
struct Asked {
    /// Only `accept` and `cf-ray`: pages look at nothing else.
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

    fn ray(&mut self, ray: HeaderValue) {
        self.headers.insert(hygiene::CF_RAY, ray);
    }
}

fn answered(
    to: &Forward<'_>,
    asked: &Asked,
    mut answer: Response<PooledBody>,
    watch: Watch,
) -> Response<FrontBody> {
    if is_uncaught(&answer) {
        let page = Page::exception(&to.version.script);
        watch.failed(Outcome::ScriptThrewException, page.status());
        return page.answer(&asked.headers);
    }
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let theirs = answer.extensions_mut().remove::<OnUpgrade>();
        if let (Some(ours), Some(theirs)) = (asked.upgrade.clone(), theirs) {
            tokio::spawn(tunnel(ours, theirs));
        }
    }
    hygiene::clean_answer(answer.headers_mut());
    if let Ok(version) = HeaderValue::from_str(&to.version.version_id) {
        answer.headers_mut().insert("x-clodo-version", version);
    }
    if let Some(ray) = asked.headers.get(hygiene::CF_RAY) {
        answer.headers_mut().insert(hygiene::CF_RAY, ray.clone());
    }
    let status = answer.status();
    answer.map(|body| FrontBody::Worker(watch.answered(status, body)))
}

/// workerd's own answer when an exception reaches the top. A Worker that answers the same text
/// itself has a content type.
fn is_uncaught(answer: &Response<PooledBody>) -> bool {
    relay::is_uncaught(answer.status(), answer.headers(), answer.body().size_hint().exact())
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
