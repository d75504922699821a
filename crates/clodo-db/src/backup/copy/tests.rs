//! Rows from one database into another, through the dump and back.

use super::{
    CopyError, CopyOptions, CopyPlan, CopyProblemKind, Ends, Fake, MaskKey, MaskRule, Masks,
    MisfitError, TableMask, copy, plan_copy, try_copy,
};
use crate::{
    backup::{
        dump::BackupOptions,
        restore::{Existing, RestoreOptions, restore},
    },
    database::Database as _,
    sqlite::SqliteDatabase,
    statement::Statement,
    value::Value,
};
use clodo_types::Secret;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use std::collections::BTreeSet;

const SCHEMA: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, \
    n NUMERIC, b BLOB, shout TEXT AS (upper(name)) STORED);
CREATE TABLE notes (person INTEGER NOT NULL REFERENCES people (id), author TEXT REFERENCES people (email), \
    body TEXT, PRIMARY KEY (person, body)) WITHOUT ROWID;
CREATE TABLE tree (id TEXT PRIMARY KEY, up TEXT REFERENCES tree (id));
CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, line);
CREATE VIRTUAL TABLE found USING fts5 (name, content='people', content_rowid='id');
CREATE TRIGGER people_found AFTER INSERT ON people BEGIN \
    INSERT INTO found (rowid, name) VALUES (new.id, new.name); END;
CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT);";

async fn database(sql: &str) -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script(sql).await.unwrap();
    database
}

fn key(text: &str) -> MaskKey {
    MaskKey::new(&Secret::new(format!("a key of some length: {text}"))).unwrap()
}

fn columns<const N: usize>(rules: [(&str, MaskRule); N]) -> TableMask {
    TableMask::Columns(rules.map(|(name, rule)| (name.to_owned(), rule)).into())
}

fn options() -> CopyOptions {
    CopyOptions::default().with_records("d1_migrations")
}

/// What the destination will be, as text.
async fn dumped(
    (from, to): (&SqliteDatabase, Option<&SqliteDatabase>),
    plan: &CopyPlan,
    key: &MaskKey,
) -> Vec<u8> {
    let destination = to.map(|to| (to as &dyn crate::Database, to as &dyn crate::Moments));
    let ends = Ends { source: (from, from), destination };
    let mut dump = Vec::new();
    let options = BackupOptions::default();
    copy(&ends, (plan, Some(key)), &mut dump, &options).await.unwrap();
    dump
}

/// The same database afterwards.
async fn copied(
    from: &SqliteDatabase,
    to: &SqliteDatabase,
    masks: &Masks,
    own: &MaskKey,
) -> Vec<u8> {
    let plan = plan_copy(from, Some(to), masks, &options()).await.unwrap();
    let dump = dumped((from, Some(to)), &plan, own).await;
    let scratch = SqliteDatabase::in_memory().await.unwrap();
    try_copy(&dump, &scratch, &RestoreOptions::default()).await.unwrap();
    let over = RestoreOptions::default().with_existing(Existing::Replace);
    restore(to, &dump, &over).await.unwrap();
    dump
}

async fn texts(database: &SqliteDatabase, sql: &str) -> Vec<String> {
    let rows = database.query(&Statement::new(sql)).await.unwrap().rows;
    rows.into_iter().flatten().map(|value| value.as_text().unwrap_or("-").to_owned()).collect()
}

