//! `env.DB` on real workerd.

use crate::support::{ACCOUNT, World, binding, version};
use clodo_storage::DatabaseRef;
use clodo_workerd::ServedBinding;
use serde_json::{Value, json};

const DATABASE: &str = "018f3c5e-0000-7000-8000-00000000000d";

/// Runs `body` in a Worker with `DB` bound; what it throws becomes `{"thrown": …}`.
async fn run(body: &str) -> Value {
    let world = World::new().await;
    let at = DatabaseRef { account: ACCOUNT.parse().unwrap(), id: DATABASE.parse().unwrap() };
    world.data.d1.create(&at).await.unwrap();
    let source = format!(
        "const thrown = async (work) => {{ try {{ return await work(); }} catch (e) {{ return e.message; }} }};
         export default {{ async fetch(request, env) {{ const DB = env.DB;
           try {{ {body} }} catch (e) {{ return Response.json({{ thrown: e.message }}); }} }} }};"
    );
    let mut worker = version("shop", "v1", &source);
    worker.bindings = vec![binding("DB", ServedBinding::D1 { database_id: DATABASE.into() })];
    world.deploy([worker]);
    world.get("shop.test", "/").await.json()
}

#[tokio::test]
async fn statements_answer_in_every_shape() {
    let seen = run("
        const exec = await DB.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB)\\nCREATE INDEX i ON t (a)');
        const insert = await DB.prepare('INSERT INTO t (a, b) VALUES (?, ?)').bind('x', new Uint8Array([0, 255])).run();
        await DB.prepare('INSERT INTO t (a) VALUES (?2), (?1)').bind('y', 'z').run();
        const all = await DB.prepare('SELECT id, a FROM t WHERE id > ?').bind(1).all();
        const read = await DB.prepare('SELECT 1 AS n').run();
        return Response.json({
            count: exec.count,
            changes: insert.meta.changes, last: insert.meta.last_row_id, changed: insert.meta.changed_db,
            insert: insert.results,
            all: all.results, success: all.success, meta: Object.keys(all.meta).sort(),
            run: read.results,
            first: await DB.prepare('SELECT * FROM t').first(),
            column: await DB.prepare('SELECT a FROM t ORDER BY id DESC').first('a'),
            none: await DB.prepare('SELECT * FROM t WHERE 0').first(),
            raw: await DB.prepare('SELECT id, a, a FROM t LIMIT 1').raw({ columnNames: true }),
            bytes: new Uint8Array((await DB.prepare('SELECT b FROM t').first('b'))).join(),
            several: (await DB.prepare('SELECT 1 AS n; SELECT 2 AS n').all()).results,
        });")
    .await;
    assert_eq!(
        seen,
        json!({
            "count": 2,
            "changes": 1, "last": 1, "changed": true,
            "insert": [],
            "all": [{"id": 2, "a": "z"}, {"id": 3, "a": "y"}], "success": true,
            "meta": ["changed_db", "changes", "duration", "last_row_id", "rows_read", "rows_written",
                     "served_by", "served_by_primary", "served_by_region", "size_after", "timings",
                     "total_attempts"],
            "run": [{"n": 1}],
            "first": {"id": 1, "a": "x", "b": [0, 255]},
            "column": "y",
            "none": null,
            "raw": [["id", "a", "a"], [1, "x", "x"]],
            "bytes": "0,255",
            "several": [{"n": 2}],
        })
    );
}

#[tokio::test]
async fn a_batch_is_one_transaction() {
    let seen = run("
        await DB.exec('CREATE TABLE t (a UNIQUE)');
        const insert = DB.prepare('INSERT INTO t VALUES (?)');
        const good = await DB.batch([insert.bind(1), insert.bind(2), DB.prepare('SELECT count(*) AS n FROM t')]);
        const bad = await thrown(() => DB.batch([insert.bind(3), insert.bind(4), insert.bind(1)]));
        const empty = await thrown(() => DB.batch([]));
        return Response.json([good.map((r) => r.results), bad, empty,
            await DB.prepare('SELECT count(*) AS n FROM t').first('n')]);")
    .await;
    assert_eq!(seen[0], json!([[], [], [{"n": 2}]]));
    let expected = "D1_ERROR: UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT";
    assert!(seen[1].as_str().unwrap().starts_with(expected), "{seen}");
    assert_eq!(seen[3], 2);
}

#[tokio::test]
async fn errors_read_as_on_cloudflare() {
    let seen = run("
        const sql = (text, ...values) => thrown(() => DB.prepare(text).bind(...values).all());
        return Response.json([
            await sql('SELECT * FROM nope'),
            await sql('SELECT ?', 1, 2),
            await sql('-- nothing'),
            await sql('PRAGMA journal_mode = DELETE'),
            await thrown(() => DB.exec('SELECT * FROM nope')),
            await thrown(() => DB.prepare('SELECT 1 AS a').first('b')),
            await thrown(() => DB.prepare('SELECT ?').bind({}).all()),
            await sql('BEGIN'),
        ]);")
    .await;
    let expected = [
        "D1_ERROR: no such table: nope: SQLITE_ERROR",
        "D1_ERROR: Wrong number of parameter bindings for SQL query.",
        "D1_ERROR: No SQL statements detected.",
        "D1_ERROR: not authorized: SQLITE_AUTH",
        "D1_EXEC_ERROR: Error in line 1: SELECT * FROM nope: no such table: nope: SQLITE_ERROR",
        "D1_COLUMN_NOTFOUND: Column not found (b)",
        "D1_TYPE_ERROR: Type 'object' not supported for value '[object Object]'",
        "D1_ERROR: To execute a transaction, please use the state.storage.transaction()",
    ];
    for (seen, expected) in seen.as_array().expect("answers").iter().zip(expected) {
        assert!(seen.as_str().unwrap().starts_with(expected), "{seen} is not {expected}");
    }
}

#[tokio::test]
async fn types_cross_as_javascript_has_them() {
    let seen = run("
        const row = await DB.prepare(`SELECT typeof(?1) a, typeof(?2) b, typeof(?3) c, typeof(?4) d,
            typeof(?5) e, ?6 AS text, 9007199254740993 AS big, 1e999 AS inf`)
            .bind(1, 1.5, true, null, new Uint8Array([1]).buffer, 'ü\\0😀').first();
        return Response.json(row);")
    .await;
    assert_eq!(
        seen,
        json!({
            "a": "integer", "b": "real", "c": "integer", "d": "null", "e": "blob",
            "text": "ü\0😀", "big": 9_007_199_254_740_992_u64, "inf": null,
        })
    );
}

#[tokio::test]
async fn sessions_carry_bookmarks_that_grow() {
    let seen = run("
        await DB.exec('CREATE TABLE t (a)');
        const first = DB.withSession('first-primary');
        const before = first.getBookmark();
        await first.prepare('INSERT INTO t VALUES (1)').run();
        const one = first.getBookmark();
        await first.prepare('INSERT INTO t VALUES (2)').run();
        const two = first.getBookmark();
        const next = DB.withSession(two);
        const n = await next.prepare('SELECT count(*) AS n FROM t').first('n');
        return Response.json({ before, grows: one < two, n, shape: two.split('-').map((p) => p.length),
            same: next.getBookmark() === two });")
    .await;
    let expected =
        json!({ "before": null, "grows": true, "n": 2, "shape": [8, 8, 8, 32], "same": true });
    assert_eq!(seen, expected);
}
