use super::{failure::Fault, options::PostgresOptions};
use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::OwnedSemaphorePermit, task::AbortHandle};
use tokio_postgres::{
    Client, NoTls, Row, SimpleQueryMessage, Statement,
    tls::{MakeTlsConnect, TlsConnect, TlsStream},
    types::ToSql,
};
use tokio_postgres::{Connection as Driver, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a transaction may lie open while its client is silent: what a dead process held is free
/// after that.
const IDLE: &str = "15s";

/// One connection, and the statements that it knows already.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    /// What its transactions are marked with; see [`Session::begin`].
    id: String,
    writes: AtomicU64,
    statements: Mutex<HashMap<&'static str, Statement>>,
    _driver: Carrier,
}

/// The task that carries what a connection sends and receives; it ends with it.
#[derive(Debug)]
struct Carrier(AbortHandle);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    pub(super) async fn open(
        options: &PostgresOptions,
        tls: Option<&MakeRustlsConnect>,
    ) -> Result<Self, Fault> {
        let (client, _driver) = match tls {
            Some(tls) => connect(options, tls.clone()).await?,
            None => connect(options, NoTls).await?,
        };
        // A namespace is checked when the pool is made, so it needs no quoting.
        let set_up = format!(
            "SET search_path TO {}; SET idle_in_transaction_session_timeout TO '{IDLE}';
             SET client_min_messages TO warning; SELECT gen_random_uuid()",
            options.namespace
        );
        let answers = client.simple_query(&set_up).await?;
        let id = answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        let (id, statements) = (id.ok_or(Fault::Broken)?, Mutex::default());
        Ok(Self { client, id, writes: AtomicU64::new(0), statements, _driver })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, Fault> {
        let known = self.statements.lock().expect("no holder panics").get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        let mut statements = self.statements.lock().expect("no holder panics");
        Ok(statements.entry(sql).or_insert(statement).clone())
    }
}

async fn connect<T>(options: &PostgresOptions, tls: T) -> Result<(Client, Carrier), Fault>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: TlsStream + Send + Unpin + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, driver) = options.config.connect(tls).await?;
    Ok((client, Carrier(tokio::spawn(drive(driver)).abort_handle())))
}

/// Carries what is sent and received, until the client is dropped or the server goes.
async fn drive<T: TlsStream + Send + Unpin + 'static>(driver: Driver<Socket, T>) {
    if let Err(error) = driver.await {
        // Whoever asks next learns of it.
        tracing::debug!(%error, "a connection to PostgreSQL ended");
    }
}

/// A connection that one caller has. Dropped, it is closed, and what was not committed is undone.
///
/// The lifetime is that of what the caller's work borrows.
#[derive(Debug)]
pub(super) struct Session<'e> {
    pub(super) connection: Connection,
    /// Keeps the pool from opening too many.
    pub(super) _permit: OwnedSemaphorePermit,
    pub(super) lives: PhantomData<&'e ()>,
}

/// What tells a transaction from all others, once it is committed.
#[derive(Debug)]
pub(super) struct Mark {
    id: String,
    write: u64,
}

impl Session<'_> {
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.connection.client.batch_execute(sql).await?)
    }

    pub(super) async fn rows(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let statement = self.connection.statement(sql).await?;
        Ok(self.connection.client.query(&statement, values).await?)
    }

    pub(super) async fn row(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Fault> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    pub(super) async fn execute(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Fault> {
        let statement = self.connection.statement(sql).await?;
        Ok(self.connection.client.execute(&statement, values).await?)
    }

    /// Begins a transaction, and marks it: should the answer to its commit get lost, the mark tells
    /// whether it was committed.
    pub(super) async fn begin(&self) -> Result<Mark, Fault> {
        let id = self.connection.id.clone();
        let write = self.connection.writes.fetch_add(1, Ordering::Relaxed) + 1;
        // One message, one answer. Both values are made here and at the server, by nobody else.
        let sql = format!(
            "BEGIN; INSERT INTO session (id, wrote) VALUES ('{id}', {write})
             ON CONFLICT (id) DO UPDATE SET wrote = excluded.wrote, seen_at = now()"
        );
        self.batch(&sql).await?;
        Ok(Mark { id, write })
    }

    /// Whether the transaction of this mark was committed; waits for one that is under way.
    pub(super) async fn holds(&self, mark: &Mark) -> Result<bool, Fault> {
        let sql = "INSERT INTO session (id, wrote) VALUES ($1, 0)
                   ON CONFLICT (id) DO UPDATE SET seen_at = now() RETURNING wrote";
        let row = self.row(sql, &[&mark.id]).await?.ok_or(Fault::Broken)?;
        Ok(super::number(&row, 0)? == mark.write)
    }
}