#[tokio::test]
async fn values_arrive_as_exactly_as_a_backup_has_them_and_other_rows_stay() {
    let from = database(SCHEMA).await;
    from.script(
        "INSERT INTO people (id, email, name, n, b) VALUES (-9223372036854775808, 'a', NULL, 9007199254740993, x'00ff'),
         (2, CAST(x'ff61' AS TEXT), 'it''s'||char(0)||char(13), 9e999, zeroblob(0)), (3, 'c', 'x', 0.1, NULL);
         INSERT INTO notes VALUES (2, 'c', ''), (3, NULL, 'n');
         INSERT INTO tree VALUES ('a', 'a'), ('b', 'a');
         INSERT INTO log (id, line) VALUES (9, 1); DELETE FROM log;
         INSERT INTO d1_migrations VALUES (1, 'theirs');
         CREATE TABLE large (id INTEGER PRIMARY KEY, t TEXT, b BLOB);
         INSERT INTO large VALUES (1, hex(zeroblob(700000)), randomblob(1200000));",
    )
    .await
    .unwrap();
    let to = database(SCHEMA).await;
    to.script(
        "CREATE TABLE large (id INTEGER PRIMARY KEY, t TEXT, b BLOB); CREATE TABLE own (x);
         INSERT INTO own VALUES (1); INSERT INTO d1_migrations VALUES (1, 'ours');
         INSERT INTO people (id, email) VALUES (7, 'gone');",
    )
    .await
    .unwrap();
    let plan = plan_copy(&from, Some(&to), &Masks::new(), &options()).await.unwrap();
    assert_eq!((plan.goes(), plan.needs_key()), (1, false));
    assert_eq!(plan.kept.keys().collect::<Vec<_>>(), ["d1_migrations", "own"]);
    copied(&from, &to, &Masks::new(), &key("1")).await;
    let found = crate::compare(&from, &to).await.unwrap();
    let found: Vec<String> = found.iter().map(|one| one.name.clone()).collect();
    assert_eq!(found, ["table own", "d1_migrations"], "nothing else differs");
    assert_eq!(texts(&to, "SELECT name FROM d1_migrations").await, ["ours"]);
    assert_eq!(
        texts(&to, "SELECT name FROM people WHERE id IN (SELECT rowid FROM found('x'))").await,
        ["x"]
    );
    to.script("INSERT INTO log (line) VALUES (1)").await.unwrap();
    assert_eq!(texts(&to, "SELECT id || '' FROM log").await, ["10"], "it counts on");
}

#[tokio::test]
async fn a_large_value_is_masked_as_a_small_one_is() {
    let from = database("CREATE TABLE t (id TEXT PRIMARY KEY, v, w);").await;
    // Beyond what comes along with its row, and text that may be none.
    from.script(
        "INSERT INTO t VALUES ('a', hex(zeroblob(600000)), NULL), ('b', NULL, hex(zeroblob(600000))),
         ('c', zeroblob(1100000), zeroblob(1100000)), ('d', CAST(x'efbfbd' AS TEXT), 1);",
    )
    .await
    .unwrap();
    let to = database("CREATE TABLE t (id TEXT PRIMARY KEY, v, w);").await;
    let rules = [("id", MaskRule::Hash), ("v", MaskRule::Hash), ("w", MaskRule::Keep)];
    let masks = Masks::new().with_table("T", columns(rules));
    copied(&from, &to, &masks, &key("1")).await;
    let sql =
        "SELECT typeof(v) || length(v) || typeof(w) || coalesce(length(w), '') FROM t ORDER BY 1";
    let want = ["blob16blob1100000", "null0text1200000", "text32integer1", "text32null"];
    let found: Vec<String> = texts(&to, &sql.replace("length(v)", "coalesce(length(v), 0)")).await;
    assert_eq!(found, want);
    assert_eq!(texts(&to, "SELECT id FROM t WHERE id IN ('a', 'b', 'c', 'd')").await, [""; 0]);
}

