use super::{Answer, connection::Session, failure::Fault, number};
use crate::error::StoreErrorKind;

/// One entry per format that was ever released; each makes the next out of the one before.
const FORMATS: &[&str] = &["
    CREATE TABLE session (
        id TEXT PRIMARY KEY,
        wrote BIGINT NOT NULL,
        seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
    );
    CREATE TABLE run (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        scope TEXT NOT NULL,
        header TEXT NOT NULL,
        closing TEXT
    );
    CREATE INDEX run_by_scope ON run (scope, number);
    CREATE INDEX run_unfinished ON run (number) WHERE closing IS NULL;
    CREATE TABLE entry (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run BIGINT NOT NULL REFERENCES run (number),
        at BIGINT NOT NULL,
        entry TEXT NOT NULL,
        lease TEXT,
        fence BIGINT
    );
    CREATE INDEX entry_by_run ON entry (run, number);
    CREATE TABLE signal (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run BIGINT NOT NULL REFERENCES run (number),
        signal TEXT NOT NULL
    );
    CREATE INDEX signal_by_run ON signal (run, number);
    CREATE TABLE lease (
        name TEXT PRIMARY KEY,
        number BIGINT NOT NULL,
        holder TEXT,
        expires_at BIGINT NOT NULL
    );
    CREATE TABLE budget (
        name TEXT PRIMARY KEY,
        ledger TEXT NOT NULL
    );
    CREATE TABLE job (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        batch TEXT NOT NULL,
        kind TEXT NOT NULL,
        job TEXT NOT NULL,
        attempts BIGINT NOT NULL DEFAULT 0,
        ended TEXT,
        ended_at BIGINT
    );
    CREATE INDEX job_by_group ON job (batch, number);
    CREATE INDEX job_unfinished ON job (number) WHERE ended IS NULL;
    CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE job_secret (
        job BIGINT NOT NULL REFERENCES job (number) ON DELETE CASCADE,
        name TEXT NOT NULL,
        PRIMARY KEY (job, name)
    );
    CREATE TABLE job_blob (
        job BIGINT NOT NULL REFERENCES job (number) ON DELETE CASCADE,
        key TEXT NOT NULL,
        PRIMARY KEY (job, key)
    );
    CREATE INDEX job_blob_by_key ON job_blob (key);
    CREATE TABLE blob (
        key TEXT PRIMARY KEY,
        used_at BIGINT NOT NULL,
        content BYTEA NOT NULL
    );
    CREATE INDEX blob_used ON blob (used_at);
"];

/// Keeps two that open the store for the first time apart: what stands for `clodo` here.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7162839501)";

/// Brings the tables to the present format; a newer one is refused.
pub(super) async fn ensure(session: &Session<'_>, namespace: &str) -> Answer<()> {
    if let Some(refusal) = usable(session).await? {
        return Ok(refusal);
    }
    session.batch("BEGIN").await?;
    session.batch(LOCK).await?;
    // Somebody may have been quicker.
    if let Some(refusal) = usable(session).await? {
        session.batch("ROLLBACK").await?;
        return Ok(refusal);
    }
    let sql = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    if session.row(sql, &[&namespace]).await?.is_none() {
        // Checked when the pool was made; asked before, since IF NOT EXISTS asks for the right to.
        session.batch(&format!("CREATE SCHEMA {namespace}")).await?;
    }
    let from = match present(session).await? {
        Some(format) => format,
        None => {
            session.batch("CREATE TABLE format (number BIGINT NOT NULL)").await?;
            session.batch("INSERT INTO format VALUES (0)").await?;
            0
        }
    };
    for format in FORMATS.iter().skip(from) {
        session.batch(format).await?;
    }
    session.batch(&format!("UPDATE format SET number = {}; COMMIT", FORMATS.len())).await?;
    Ok(Ok(()))
}

/// Whether the format is the present one, or one that cannot be used; none when there is work to do.
async fn usable(session: &Session<'_>) -> Result<Option<Result<(), StoreErrorKind>>, Fault> {
    Ok(match present(session).await? {
        Some(format) if format > FORMATS.len() => Some(Err(StoreErrorKind::NewerFormat)),
        Some(format) if format == FORMATS.len() => {
            // Marks of connections that nobody asks about any more.
            session.batch("DELETE FROM session WHERE seen_at < now() - INTERVAL '2 days'").await?;
            Some(Ok(()))
        }
        _ => None,
    })
}

async fn present(session: &Session<'_>) -> Result<Option<usize>, Fault> {
    let sql = "SELECT to_regclass('format') IS NOT NULL";
    let row = session.row(sql, &[]).await?.ok_or(Fault::Broken)?;
    if !row.try_get(0)? {
        return Ok(None);
    }
    let row = session.row("SELECT number FROM format", &[]).await?.ok_or(Fault::Broken)?;
    Ok(Some(usize::try_from(number(&row, 0)?).unwrap_or(usize::MAX)))
}
