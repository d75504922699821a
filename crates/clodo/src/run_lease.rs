use crate::{connect::Connection, platform::UrlStyle};
use async_trait::async_trait;
use clodo_gateway::{LEASE_HEADER, LEASES_PATH, LeaseNote};
use clodo_http::{Body, Effect, HttpService, Request, Response, TransportError};
use clodo_saga::{Grant, Lease, LeaseRequest, LeaseStore, LeaseStoreError};
use clodo_types::Timestamp;
use http::{Method, StatusCode, Uri, uri::Authority};
use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

/// How long a gateway may take to hear of a lease; it is on this machine, and it is a courtesy.
const PATIENCE: Duration = Duration::from_secs(2);

/// The lease under which a run writes, for a `clodo-gateway` between it and the API: each write
/// names it, and the gateway hears when it is granted, renewed and given back.
///
/// Nobody hears of it unless the API's base URL is on this machine. Clones share the lease.
#[derive(Clone, Debug)]
pub struct RunLease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: String,
    /// Where the API is, when that is on this machine.
    api: Option<Authority>,
    /// Where a gateway would listen.
    control: Option<Uri>,
    /// It turned out that nobody does.
    is_alone: AtomicBool,
    http: Arc<dyn HttpService>,
    current: Mutex<Option<Lease>>,
}

impl RunLease {
    /// For runs that call the API of this connection. `store` tells stores of leases apart, see
    /// [`state_name`](crate::state_name).
    #[must_use]
    pub fn new(to: &Connection, store: impl Into<String>, http: &Arc<dyn HttpService>) -> Self {
        let base = to.base_url.parse::<Uri>().ok();
        let api = base.as_ref().and_then(Uri::authority).filter(|api| is_loopback(api)).cloned();
        // There is no gateway between us and a local Cloudflare that we found ourselves.
        let between = api.as_ref().filter(|_| to.style == UrlStyle::Public);
        let control = between.and_then(|api| {
            let scheme = base.as_ref()?.scheme_str()?;
            format!("{scheme}://{api}{LEASES_PATH}").parse().ok()
        });
        Self(Arc::new(Inner {
            store: store.into(),
            api,
            control,
            is_alone: AtomicBool::new(false),
            http: Arc::clone(http),
            current: Mutex::default(),
        }))
    }

    /// A store whose leases become this run's.
    #[must_use]
    pub fn leases(&self, store: Arc<dyn LeaseStore>) -> Arc<dyn LeaseStore> {
        Arc::new(NotedLeases { inner: store, run: self.clone() })
    }

