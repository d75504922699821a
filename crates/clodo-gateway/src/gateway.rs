use crate::{
    answers::{ReadKey, SharedAnswer, shared},
    calls::{AnswerSource, CallSink},
    counts::Counts,
    exchange::{BLOCK, Exchange, passed_on},
    headers,
    lease_note::{LEASE_HEADER, LeaseNote, LeaseNoteError},
    leases::{Leases, Write},
    options::GatewayOptions,
    record::{Record, Reporter, Timing},
    refusal::{Refusal, json_answer},
    route::{is_shareable, is_write},
    serve::Caller,
    status::{BudgetStatus, CacheStatus, GatewayStatus, LEASES_PATH, STATUS_PATH},
    target::Target,
    thing::only_selects,
    tokens::{TokenKey, Tokens},
    turns::Waiter,
};
use clodo_http::{Body, HttpService, Request, Response};
use clodo_resilience::{Bulkhead, SharedReads, SharedReadsOptions, Source};
use clodo_types::Clock;
use http::{HeaderValue, Method, StatusCode, request};
use std::sync::Arc;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Answers that are kept at most, whatever they weigh.
const MOST_KEPT: usize = 10_000;
/// Memory for the bodies of requests that may have to be sent again.
const BODY_MEMORY: usize = 64 << 20;
/// A query that is longer is not looked at: it counts as a write.
const LONGEST_QUERY: usize = 256 << 10;

/// What a [`Gateway`] works with.
#[derive(Clone, Debug)]
pub struct GatewayWiring {
    /// Sends calls to the upstream. It must give bodies as they come, compressed or not.
    pub upstream: Arc<dyn HttpService>,
    /// Sends calls that ask for another protocol, over HTTP/1.1; the answer 101 carries hyper's
    /// `OnUpgrade` among its extensions.
    pub switching: Arc<dyn HttpService>,
    /// Gets a line per call.
    pub sink: Arc<dyn CallSink>,
    /// Says when a call came.
    pub clock: Arc<dyn Clock>,
}

/// A proxy in front of Cloudflare's API: one budget per token for all clients, reads that equal
/// calls share, a line per call. It holds no token: each call passes with its client's own.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) options: GatewayOptions,
    pub(crate) upstream: Arc<dyn HttpService>,
    pub(crate) switching: Arc<dyn HttpService>,
    pub(crate) tokens: Tokens,
    pub(crate) memory: Semaphore,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) via: HeaderValue,
    pub(crate) closing: CancellationToken,
    pub(crate) tunnels: TaskTracker,
    pub(crate) leases: Arc<Leases>,
    /// Writes that leases had a say in.
    pub(crate) writes: TaskTracker,
    reads: SharedReads<ReadKey, SharedAnswer>,
    calls: Bulkhead,
}

impl Gateway {
    /// Sets a gateway up; it answers when it is called, see [`serve`](crate::serve).
    ///
    /// # Panics
    /// Never: the gateway's own name is a valid header.
    #[must_use]
    pub fn new(options: GatewayOptions, wiring: GatewayWiring) -> Self {
        let GatewayWiring { upstream, switching, sink, clock } = wiring;
        let closing = CancellationToken::new();
        let via = format!("1.1 clodo-gateway-{}", uuid::Uuid::new_v4().simple());
        let leases = Arc::new(Leases::new(Arc::clone(&clock), options.write_limit));
        Self {
            upstream,
            switching,
            leases,
            writes: TaskTracker::new(),
            tokens: Tokens::new(options.clone(), closing.clone()),
            memory: Semaphore::new(BODY_MEMORY / BLOCK),
            reporter: Arc::new(Reporter { counts: Counts::default(), sink, clock }),
            via: via.parse().expect("hexadecimal digits make a header"),
            closing,
            tunnels: TaskTracker::new(),
            reads: SharedReads::new(SharedReadsOptions::new(MOST_KEPT, options.cache_bytes)),
            calls: Bulkhead::new(options.most_calls, 0),
            options,
        }
    }

