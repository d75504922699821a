//! A port of its own for every Worker, the same one after every restart.

use super::{
    Front,
    body::FrontBody,
    host_of,
    pages::Page,
    proxy::Caller,
    relay::Relay,
    serve::{HEAD_PATIENCE, connection, until},
};
use crate::{
    runtime::RequestBody,
    seams::{Resolved, Scripts, WorkerPort},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Every port takes a file descriptor.
const MAX_PORTS: usize = 500;
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The ports of all Workers.
#[derive(Debug)]
pub(crate) struct Ports {
    /// Remembers them from one run to the next: a JSON object from `account/script` to port.
    file: PathBuf,
    open: Mutex<BTreeMap<Key, Open>>,
    stop: CancellationToken,
    connections: TaskTracker,
}

/// Account and script.
pub(super) type Key = (String, String);

#[derive(Debug)]
struct Open {
    port: u16,
    close: CancellationToken,
}

impl Ports {
    pub(crate) fn new(file: PathBuf, stop: CancellationToken) -> Self {
        Self { file, open: Mutex::default(), stop, connections: TaskTracker::new() }
    }

    /// Opens and closes ports until the cloud stops, whenever something was deployed or deleted.
    pub(crate) async fn run(&self, front: Arc<Front>) {
        let mut known = read(&self.file);
        loop {
            self.follow(&front, &mut known).await;
            if until(&self.stop, front.runtime.anything_changed()).await.is_none() {
                break;
            }
        }
        self.connections.close();
        self.connections.wait().await;
    }

    /// The ports that are open now.
    pub(crate) fn list(&self) -> Vec<WorkerPort> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let port = |((account_id, script), open): (&Key, &Open)| WorkerPort {
            account_id: account_id.clone(),
            script: script.clone(),
            port: open.port,
        };
        open.iter().map(port).collect()
    }

    async fn follow(&self, front: &Arc<Front>, known: &mut BTreeMap<String, u16>) {
        let mut wanted = Vec::new();
        for account in front.directory.accounts() {
            let scripts = front.directory.scripts(&account, Scripts::First(MAX_PORTS));
            wanted.extend(scripts.into_iter().map(|script| (account.clone(), script)));
        }
        if wanted.len() > MAX_PORTS {
            tracing::warn!("only the first {MAX_PORTS} Workers get a port of their own");
            wanted.truncate(MAX_PORTS);
        }
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, open| {
            let stays = wanted.contains(key);
            if !stays {
                open.close.cancel();
            }
            stays
        });
        let before = known.clone();
        for key in wanted {
            if !self.open.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key) {
                self.open(front, key, known).await;
            }
        }
        if *known != before {
            write(&self.file, known);
        }
    }

    async fn open(&self, front: &Arc<Front>, key: Key, known: &mut BTreeMap<String, u16>) {
        let name = format!("{}/{}", key.0, key.1);
        let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = match known.get(&name) {
            // Somebody else may have it by now.
            Some(port) => match bind(*port).await {
                Ok(listener) => Ok(listener),
                Err(_) => bind(0).await,
            },
            None => bind(0).await,
        };
        let opened = listener.and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        match opened {
            Ok((port, listener)) => {
                known.insert(name, port);
                let close = self.stop.child_token();
                let task = serve(listener, Arc::clone(front), key.clone(), close.clone());
                self.connections.spawn(task);
                let open = Open { port, close };
                self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(key, open);
            }
            Err(error) => tracing::error!(%error, name, "a Worker's own port cannot be opened"),
        }
    }
}

async fn serve(listener: TcpListener, front: Arc<Front>, key: Key, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let key = Arc::new(key);
    while let Some(accepted) = until(&stop, listener.accept()).await {
        let Some((stream, peer)) = super::serve::accepted_or_wait(accepted).await else { continue };
        let _ = stream.set_nodelay(true);
        connections
            .spawn(one(Relay::new(front.clone(), key.clone(), peer.ip(), stream), stop.clone()));
    }
    super::serve::close(connections).await;
}

/// The short way as long as it will do, then the ordinary one.
async fn one(mut relay: Relay, stop: CancellationToken) {
    if relay.run(&stop).await {
        let Relay { front, key, client, stream, read, .. } = relay;
        let answer = move |request: Request<Incoming>| {
            let (front, key) = (Arc::clone(&front), Arc::clone(&key));
            async move { Ok::<_, Infallible>(front.at_own_port(&key, request, client).await) }
        };
        let (from, to) = stream.into_split();
        let stream = tokio::io::join(io::Cursor::new(read).chain(from), to);
        connection(stream, answer, stop, Some(HEAD_PATIENCE)).await;
    }
}

impl Front {
    /// Answers a request at a Worker's own port, whatever its hostname.
    async fn at_own_port(
        &self,
        (account_id, script): &Key,
        mut request: Request<Incoming>,
        client: IpAddr,
    ) -> Response<FrontBody> {
        let Some(host) = host_of(&request) else {
            return Page::bad_request("The Host header is not readable.").answer(request.headers());
        };
        if self.is_gone() {
            return Page::state_gone().answer(request.headers());
        }
        by_plain_http(request.headers_mut());
        let to = Resolved {
            account_id: account_id.clone(),
            script: script.clone(),
            version: None,
            host,
        };
        let (parts, body) = request.into_parts();
        let from = Caller { client, hops_left: None };
        self.dispatch(&to, parts, RequestBody::Stream(body), from).await
    }
}

/// Unlike a hostname, a port is where the client really is. Who cares says otherwise.
pub(super) fn by_plain_http(headers: &mut HeaderMap) {
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

fn read(file: &PathBuf) -> BTreeMap<String, u16> {
    let text = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// In one step. A list that is lost costs the next run its old ports.
fn write(file: &PathBuf, known: &BTreeMap<String, u16>) {
    let fresh = file.with_extension("new");
    let text = serde_json::to_vec_pretty(known).map_err(io::Error::other);
    let written = text.and_then(|text| std::fs::write(&fresh, text));
    if let Err(error) = written.and_then(|()| std::fs::rename(&fresh, file)) {
        tracing::warn!(%error, "the Workers' ports cannot be written down");
    }
}
