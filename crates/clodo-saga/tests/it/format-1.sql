-- A state store as the first format left it: what was released then, and what a run wrote.
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
PRAGMA user_version = 1;

INSERT INTO run VALUES
    (1, '00000000-0000-7000-8000-000000000001', 'shop',
     '{"id":"00000000-0000-7000-8000-000000000001","scope":"shop","started_at":1000,"data":{"format":1}}',
     '{"at":2000,"ending":"completed","data":null}'),
    (2, '00000000-0000-7000-8000-000000000002', 'shop',
     '{"id":"00000000-0000-7000-8000-000000000002","scope":"shop","started_at":3000,"data":null}',
     NULL);
INSERT INTO entry VALUES
    (1, 1, 1500, '{"what":"started","step":"a","before":null}'),
    (2, 1, 1600, '{"what":"done","step":"a","output":{"version":"v1"}}'),
    (3, 2, 3500, '{"what":"started","step":"a","before":{"version":"v1"}}');
INSERT INTO lease VALUES ('deploy/shop', 7, 'ci-1:42:99', 33000);