    /// Names the lease in each write to the API that is sent through this.
    #[must_use]
    pub fn http(&self, http: Arc<dyn HttpService>) -> Arc<dyn HttpService> {
        match self.0.api {
            Some(_) => Arc::new(UnderLease { inner: http, run: self.clone() }),
            None => http,
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Lease>> {
        self.0.current.lock().expect("no holder panics")
    }

    fn note(&self, lease: &Lease) -> LeaseNote {
        let holder = lease.holder.to_string();
        let note = LeaseNote::new(&lease.name, lease.number, lease.expires_at, holder);
        note.with_store(&self.0.store)
    }

    /// Whatever comes of it: each write names the lease as well.
    async fn tell(&self, method: Method, lease: &Lease) {
        let Some(control) = &self.0.control else { return };
        if self.0.is_alone.load(Ordering::Relaxed) {
            return;
        }
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = control.clone();
        request.headers_mut().insert(LEASE_HEADER, self.note(lease).to_header());
        match timeout(PATIENCE, self.0.http.call(request)).await {
            Ok(Ok(answer)) if answer.status() == StatusCode::NOT_FOUND => {
                self.0.is_alone.store(true, Ordering::Relaxed);
            }
            Ok(Ok(answer)) => {
                tracing::debug!(status = %answer.status(), "a gateway heard of a lease")
            }
            Ok(Err(error)) => tracing::debug!(%error, "no gateway heard of a lease"),
            Err(_) => tracing::debug!("no gateway heard of a lease in time"),
        }
    }
}

fn is_loopback(api: &Authority) -> bool {
    let host = api.host().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Notes what becomes of leases.
#[derive(Debug)]
struct NotedLeases {
    inner: Arc<dyn LeaseStore>,
    run: RunLease,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl LeaseStore for NotedLeases {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        let grant = self.inner.acquire(request).await?;
        if let Grant::Granted(lease) = &grant {
            *self.run.current() = Some(lease.clone());
            self.run.tell(Method::PUT, lease).await;
        }
        Ok(grant)
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError> {
        let renewed = self.inner.renew(lease, until).await?;
        if renewed {
            let lease = Lease { expires_at: until, ..lease.clone() };
            *self.run.current() = Some(lease.clone());
            self.run.tell(Method::PUT, &lease).await;
        }
        Ok(renewed)
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError> {
        let released = self.inner.release(lease).await;
        // It may also be a dead process's, which is to be waited for no longer.
        self.run.current().take_if(|own| own.fence() == lease.fence());
        if released.is_ok() {
            self.run.tell(Method::DELETE, lease).await;
        }
        released
    }

    async fn held(&self, now: Timestamp) -> Result<Vec<Lease>, LeaseStoreError> {
        self.inner.held(now).await
    }
}

/// Adds the lease's header to writes that go to the API itself.
#[derive(Debug)]
struct UnderLease {
    inner: Arc<dyn HttpService>,
    run: RunLease,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl HttpService for UnderLease {
    async fn call(&self, mut request: Request) -> Result<Response, TransportError> {
        let is_write = Effect::of(&request) == Effect::Write;
        if is_write && request.uri().authority() == self.run.0.api.as_ref() {
            let note = self.run.current().as_ref().map(|lease| self.run.note(lease));
            let headers = request.headers_mut();
            note.map(|note| headers.insert(LEASE_HEADER, note.to_header()));
        }
        self.inner.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_http::{Answer, Scripted};
    use clodo_saga::{Holder, MemoryStore};
    use clodo_types::Secret;
    use std::collections::BTreeMap;

    const BASE: &str = "http://127.0.0.1:8790/client/v4";

    struct World {
        http: Arc<Scripted>,
        run: RunLease,
        leases: Arc<dyn LeaseStore>,
        api: Arc<dyn HttpService>,
    }

    impl World {
        fn new(base: &str, style: UrlStyle, gateway: StatusCode) -> Self {
            let http = Arc::new(Scripted::answering(move |asked| {
                let is_control = asked.uri().path() == LEASES_PATH;
                Answer::status(if is_control { gateway } else { StatusCode::OK })
            }));
            let to = Connection {
                base_url: base.to_owned(),
                token: Secret::new("t"),
                accounts: BTreeMap::new(),
                style,
            };
            let service: Arc<dyn HttpService> = http.clone();
            let run = RunLease::new(&to, "s1", &service);
            let leases = run.leases(Arc::new(MemoryStore::default()));
            let api = run.http(service);
            Self { http, run, leases, api }
        }

        async fn acquire(&self) -> Lease {
            let (name, holder) = ("deploy/shop".to_owned(), Holder::new("laptop", 42, "9"));
            let (now, ttl) = (Timestamp::from_millis(1_000), Duration::from_secs(30));
            let request = LeaseRequest { name, holder, now, ttl };
            let Grant::Granted(lease) = self.leases.acquire(&request).await.unwrap() else {
                panic!("it is free")
            };
            lease
        }

        /// The leases that the last calls named, by method and path.
        async fn sent(&self, method: Method, url: &str, effect: Option<Effect>) -> Option<String> {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            *request.uri_mut() = url.parse().unwrap();
            effect.map(|effect| request.extensions_mut().insert(effect));
            self.api.call(request).await.unwrap();
            let asked = self.http.asked();
            let named = asked.last().unwrap().headers().get(LEASE_HEADER).cloned();
            named.map(|named| named.to_str().unwrap().to_owned())
        }

        /// What a gateway was told.
        fn told(&self) -> Vec<(Method, String)> {
            let asked = self.http.asked();
            let told = asked.iter().filter(|asked| asked.uri().path() == LEASES_PATH);
            let named =
                |headers: &http::HeaderMap| headers[LEASE_HEADER].to_str().unwrap().to_owned();
            told.map(|asked| (asked.method().clone(), named(asked.headers()))).collect()
        }
    }

    fn url(path: &str) -> String {
        format!("{BASE}{path}")
    }

    #[tokio::test]
    async fn writes_name_the_lease_from_its_grant_to_its_end() {
        let world = World::new(BASE, UrlStyle::Public, StatusCode::OK);
        let put = async || world.sent(Method::PUT, &url("/x"), None).await;
        assert_eq!(put().await, None);
        let lease = world.acquire().await;
        let named = "deploy%2Fshop; number=1; until=31000; holder=laptop:42:9; store=s1";
        assert_eq!(put().await.unwrap(), named);
        assert!(world.leases.renew(&lease, Timestamp::from_millis(90_000)).await.unwrap());
        let renewed = named.replace("31000", "90000");
        assert_eq!(put().await.unwrap(), renewed);
        world.leases.release(&lease).await.unwrap();
        assert_eq!(put().await, None);
        assert_eq!(
            world.told(),
            [
                (Method::PUT, named.to_owned()),
                (Method::PUT, renewed),
                (Method::DELETE, named.to_owned()),
            ]
        );
    }

    #[tokio::test]
    async fn reads_and_calls_of_other_servers_name_no_lease() {
        let world = World::new(BASE, UrlStyle::Public, StatusCode::OK);
        world.acquire().await;
        let query = url("/d1/query");
        assert_eq!(world.sent(Method::GET, &url("/x"), None).await, None);
        assert_eq!(world.sent(Method::POST, &query, Some(Effect::Read)).await, None);
        assert!(world.sent(Method::POST, &query, None).await.is_some());
        for other in ["https://storage.test/upload", "http://127.0.0.1:8791/client/v4/x"] {
            assert_eq!(world.sent(Method::PUT, other, None).await, None, "{other}");
        }
    }

    #[tokio::test]
    async fn cloudflare_itself_never_hears_of_a_lease() {
        for base in [
            "https://api.cloudflare.com/client/v4",
            "http://10.0.0.7/client/v4",
            "http://localhost.evil.test/client/v4",
        ] {
            let world = World::new(base, UrlStyle::Public, StatusCode::OK);
            let lease = world.acquire().await;
            assert_eq!(world.sent(Method::PUT, &format!("{base}/x"), None).await, None, "{base}");
            world.leases.release(&lease).await.unwrap();
            assert_eq!(world.told(), []);
        }
        let local = UrlStyle::Localhost { port: 8790 };
        let world = World::new(BASE, local, StatusCode::OK);
        world.acquire().await;
        assert!(world.sent(Method::PUT, &url("/x"), None).await.is_some());
        assert_eq!(world.told(), []);
    }

    #[tokio::test]
    async fn where_no_gateway_is_nobody_is_told_twice() {
        let world = World::new(BASE, UrlStyle::Public, StatusCode::NOT_FOUND);
        let lease = world.acquire().await;
        world.leases.release(&lease).await.unwrap();
        assert_eq!(world.told().len(), 1);
    }

    #[tokio::test]
    async fn a_dead_process_s_lease_that_is_given_back_is_not_taken_for_this_run_s() {
        let world = World::new(BASE, UrlStyle::Public, StatusCode::OK);
        let dead = world.acquire().await;
        world.leases.release(&dead).await.unwrap();
        let own = world.acquire().await;
        world.leases.release(&dead).await.unwrap();
        assert_eq!(world.run.current().as_ref().map(|lease| lease.number), Some(own.number));
        assert_eq!(world.told().last().unwrap().0, Method::DELETE);
    }
}
