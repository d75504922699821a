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
    // 2: the lease under which an entry was written; signals; budgets.
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
    ",
];