    /// Answers one request. Dropping the future, or the answer's body, cancels the call, but for a
    /// write on what a lease can hold: that goes on, so that it is known when it has ended.
    pub async fn answer(&self, caller: Caller, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if matches!(parts.uri.path(), STATUS_PATH | LEASES_PATH) {
            return self.control(&parts).unwrap_or_else(|refusal| refusal.answer());
        }
        let mut record = Record::begin(&self.reporter, caller, &parts);
        match self.outcome(caller, parts, body, &mut record).await {
            Ok(Outcome::Answer(answer)) => record.follow(answer),
            Ok(Outcome::Switch(answer, tunnel)) => self.switched(answer, tunnel, record),
            Err(refusal) => {
                record.refused(&refusal);
                record.follow(refusal.answer())
            }
        }
    }

    /// Lets nobody wait any more, and ends connections that were switched to another protocol.
    /// Calls that were sent go on.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> GatewayStatus {
        let views: Vec<_> = self.tokens.all().iter().map(|pacer| pacer.view()).collect();
        let kept = self.reads.view();
        GatewayStatus {
            upstream: self.options.upstream.to_string(),
            pid: std::process::id(),
            in_gateway: self.calls.inside(),
            waiting: views.iter().map(|view| view.waiting).sum(),
            calls: self.reporter.counts.calls(),
            budgets: views.iter().map(BudgetStatus::of).collect(),
            cache: CacheStatus { entries: kept.entries, bytes: kept.weight },
            clients: self.reporter.counts.clients(),
            leases: self.leases.view(),
            log_lines_lost: self.reporter.sink.lost(),
        }
    }

    /// What is said to the gateway itself: how it stands, and what became of a lease.
    fn control(&self, parts: &request::Parts) -> Result<Response, Refusal> {
        if !headers::is_from_a_program(parts) {
            return Err(Refusal::NotForBrowsers);
        }
        let said = || {
            let missing = Refusal::BadLease(LeaseNoteError::Missing("name"));
            LeaseNote::of(&parts.headers).map_err(Refusal::BadLease)?.ok_or(missing)
        };
        match (parts.uri.path(), &parts.method) {
            (STATUS_PATH, &Method::GET) => {
                let status = serde_json::to_vec(&self.status()).unwrap_or_default();
                return Ok(json_answer(StatusCode::OK, status));
            }
            (LEASES_PATH, &Method::PUT) => self.leases.announce(&said()?)?,
            (LEASES_PATH, &Method::DELETE) => self.leases.release(&said()?)?,
            _ => return Err(Refusal::BadMethod),
        }
        Ok(json_answer(StatusCode::OK, r#"{"success":true}"#))
    }

    async fn outcome(
        &self,
        caller: Caller,
        mut parts: request::Parts,
        body: Body,
        record: &mut Record,
    ) -> Result<Outcome, Refusal> {
        let target = Target::of(&parts, &self.options.upstream, &self.via)?;
        record.slot = Some(self.calls.enter().await.map_err(|_| Refusal::TooMany)?);
        let token = TokenKey::of(&parts.headers);
        let pacer = self.tokens.pacer(&token);
        record.is_about(&target.route.template, pacer.number());
        let waiter = Waiter { agent: record.client().into(), connection: caller.connection };
        let client_side = parts.extensions.remove();
        let (write, body) = self.write(&mut parts, &target, body).await?;
        let exchange = Exchange {
            gateway: self,
            parts: &parts,
            target: &target,
            pacer: &pacer,
            waiter: &waiter,
            write: write.as_ref(),
        };
        if target.upgrade.is_some() {
            return exchange.switch(client_side, &mut record.timing).await;
        }
        if let Some(key) = self.read_key(&exchange, &token, &body) {
            return self.read(&exchange, key, record).await.map(Outcome::Answer);
        }
        let _forgotten = self.forgets(&exchange);
        let body = record.counting(body);
        let answer = exchange.send(body, &mut record.timing).await?;
        Ok(Outcome::Answer(passed_on(answer)))
    }

    /// What leases have a say in; the header that names one stays here.
    async fn write(
        &self,
        parts: &mut request::Parts,
        target: &Target,
        body: Body,
    ) -> Result<(Option<Write>, Body), Refusal> {
        let note = match is_write(&parts.method, &target.route) {
            true => LeaseNote::of(&parts.headers).map_err(Refusal::BadLease)?,
            false => None,
        };
        parts.headers.remove(LEASE_HEADER);
        let thing = target.thing.clone();
        if note.is_none() && thing.is_none() {
            return Ok((None, body));
        }
        let write = Write { note, thing };
        let (only_asks, body) = self.only_asks(parts, target, &write, body).await?;
        Ok((Some(write).filter(|_| !only_asks), body))
    }

    /// Whether it is a query that only selects. Its text is read where it matters only: without a
    /// lease, on a database that somebody holds.
    async fn only_asks(
        &self,
        parts: &request::Parts,
        target: &Target,
        write: &Write,
        body: Body,
    ) -> Result<(bool, Body), Refusal> {
        let (Write { note: None, thing: Some(thing) }, Some(length)) = (write, body.length())
        else {
            return Ok((false, body));
        };
        let asked = thing.is_asked_by(&parts.method, target.uri.path());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !asked || LONGEST_QUERY < length || !self.leases.holds(thing) {
            return Ok((false, body));
        }
        let bytes = body.collect(length).await.map_err(|_| Refusal::BadBody)?;
        Ok((only_selects(&bytes), Body::from(bytes)))
    }

    /// None for a call that nobody else's answer will do for.
    fn read_key(&self, exchange: &Exchange<'_>, token: &TokenKey, body: &Body) -> Option<ReadKey> {
        let Exchange { parts, target, .. } = exchange;
        let bodiless = body.length() == Some(0);
        if self.options.cache.is_zero() || !bodiless || !is_shareable(&parts.method, &target.route)
        {
            return None;
        }
        let account = target.route.account.as_deref();
        ReadKey::of(token, &target.uri.to_string(), account, parts)
    }

    async fn read(
        &self,
        exchange: &Exchange<'_>,
        key: ReadKey,
        record: &mut Record,
    ) -> Result<Response, Refusal> {
        let mut timing = Timing::default();
        let began = Instant::now();
        let got = self.reads.get(key, || async {
            let answer = exchange.send(Body::empty(), &mut timing).await.map_err(Err)?;
            shared(passed_on(answer), self.options.cache).await.map_err(Ok)
        });
        let got = got.await;
        let alone = timing.attempts > 0;
        if !alone {
            timing.waited = began.elapsed();
        }
        record.timing = timing;
        let (answer, source) = match got {
            Ok(got) => got,
            Err(own) => return own,
        };
        let (source, how) = match source {
            Source::Made => (AnswerSource::Upstream, "clodo-gateway; fwd=uri-miss; stored"),
            Source::Shared => (AnswerSource::Shared, "clodo-gateway; fwd=uri-miss; collapsed"),
            Source::Kept => (AnswerSource::Cache, "clodo-gateway; hit"),
        };
        record.comes_from(source);
        Ok(answer.answer(how, source))
    }

    /// A write makes reads of its account untrue: those from before it as well as those that were
    /// made while it was under way.
    fn forgets(&self, exchange: &Exchange<'_>) -> Option<Forgets<'_>> {
        let route = &exchange.target.route;
        is_write(&exchange.parts.method, route).then(|| {
            let forgets = Forgets { reads: &self.reads, account: route.account.clone() };
            forgets.now();
            forgets
        })
    }
}

/// How a request came out.
pub(crate) enum Outcome {
    /// An answer.
    Answer(Response),
    /// The connection goes on in another protocol.
    Switch(Response, crate::switch::Tunnel),
}

struct Forgets<'a> {
    reads: &'a SharedReads<ReadKey, SharedAnswer>,
    account: Option<String>,
}

impl Forgets<'_> {
    fn now(&self) {
        self.reads.forget(|key| key.is_touched_by(self.account.as_deref()));
    }
}

impl Drop for Forgets<'_> {
    fn drop(&mut self) {
        self.now();
    }
}
