use crate::cloud::{Cloud, created};
use clodo_cf_api::{
    ApiErrorKind, Origin,
    d1::{self, ExportOptions, ImportFile, NewDatabase, Sql, TransferError},
};
use clodo_db::{
    BackupOptions, Database as _, DatabaseErrorKind, MigrationFile, Migrations, Migrator,
    RestoreOptions, SqliteDatabase, Statement, backup, compare, restore,
};
use clodo_types::{AccountId, DatabaseId};
use serde::Deserialize;
use serde_json::json;

async fn database(cloud: &Cloud) -> DatabaseId {
    let new = NewDatabase::named(cloud.name("d1"));
    created(cloud.client.ensure_database(&cloud.account, &new).await.unwrap()).id
}

async fn run(cloud: &Cloud, id: &DatabaseId, sql: &str) -> d1::QueryResult {
    let query = d1::query(&cloud.account, id, &Sql::new(sql));
    cloud.client.send(query).await.unwrap().pop().unwrap()
}

async fn remove(cloud: &Cloud, id: &DatabaseId) {
    cloud.client.send(d1::delete_database(&cloud.account, id)).await.unwrap();
    assert!(cloud.client.find(d1::database(&cloud.account, id)).await.unwrap().is_none());
}

// conformance: d1 | POST /accounts/{account}/d1/database | documented
// conformance: d1 | GET /accounts/{account}/d1/database | documented
// conformance: d1 | GET /accounts/{account}/d1/database/{database} | documented
// conformance: d1 | PUT /accounts/{account}/d1/database/{database} | documented
// conformance: d1 | PATCH /accounts/{account}/d1/database/{database} | documented
// conformance: d1 | DELETE /accounts/{account}/d1/database/{database} | documented
#[tokio::test]
async fn a_database_is_made_once_changed_and_removed() {
    let cloud = Cloud::open().await;
    let new = NewDatabase::named(cloud.name("d1"));
    let made = created(cloud.client.ensure_database(&cloud.account, &new).await.unwrap());
    let again = cloud.client.ensure_database(&cloud.account, &new).await.unwrap();
    assert_eq!((again.origin, &again.resource.id), (Origin::Existed, &made.id));
    let twice = cloud.client.send(d1::create_database(&cloud.account, &new)).await.unwrap_err();
    assert_eq!(twice.kind(), ApiErrorKind::Exists);
    let to = d1::ReadReplication { mode: d1::ReplicationMode::Auto };
    for change in [d1::put_database, d1::patch_database] {
        cloud.client.send(change(&cloud.account, &made.id, &to)).await.unwrap();
    }
    let read = cloud.client.send(d1::database(&cloud.account, &made.id)).await.unwrap();
    assert_eq!((read.name.as_str(), read.read_replication), (new.name.as_str(), Some(to)));
    remove(&cloud, &made.id).await;
    let stranger: AccountId = "ffffffffffffffffffffffffffffffff".parse().unwrap();
    let error = cloud.client.send(d1::database(&stranger, &made.id)).await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ApiErrorKind::Permission | ApiErrorKind::Auth | ApiErrorKind::NotFound
        ),
        "{error}"
    );
}

// conformance: d1 | POST /accounts/{account}/d1/database/{database}/query | documented
// conformance: d1 | POST /accounts/{account}/d1/database/{database}/raw | documented
#[tokio::test]
async fn sql_gives_typed_rows_and_a_request_is_one_transaction() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Item {
        id: i64,
        name: Option<String>,
    }
    let cloud = Cloud::open().await;
    let (client, account, id) = (&cloud.client, &cloud.account, &database(&cloud).await);
    run(&cloud, id, "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE)").await;
    let insert = |name: &str| Sql::new("INSERT INTO items (name) VALUES (?)").bind(name);
    let done = client.send(d1::batch(account, id, &[insert("a"), insert("b")])).await.unwrap();
    assert_eq!(done.iter().map(|one| one.meta.changes).collect::<Vec<_>>(), [Some(1), Some(1)]);
    let failed =
        client.send(d1::batch(account, id, &[insert("c"), insert("a")])).await.unwrap_err();
    assert_eq!(failed.kind(), ApiErrorKind::Invalid, "{failed}");
    let select = Sql::new("SELECT id, name FROM items WHERE id > ? ORDER BY id").bind(0);
    let read = client.send(d1::read(account, id, &select)).await.unwrap();
    let item = |id, name: &str| Item { id, name: Some(name.to_owned()) };
    assert_eq!(read[0].rows::<Item>().unwrap(), [item(1, "a"), item(2, "b")]);
    assert!(read[0].rows::<u8>().is_err());
    let raw = client.send(d1::raw(account, id, &select)).await.unwrap();
    assert_eq!(raw[0].results.columns, ["id", "name"]);
    assert_eq!(raw[0].results.rows, [[json!(1), json!("a")], [json!(2), json!("b")]]);
    let both = client.send(d1::raw_batch(account, id, &[select.clone(), select])).await.unwrap();
    assert_eq!(both.len(), 2);
    let wrong = client.send(d1::query(account, id, &Sql::new("SELECT * FROM nope"))).await;
    let wrong = wrong.unwrap_err();
    assert!(wrong.has_code(7500) && wrong.to_string().contains("no such table: nope"), "{wrong}");
    remove(&cloud, id).await;
}

