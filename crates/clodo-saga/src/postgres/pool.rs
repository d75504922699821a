use super::{
    connection::{Connection, Session},
    failure::Fault,
    options::PostgresOptions,
    tls,
};
use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The connections of one store.
pub(super) struct Pool {
    options: PostgresOptions,
    tls: Option<MakeRustlsConnect>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, Fault> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let name = options.namespace.as_bytes();
        let begins = name.first().is_some_and(u8::is_ascii_lowercase);
        if !begins || name.len() > 60 || !name.iter().all(|b| plain(*b)) {
            return Err(Fault::Namespace);
        }
        Ok(Self {
            options: options.clone(),
            tls: tls::connector(options)?,
            permits: Arc::new(Semaphore::new(options.connections.max(1))),
            idle: Mutex::default(),
        })
    }

    pub(super) fn patience(&self) -> Duration {
        self.options.patience
    }

    /// A connection that is idle, else a new one.
    pub(super) async fn take<'e>(&self) -> Result<Session<'e>, Fault> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let _permit = permit.expect("nobody closes it");
        let connection = match self.idle_one() {
            Some(connection) => connection,
            None => Connection::open(&self.options, self.tls.as_ref()).await?,
        };
        Ok(Session { connection, _permit, lives: PhantomData })
    }

    /// Takes back a connection in which no transaction is open.
    pub(super) fn give(&self, session: Session<'_>) {
        self.idle().push(session.connection);
    }

    /// Closes what is idle: the server went away, and these do not know it yet.
    pub(super) fn forget(&self) {
        self.idle().clear();
    }

    fn idle_one(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("no holder panics")
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("options", &self.options).finish_non_exhaustive()
    }
}
