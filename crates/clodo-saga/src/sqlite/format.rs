/// One entry per format that was ever released; see
/// [`OpenOptions::with_format`](clodo_sqlite::OpenOptions::with_format).
pub(super) const FORMAT: &[&str] = &[
    // 1: runs, entries, leases.
    "
        CREATE TABLE run (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            scope TEXT NOT NULL,
            header TEXT NOT NULL,
            closing TEXT
        ) STRICT;
        CREATE INDEX run_by_scope ON run (scope, number);
        CREATE INDEX run_unfinished ON run (number) WHERE closing IS NULL;
        CREATE TABLE entry (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES run (number),
            at INTEGER NOT NULL,
            entry TEXT NOT NULL
        ) STRICT;
        CREATE INDEX entry_by_run ON entry (run, number);
        CREATE TABLE lease (
            name TEXT PRIMARY KEY,
            number INTEGER NOT NULL,
            holder TEXT,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    ",
    // 2: the lease under which an entry was written; signals; budgets; jobs and blobs.
    "
        ALTER TABLE entry ADD COLUMN lease TEXT;
        ALTER TABLE entry ADD COLUMN fence INTEGER;
        CREATE TABLE signal (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES run (number),
            signal TEXT NOT NULL
        ) STRICT;
        CREATE INDEX signal_by_run ON signal (run, number);
        CREATE TABLE budget (
            name TEXT PRIMARY KEY,
            ledger TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE job (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            batch TEXT NOT NULL,
            kind TEXT NOT NULL,
            job TEXT NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0,
            ended TEXT,
            ended_at INTEGER
        ) STRICT;
        CREATE INDEX job_by_group ON job (batch, number);
        CREATE INDEX job_unfinished ON job (number) WHERE ended IS NULL;
        CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
        CREATE TABLE job_secret (
            job INTEGER NOT NULL REFERENCES job (number) ON DELETE CASCADE,
            name TEXT NOT NULL,
            PRIMARY KEY (job, name)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE job_blob (
            job INTEGER NOT NULL REFERENCES job (number) ON DELETE CASCADE,
            key TEXT NOT NULL,
            PRIMARY KEY (job, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX job_blob_by_key ON job_blob (key);
        CREATE TABLE blob (
            key TEXT PRIMARY KEY,
            used_at INTEGER NOT NULL,
            content BLOB NOT NULL
        ) STRICT;
        CREATE INDEX blob_used ON blob (used_at);
    ",
];