// conformance: d1 | POST /accounts/{account}/d1/database/{database}/import | documented
// conformance: d1 | POST /accounts/{account}/d1/database/{database}/export | documented
#[tokio::test]
async fn a_database_moves_as_a_file() {
    let cloud = Cloud::open().await;
    let (client, account) = (&cloud.client, &cloud.account);
    let (from, to) = (database(&cloud).await, database(&cloud).await);
    let sql = "CREATE TABLE t (a TEXT);\nINSERT INTO t VALUES ('it''s; -- fine'), ('ü');";
    let done = client.import_database(account, &from, ImportFile::from_bytes(sql), &|_| ()).await;
    assert!(done.unwrap().num_queries.is_some_and(|count| 2 <= count));
    let options = ExportOptions::default();
    let file = client.export_database(account, &from, &options, &|_| ()).await.unwrap();
    let file = file.body.collect(1 << 20).await.unwrap();
    client.import_database(account, &to, ImportFile::from_bytes(file), &|_| ()).await.unwrap();
    let read = run(&cloud, &to, "SELECT a FROM t ORDER BY rowid").await;
    assert_eq!(read.results[0]["a"], "it's; -- fine");
    assert_eq!(read.results[1]["a"], "ü");
    let broken = ImportFile::from_bytes("INSERT INTO t VALUES ('x'); INSERT INTO nope VALUES (1);");
    let error = client.import_database(account, &to, broken, &|_| ()).await.unwrap_err();
    assert!(matches!(&error, TransferError::Refused(why) if why.contains("nope")), "{error:?}");
    assert_eq!(run(&cloud, &to, "SELECT count(*) AS n FROM t").await.results[0]["n"], 2);
    let schema = ExportOptions { no_data: true, ..ExportOptions::default() };
    let file = client.export_database(account, &to, &schema, &|_| ()).await.unwrap();
    let file = file.body.collect(1 << 20).await.unwrap();
    assert!(!String::from_utf8_lossy(&file).contains("INSERT"), "{file:?}");
    for id in [from, to] {
        remove(&cloud, &id).await;
    }
}

