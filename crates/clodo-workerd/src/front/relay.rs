//! The short way from a Worker's own port to its process: one task reads, writes, reads and writes.
//!
//! Only requests that need nothing else go this way: without a body or an upgrade, to a Worker with
//! one version and no assets. At the first other request the connection is handed to the ordinary
//! server, with all that was read. Headers are cleaned as everywhere.

use super::{
    Front,
    head::{Answer, Cut, Plain},
    hygiene,
    pages::Page,
    ports::{Key, by_plain_http},
    proxy::{self, Caller},
    serve::HEAD_PATIENCE,
    watch::Watch,
};
use crate::{
    observer::Outcome,
    runtime::{Account, Pool, Stream, Ticket},
    seams::ServedVersion,
};
use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, StatusCode};
use std::{io, net::IpAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A longer head goes the ordinary way.
const MAX_HEAD: usize = 16 * 1024;
const BUFFER: usize = 8 * 1024;

/// One client's connection.
pub(super) struct Relay {
    pub(super) front: Arc<Front>,
    pub(super) key: Arc<Key>,
    pub(super) client: IpAddr,
    pub(super) stream: TcpStream,
    /// What was read and not yet answered.
    pub(super) read: BytesMut,
    /// The connection to the process that answered last.
    inner: Option<(Arc<Pool>, Box<dyn Stream>)>,
}

/// Who answers a request.
struct Way {
    account: Arc<Account>,
    version: Arc<ServedVersion>,
    pool: Arc<Pool>,
    ticket: Ticket,
}

/// How an exchange ended.
enum Exchange {
    /// The connection can take another request.
    Done,
    /// It cannot.
    Closed,
    /// Nothing was answered; the ordinary way knows what to do.
    NotHere,
}

impl Relay {
    pub(super) fn new(front: Arc<Front>, key: Arc<Key>, client: IpAddr, stream: TcpStream) -> Self {
        let read = BytesMut::with_capacity(BUFFER);
        Self { front, key, client, stream, read, inner: None }
    }

    /// Answers requests until one needs more than this; then true. The connection is closed, or
    /// it is time to stop: false.
    pub(super) async fn run(&mut self, stop: &CancellationToken) -> bool {
        loop {
            let request = loop {
                match Plain::parse(&self.read) {
                    Ok(Some(request)) => break request,
                    Err(_) => return true,
                    Ok(None) if self.read.len() > MAX_HEAD => return true,
                    Ok(None) => {}
                }
                let idle = self.read.is_empty();
                let read = self.stream.read_buf(&mut self.read);
                let got = if idle {
                    stop.run_until_cancelled(read).await
                } else {
                    timeout(HEAD_PATIENCE, read).await.ok()
                };
                if !matches!(got, Some(Ok(1..))) {
                    return false;
                }
            };
            let Some(way) = way(&self.front, &self.key).await else { return true };
            match self.exchange(request, way).await {
                Ok(Exchange::Done) => {}
                Ok(Exchange::Closed) | Err(_) => return false,
                Ok(Exchange::NotHere) => return true,
            }
        }
    }

    async fn exchange(&mut self, request: Plain, way: Way) -> io::Result<Exchange> {
        let Way { account, version, pool, ticket } = way;
        let (length, keep_alive, is_head) = (request.length, request.keep_alive, request.is_head);
        let mut parts = request.parts;
        let accept = parts.headers.get(http::header::ACCEPT).cloned();
        let host = request.host;
        by_plain_http(&mut parts.headers);
        let from = Caller { client: self.client, hops_left: None };
        let ray = hygiene::clean_request(&mut parts, &host, from);
        let out = super::head::request(&parts);
        let now = self.front.runtime.now();
        let mut watch = Watch::begin(&self.front.observer, &account, &version, now);
        watch.reached(true);
        let Some((mut inner, mut buffer)) = self.ask(&pool, &out, length).await? else {
            watch.reached(false);
            return Ok(Exchange::NotHere);
        };
        self.read.advance(length);
        let Some(mut answer) = Answer::read(&mut *inner, &mut buffer, is_head).await else {
            ticket.broken();
            let page = Page::runtime_ended();
            watch.failed(Outcome::InternalError, page.status());
            let mut asked = HeaderMap::new();
            asked.extend(accept.map(|accept| (http::header::ACCEPT, accept)));
            asked.insert(hygiene::CF_RAY, ray);
            return self.say(&page, &asked).await;
        };
        ticket.answered();
        if answer.is_uncaught() {
            let page = Page::exception(&version.script);
            watch.failed(Outcome::ScriptThrewException, page.status());
            let mut asked = HeaderMap::new();
            asked.extend(accept.map(|accept| (http::header::ACCEPT, accept)));
            asked.insert(hygiene::CF_RAY, ray);
            return self.say(&page, &asked).await;
        }
        hygiene::clean_answer(&mut answer.headers);
        super::stamp(&mut answer.headers, &version);
        let status = answer.status;
        let (mut client, mut to) = self.stream.split();
        let pass = answer.pass(&mut *inner, &mut buffer, &mut to, keep_alive);
        let (bytes, reusable) = match while_there(&mut client, &mut self.read, 0, pass).await? {
            Ok(passed) => passed,
            Err(Cut::Client(error)) => return Err(error),
            Err(Cut::Worker(error)) => {
                watch.failed(Outcome::ScriptThrewException, status);
                return Err(error);
            }
        };
        watch.relayed(status, bytes);
        self.inner = reusable.then_some((pool, inner));
        Ok(if keep_alive && reusable { Exchange::Done } else { Exchange::Closed })
    }

    /// Sends the request and waits for the first bytes of the answer. A connection that was kept
    /// may be closed by now: then once more on a fresh one. An error if the client left; its
    /// request is the first `length` bytes that were read.
    async fn ask(
        &mut self,
        pool: &Arc<Pool>,
        out: &[u8],
        length: usize,
    ) -> io::Result<Option<(Box<dyn Stream>, BytesMut)>> {
        let kept = self.inner.take().filter(|(kept, _)| Arc::ptr_eq(kept, pool));
        let mut buffer = BytesMut::with_capacity(BUFFER);
        let (stream, read) = (&mut self.stream, &mut self.read);
        if let Some((_, mut inner)) = kept
            && inner.write_all(out).await.is_ok()
            && let Ok(1..) = while_there(stream, read, length, inner.read_buf(&mut buffer)).await?
        {
            return Ok(Some((inner, buffer)));
        }
        let Ok(mut inner) = pool.dial().await else { return Ok(None) };
        if inner.write_all(out).await.is_err() {
            return Ok(None);
        }
        // Nothing at all is an answer too: the process has ended.
        let _ = while_there(stream, read, length, inner.read_buf(&mut buffer)).await?;
        Ok(Some((inner, buffer)))
    }

    /// A page of ours, and the end of the connection.
    async fn say(&mut self, page: &Page, asked: &HeaderMap) -> io::Result<Exchange> {
        let (mut parts, text) = page.parts(asked);
        parts.headers.insert(http::header::CONTENT_LENGTH, text.len().into());
        parts.headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
        let mut out = super::head::answer(parts.status, &parts.headers);
        out.extend_from_slice(&text);
        self.stream.write_all(&out).await?;
        Ok(Exchange::Closed)
    }
}

/// Does `work` as long as the client stays; an error when it has left. What it sends meanwhile is
/// read for later, unless that is more than a head beyond the first `length` bytes: then nobody can
/// tell whether it is still there.
async fn while_there<T>(
    client: &mut (impl AsyncRead + Unpin),
    read: &mut BytesMut,
    length: usize,
    work: impl Future<Output = T>,
) -> io::Result<T> {
    let left = async {
        while read.len() < length + MAX_HEAD {
            match client.read_buf(read).await {
                Ok(0) => return io::ErrorKind::ConnectionReset.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        error = left => Err(error),
    }
}

/// The one version that may answer without anything else being looked at.
async fn way(front: &Front, (account_id, script): &Key) -> Option<Way> {
    if front.is_gone() {
        return None;
    }
    let worker = front.directory.worker(account_id, script)?;
    let [(id, _)] = &worker.live[..] else { return None };
    let account = front.runtime.account(account_id)?;
    account.ask(script, None);
    let version = account.version(&*front.directory, script, id).await?;
    if version.assets.is_some() {
        return None;
    }
    let ticket = proxy::way(&account, id).await.ok()?;
    Some(Way { account, version, pool: Arc::clone(ticket.pool()), ticket })
}

/// Whether workerd said that an exception reached the top.
pub(super) fn is_uncaught(status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
    status == StatusCode::INTERNAL_SERVER_ERROR
        && !headers.contains_key(http::header::CONTENT_TYPE)
        && length == Some("Internal Server Error".len() as u64)
}