#[tokio::test]
async fn what_does_not_fit_is_said_before_anything_is_written() {
    let from = database(SCHEMA).await;
    from.script(
        "INSERT INTO people (id, email, name) VALUES (1, 'a', 'x'), (2, 'b', 'y'); INSERT INTO notes VALUES (1, 'a', 'n');",
    )
    .await
    .unwrap();
    let problems =
        async |masks: Masks, options: CopyOptions| match plan_copy(&from, None, &masks, &options)
            .await
        {
            Err(CopyError::Problems(all)) => {
                all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            }
            other => panic!("{other:?}"),
        };
    let one =
        |table: &str, column: &str, rule| Masks::new().with_table(table, columns([(column, rule)]));
    insta::assert_snapshot!(problems(one("peopel", "id", MaskRule::Keep), options()).await, @"peopel: the source has no such table");
    insta::assert_snapshot!(problems(one("people", "mail", MaskRule::Keep), options()).await, @"people.mail: the table has no such column");
    insta::assert_snapshot!(problems(one("people", "shout", MaskRule::Hash), options()).await, @"people.shout: it is generated: its values follow from other columns");
    insta::assert_snapshot!(problems(one("found", "name", MaskRule::Hash), options()).await, @"found: it holds no rows of its own: it follows another table");
    insta::assert_snapshot!(problems(one("d1_migrations", "name", MaskRule::Hash), options()).await, @"d1_migrations: it records migrations, and each database has its own");
    let people = || Masks::new().with_table("people", TableMask::DropRows);
    insta::assert_snapshot!(problems(people(), options()).await, @r"
    notes.author: it refers to people, of which no row is copied
    notes.person: it refers to people, of which no row is copied
    ");
    let loose = one("people", "id", MaskRule::Hash)
        .with_table("notes", columns([("person", MaskRule::Keep)]));
    insta::assert_snapshot!(problems(loose, options()).await, @"notes.person: it refers to people.id, which another rule changes (hash)");
    let every = options().with_every_column(true).with_tables(["tree".to_owned()]);
    insta::assert_snapshot!(problems(one("tree", "id", MaskRule::Keep), every).await, @"tree.up: no rule says what becomes of it");
    let nothing = SqliteDatabase::in_memory().await.unwrap();
    let error = plan_copy(&nothing, None, &Masks::new(), &options()).await.unwrap_err();
    assert!(matches!(error, CopyError::Nothing));

    for (masks, tables, why) in [
        (
            one("people", "email", MaskRule::Constant("x".into())),
            vec!["people"],
            "UNIQUE constraint failed: people.email",
        ),
        (
            one("people", "email", MaskRule::Null),
            vec!["people"],
            "NOT NULL constraint failed: people.email",
        ),
        (Masks::new(), vec!["notes"], "1 row of notes refers to rows of people that are not there"),
    ] {
        let chosen = options().with_tables(tables.into_iter().map(str::to_owned));
        let plan = plan_copy(&from, None, &masks, &chosen).await.unwrap();
        let dump = dumped((&from, None), &plan, &key("1")).await;
        let scratch = SqliteDatabase::in_memory().await.unwrap();
        let error = try_copy(&dump, &scratch, &RestoreOptions::default()).await.unwrap_err();
        assert!(matches!(error, MisfitError::Constraint(_) | MisfitError::References(_)));
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn an_index_without_its_text_is_no_way_out() {
    let sql = "CREATE VIRTUAL TABLE words USING fts5 (t, content=''); CREATE TABLE t (x);
               INSERT INTO words (rowid, t) VALUES (1, 'secret');";
    let from = database(sql).await;
    let masks = || Masks::new().with_table("t", columns([("x", MaskRule::Null)]));
    let error = plan_copy(&from, None, &masks(), &options()).await.unwrap_err();
    let CopyError::Problems(all) = error else { panic!("{error}") };
    assert_eq!(all[0].kind, CopyProblemKind::Contentless);
    let masks = masks().with_table("words", TableMask::DropRows);
    let plan = plan_copy(&from, None, &masks, &options()).await.unwrap();
    let dump = dumped((&from, None), &plan, &key("1")).await;
    let to = SqliteDatabase::in_memory().await.unwrap();
    try_copy(&dump, &to, &RestoreOptions::default()).await.unwrap();
    assert_eq!(texts(&to, "SELECT rowid || '' FROM words('secret')").await, [""; 0]);
}

#[tokio::test]
async fn a_copy_without_its_key_is_none() {
    let from = database("CREATE TABLE t (x); INSERT INTO t VALUES ('secret');").await;
    let masks = Masks::new().with_table("t", columns([("x", MaskRule::Hash)]));
    let plan = plan_copy(&from, None, &masks, &options()).await.unwrap();
    let ends = Ends { source: (&from, &from), destination: None };
    let error =
        copy(&ends, (&plan, None), &mut Vec::new(), &BackupOptions::default()).await.unwrap_err();
    assert!(matches!(error, CopyError::NoKey));
}

/// A value that a short mask does not have by chance.
fn secret() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-zà-ü'\";\u{fffd}]{12,40}".prop_map(Value::Text),
        (1_i64 << 53..i64::MAX).prop_map(Value::Integer),
        any::<[u8; 17]>().prop_map(|bytes| Value::Blob(bytes.to_vec())),
    ]
}

fn masking() -> impl Strategy<Value = MaskRule> {
    prop_oneof![
        Just(MaskRule::Null),
        Just(MaskRule::Hash),
        Just(MaskRule::Fake(Fake::Email)),
        Just(MaskRule::Fake(Fake::Name)),
        Just(MaskRule::Fake(Fake::Phone)),
        Just(MaskRule::Fake(Fake::Text)),
        Just(MaskRule::Constant("the same".into())),
    ]
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Those that are in it, as text or as bytes in hexadecimal.
fn leaked<'v>(dump: &[u8], values: &'v [Value]) -> Vec<&'v Value> {
    let text = String::from_utf8_lossy(dump).to_lowercase();
    let is_there = |value: &&Value| match value {
        Value::Text(value) => {
            let value = value.to_lowercase();
            text.contains(&value.replace('\'', "''")) || text.contains(&hex::encode(&value))
        }
        Value::Integer(number) => text.contains(&number.to_string()),
        Value::Blob(bytes) => text.contains(&hex::encode(bytes)),
        _ => false,
    };
    values.iter().filter(is_there).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_value_that_a_rule_changes_arrives(
        rows in proptest::collection::vec((secret(), secret()), 1..20),
        rules in (masking(), masking()),
    ) {
        run(async {
            let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c AS (a || b) STORED);
                          CREATE INDEX i ON t (a, b); CREATE VIRTUAL TABLE f USING fts5 (a, content='t', content_rowid='id');";
            let (from, to) = (database(schema).await, database(schema).await);
            for (a, b) in &rows {
                let insert = Statement::new("INSERT INTO t (a, b) VALUES (?, ?)");
                from.batch(&[insert.bind(a.clone()).bind(b.clone())]).await.unwrap();
            }
            let masks = Masks::new().with_table("t", columns([("a", rules.0.clone()), ("b", rules.1.clone())]));
            let dump = copied(&from, &to, &masks, &key("1")).await;
            let values: Vec<Value> = rows.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
            assert_eq!(leaked(&dump, &values), Vec::<&Value>::new());
            let mut whole = Vec::new();
            crate::backup(&to, &to, &mut whole, &BackupOptions::default()).await.unwrap();
            assert_eq!(leaked(&whole, &values), Vec::<&Value>::new());
            // The same key makes the same; another one does not.
            let plan = plan_copy(&from, Some(&to), &masks, &options()).await.unwrap();
            assert_eq!(dumped((&from, Some(&to)), &plan, &key("1")).await, dump);
            let is_keyed = rules.0.is_keyed() || rules.1.is_keyed();
            let other = dumped((&from, Some(&to)), &plan, &key("2")).await;
            // Of 4,096 names two can be alike.
            let is_name = |rule: &MaskRule| *rule == MaskRule::Fake(Fake::Name);
            if !is_name(&rules.0) && !is_name(&rules.1) {
                assert_eq!(other != dump, is_keyed);
            }
        });
    }

    #[test]
    fn what_is_unique_stays_so_and_references_hold(
        people in proptest::collection::btree_map(any::<i64>(), "[a-z]{1,8}", 1..30),
        picks in proptest::collection::vec((any::<proptest::sample::Index>(), "[a-z]{0,4}"), 0..40),
        keyed in prop_oneof![Just(MaskRule::Hash), Just(MaskRule::Fake(Fake::Email)), Just(MaskRule::Fake(Fake::Phone))],
    ) {
        run(async {
            let (from, to) = (database(SCHEMA).await, database(SCHEMA).await);
            let mut seen = BTreeSet::new();
            let mut there: Vec<(i64, String)> = people.into_iter().collect();
            there.retain(|(_, email)| seen.insert(email.clone()));
            for (id, email) in &there {
                let insert = Statement::new("INSERT INTO people (id, email, name) VALUES (?, ?, 'n')");
                from.batch(&[insert.bind(*id).bind(email.clone())]).await.unwrap();
            }
            for (pick, body) in &picks {
                let (id, email) = pick.get(&there);
                let insert = Statement::new("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)");
                let insert = insert.bind(*id).bind(email.clone()).bind(body.clone());
                from.batch(&[insert]).await.unwrap();
                let insert = Statement::new("INSERT OR IGNORE INTO tree VALUES (?, ?)");
                let root = &there[0].1;
                from.batch(&[insert.clone().bind(root.clone()).bind(root.clone()),
                    insert.bind(email.clone()).bind(root.clone())]).await.unwrap();
            }
            let masks = Masks::new()
                .with_table("people", columns([("id", MaskRule::Hash), ("email", keyed.clone()), ("name", MaskRule::Fake(Fake::Name))]))
                .with_table("tree", columns([("id", keyed)]));
            copied(&from, &to, &masks, &key("1")).await;
            // Joins find what they found; the trial has looked at keys and references.
            let joined = "SELECT count(*) || '' FROM notes n JOIN people p ON p.id = n.person AND p.email = n.author
                          UNION ALL SELECT count(*) || '' FROM tree a JOIN tree b ON a.up = b.id
                          UNION ALL SELECT count(DISTINCT id) || count(DISTINCT email) FROM people";
            assert_eq!(texts(&from, joined).await, texts(&to, joined).await);
            // The index has the rows under their new numbers.
            let found = "SELECT count(*) || '' FROM people WHERE id IN (SELECT rowid FROM found)";
            assert_eq!(texts(&to, found).await, [there.len().to_string()]);
        });
    }
}