// conformance: d1 | GET /accounts/{account}/d1/database/{database}/time_travel/bookmark | documented
// conformance: d1 | POST /accounts/{account}/d1/database/{database}/time_travel/restore | documented
#[tokio::test]
async fn a_database_goes_back_and_forth_in_time() {
    let cloud = Cloud::open().await;
    let (client, account, id) = (&cloud.client, &cloud.account, &database(&cloud).await);
    run(&cloud, id, "CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    let before = client.send(d1::bookmark(account, id)).await.unwrap().bookmark;
    run(&cloud, id, "DELETE FROM t").await;
    let restored = client.send(d1::restore(account, id, &before)).await.unwrap();
    let count =
        async || run(&cloud, id, "SELECT count(*) AS n FROM t").await.results[0]["n"].clone();
    assert_eq!(count().await, 1);
    let undo = restored.previous_bookmark.unwrap();
    client.send(d1::restore(account, id, &undo)).await.unwrap();
    assert_eq!(count().await, 0);
    remove(&cloud, id).await;
}

#[tokio::test]
async fn a_database_is_one_behind_the_seam() {
    let cloud = Cloud::open().await;
    let id = database(&cloud).await;
    let seam = d1::D1Database::new(cloud.client.clone(), cloud.account.clone(), id.clone());
    clodo_db::conformance::database(&seam).await;
    remove(&cloud, &id).await;
    let gone = seam.query(&Statement::new("SELECT 1")).await.unwrap_err();
    assert_eq!(gone.kind(), DatabaseErrorKind::Missing, "{gone}");
}

/// What a rebuild loses on D1 as it is written, and keeps as it is carried out.
#[tokio::test]
async fn a_rebuild_keeps_the_rows_of_what_refers_to_it() {
    let cloud = Cloud::open().await;
    let id = database(&cloud).await;
    let seam = d1::D1Database::new(cloud.client.clone(), cloud.account.clone(), id.clone());
    let schema = "CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);\n\
        CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE, b);\n\
        CREATE TRIGGER gone AFTER DELETE ON child BEGIN DELETE FROM child WHERE id = old.id; END;\n\
        CREATE VIEW names AS SELECT name FROM parent;\n\
        INSERT INTO parent VALUES (1, 'one');\n\
        INSERT INTO child VALUES (1, 1, 9007199254740993), (2, 1, x'00'), (3, NULL, 1.0);";
    seam.script(schema).await.unwrap();
    let rebuild = "PRAGMA foreign_keys=OFF;\nCREATE TABLE new_parent (id INTEGER PRIMARY KEY \
        AUTOINCREMENT, name TEXT NOT NULL);\nINSERT INTO new_parent SELECT id, name FROM parent;\n\
        DROP TABLE parent;\nALTER TABLE new_parent RENAME TO parent;\nPRAGMA foreign_keys=ON;";
    let file = MigrationFile::new("1.sql", "m/1.sql", rebuild);
    let files = Migrations::new(vec![file]).unwrap();
    let report = Migrator::new(&seam).up(&files).await.unwrap();
    assert_eq!(report.rebuilds[0].keeps, ["child"]);
    let all = "SELECT group_concat(id || ' ' || quote(parent) || ' ' || quote(b), '; ') FROM child";
    let rows = seam.query(&Statement::new(all)).await.unwrap().rows;
    assert_eq!(rows, [["1 1 9007199254740993; 2 1 X'00'; 3 NULL 1.0".into()]]);
    remove(&cloud, &id).await;
}

/// What neither D1's own export nor JSON carries.
#[tokio::test]
async fn a_database_is_backed_up_through_the_api_and_restored_into_another() {
    let cloud = Cloud::open().await;
    let (from, to) = (database(&cloud).await, database(&cloud).await);
    let open = |id: &DatabaseId| {
        d1::D1Database::new(cloud.client.clone(), cloud.account.clone(), id.clone())
    };
    let (one, other) = (open(&from), open(&to));
    let schema = "CREATE TABLE \"a\"\"b\" (id INTEGER PRIMARY KEY AUTOINCREMENT, v, t TEXT);\n\
        INSERT INTO \"a\"\"b\" VALUES (9007199254740993, -9223372036854775808, CAST(x'ff' AS TEXT)),\n\
            (9007199254740994, x'0027ff', 'it''s' || char(13) || char(0) || ';'), (9007199254740995, 9e999, char(65533)),\n\
            (9007199254740996, 1.0, ''), (9007199254740997, 0.1, NULL), (9007199254740998, 5e-324, '-0');\n\
        CREATE TABLE tree (id INTEGER PRIMARY KEY, up NOT NULL REFERENCES tree (id) ON DELETE CASCADE, big);\n\
        INSERT INTO tree VALUES (2, 2, randomblob(1500000)), (1, 2, hex(randomblob(200000))), (3, 1, NULL);\n\
        CREATE TABLE hidden (a UNIQUE, b); INSERT INTO hidden (rowid, a, b) VALUES (-7, 'x', 1), (9007199254740999, 'y', 2);\n\
        CREATE TABLE keyed (a TEXT, b REAL, g TEXT AS (a || b) STORED, PRIMARY KEY (b, a)) WITHOUT ROWID, STRICT;\n\
        INSERT INTO keyed VALUES ('x', 1), ('y', 1), ('z', 1e300);\n\
        CREATE VIRTUAL TABLE found USING fts5(title, body UNINDEXED, tokenize = 'porter');\n\
        INSERT INTO found (rowid, title, body) VALUES (5, 'running foxes', x'00');\n\
        CREATE VIRTUAL TABLE outside USING fts5(a, content='hidden');\n\
        INSERT INTO outside (rowid, a) VALUES (-7, 'x');\n\
        CREATE INDEX i ON hidden (b) WHERE a > 'a'; CREATE VIEW v AS SELECT id FROM tree;\n\
        CREATE TRIGGER g AFTER INSERT ON tree BEGIN DELETE FROM hidden; END;";
    one.script(schema).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let options = BackupOptions::default().with_page_bytes(200_000).with_scratch(scratch.path());
    let mut dump = Vec::new();
    let report = backup(&one, &one, &mut dump, &options).await.unwrap();
    assert!(report.summary.consistent);
    let now = cloud.client.send(d1::bookmark(&cloud.account, &from)).await.unwrap().bookmark;
    assert_eq!(report.summary.moment, Some(now));
    restore(&other, &dump, &RestoreOptions::default()).await.unwrap();
    assert_eq!(compare(&one, &other).await.unwrap(), []);
    let local = SqliteDatabase::in_memory().await.unwrap();
    restore(&local, &dump, &RestoreOptions::default()).await.unwrap();
    assert_eq!(compare(&local, &one).await.unwrap(), []);
    let find = Statement::new("SELECT rowid FROM found WHERE found MATCH 'fox'");
    assert_eq!(other.query(&find).await.unwrap().rows, [[5.into()]]);
    // As `wrangler d1 execute --file` sends it.
    let third = database(&cloud).await;
    let file = ImportFile::from_bytes(dump);
    cloud.client.import_database(&cloud.account, &third, file, &|_| ()).await.unwrap();
    assert_eq!(compare(&one, &open(&third)).await.unwrap(), []);
    for id in [from, to, third] {
        remove(&cloud, &id).await;
    }
}
