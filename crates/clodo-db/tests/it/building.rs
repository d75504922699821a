use crate::constructs::{Constructs, ID, NOTES, SCHEMA, SORTABLE, TITLE, answer, constructs};
use clodo_db::{
    Capabilities, Database as _, SqliteDatabase, Statement, TooLarge, Value,
    query::{
        BuildError, Column, CursorError, Delete, Expr, Insert, Key, Keyset, OnConflict,
        Operand as _, Select, Table, Update,
    },
    quoted,
};
use clodo_sqlite::rusqlite::Connection;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::fmt::Write as _;

fn built(constructs: Constructs) -> Vec<(&'static str, Statement)> {
    let built = |(name, built): (_, Result<_, BuildError>)| {
        (name, built.unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    constructs.into_iter().map(built).collect()
}

#[test]
fn each_construct_is_this_sql_and_sqlite_takes_it() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    let mut out = String::new();
    for (name, Statement { sql, params }) in built(constructs("te'xt", &7.into())) {
        let _ = writeln!(out, "{name}\n  {}\n  {params:?}", sql.replace('\n', "\n  "));
        let prepared = db.prepare(&sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(prepared.parameter_count(), params.len(), "{name}");
    }
    insta::assert_snapshot!(out);
}

/// What somebody would send who wants more than a value.
fn hostile() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "'; DROP TABLE notes; --",
        "\" OR \"\"=\"",
        "` FROM notes; --",
        "1) UNION SELECT sql FROM sqlite_master --",
        "?",
        "?1",
        ":title",
        "/*",
        "*/",
        "--",
        "\\",
        "%_\\%",
        "\0",
        "\u{fffd}",
        "[x]",
        ";",
        "notes`.`id",
        "created_at; DELETE FROM notes",
        "NULL",
        "clodo check 1",
    ];
    prop_oneof![
        any::<String>(),
        proptest::sample::select(KNOWN).prop_map(str::to_owned),
        (any::<String>(), proptest::sample::select(KNOWN), any::<String>())
            .prop_map(|(before, known, after)| format!("{before}{known}{after}")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        hostile().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("a number", |number| !number.is_nan()).prop_map(Value::Real),
        any::<Vec<u8>>().prop_map(Value::Blob),
    ]
}

proptest! {
    #[test]
    fn no_value_changes_the_text(text in hostile(), value in value()) {
        let text = text.replace('\0', "");
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        let plain = built(constructs("x", &1.into()));
        for ((name, plain), (_, given)) in plain.iter().zip(built(constructs(&text, &value))) {
            prop_assert_eq!(&plain.sql, &given.sql, "{}", name);
            prop_assert_eq!(plain.params.len(), given.params.len());
        }
    }

    #[test]
    fn no_name_from_outside_becomes_text(name in hostile()) {
        let picked = SORTABLE.pick(&name);
        prop_assert!(picked.is_err() || ["created", "title"].contains(&name.as_str()));
        if let Err(error) = picked {
            prop_assert_eq!(error.to_string(), "there is no such column; known are created, title");
        }
    }

    /// Even a name that the code itself has wrong stays a name.
    #[test]
    fn no_name_leaves_its_quotes(
        table in prop_oneof![hostile(), Just("a`b``c".to_owned())],
        column in hostile(),
        text in hostile(),
    ) {
        let clean = |name: String, or: &str| match name.replace('\0', "") {
            // SQLite keeps these to itself.
            name if name.is_empty() || name.to_ascii_lowercase().starts_with("sqlite_") => or.to_owned(),
            name => name,
        };
        let (table, column) = (clean(table, "t"), clean(column, "c"));
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&format!("CREATE TABLE {} (id INTEGER PRIMARY KEY, {})",
            quoted(&table), quoted(&format!("c{column}")))).unwrap();
        let table = Table::new(table.leak());
        let column = table.column(format!("c{column}").leak());
        let run = |statement: Result<Statement, BuildError>| {
            let statement = statement.unwrap();
            let mut prepared = db.prepare(&statement.sql).unwrap();
            let params = clodo_sqlite::rusqlite::params_from_iter(
                statement.params.iter().map(|value| value.as_text()));
            let mut rows = prepared.query(params).unwrap();
            let mut found = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                found.push(row.get::<_, String>(0).unwrap());
            }
            found
        };
        let text = text.replace('\0', "");
        let insert = Insert::into(table).columns([column]).row((text.as_str(),));
        let upsert = OnConflict::of([table.column("id")]).take([column]);
        prop_assert_eq!(run(insert.on_conflict(upsert).returning([column]).build()), [text.as_str()]);
        let other = table.named("x`\"");
        let alias = other.column(column.name());
        let joined = Select::from(table)
            .column(alias.named(Column::new("y`\"")))
            .join(other, alias.equals(column))
            .filter(column.equals(text.as_str()))
            .order_by(column);
        prop_assert_eq!(run(joined.build()), [text.as_str()]);
        let update = Update::table(table).set(column, "new").filter(column.equals(text.as_str()));
        prop_assert_eq!(run(update.returning([column]).build()), ["new"]);
        let delete = Delete::from(table).filter(column.equals("new")).returning([column]);
        prop_assert_eq!(run(delete.build()), ["new"]);
    }
}

#[test]
fn what_is_put_together_wrongly_is_refused() {
    let notes = || Select::from(NOTES);
    let raw = |sql, values: &[i64]| {
        let values: Vec<Value> = values.iter().map(|number| (*number).into()).collect();
        notes().filter(Expr::raw(sql, values)).build().unwrap_err()
    };
    assert_eq!(raw("a = ? AND b = '?'", &[]), BuildError::RawValues { wanted: 1, given: 0 });
    assert_eq!(raw("a = 1", &[2]), BuildError::RawValues { wanted: 0, given: 1 });
    for named in ["a = ?2", "a = :a", "a = @a", "a = $a"] {
        assert_eq!(raw(named, &[1]), BuildError::RawNames);
    }
    // Wherever it is, it comes up.
    let wrong = || Expr::raw("?", []);
    let inner = || notes().column(ID).filter(TITLE.equals(wrong()));
    for all in [
        notes().column(wrong()).build(),
        notes().order_by(wrong()).build(),
        notes().group_by(wrong()).having(ID.equals(1)).build(),
        notes().join(inner().named(Table::new("x")), ID.equals(ID)).build(),
        notes().union(inner()).build(),
        notes().filter(ID.is_in_select(inner())).counted().build(),
        notes().with(clodo_db::query::Cte::new(Table::new("x"), inner())).build(),
        Update::table(NOTES).set(TITLE, wrong()).every_row().build(),
        Delete::from(NOTES).filter(wrong()).build(),
        Insert::into(NOTES).select(inner()).build(),
        Insert::into(NOTES).columns([ID]).row((1,)).returning([wrong()]).build(),
    ] {
        assert_eq!(all, Err(BuildError::RawValues { wanted: 1, given: 0 }));
    }
    assert_eq!(notes().columns([ID; 0]).build(), Err(BuildError::NoColumns));
    let insert = || Insert::into(NOTES).columns([ID, TITLE]);
    assert_eq!(insert().build(), Err(BuildError::NothingToInsert));
    assert_eq!(
        insert().row((1, "a")).row((1,)).row((1, 2, 3)).build(),
        Err(BuildError::RowLength { row: 2, given: 1, columns: 2 })
    );
    let late = Insert::into(NOTES).columns([ID]).rows([(1,), (2,)]).columns([TITLE]).build();
    assert_eq!(late, Err(BuildError::RowLength { row: 2, given: 1, columns: 2 }));
    assert_eq!(insert().row((1, "a")).select(notes()).build(), Err(BuildError::RowsAndSelect));
    assert_eq!(Update::table(NOTES).set(ID, 1).build(), Err(BuildError::NoFilter));
    assert_eq!(Update::table(NOTES).every_row().build(), Err(BuildError::NothingToSet));
    assert_eq!(Delete::from(NOTES).build(), Err(BuildError::NoFilter));
    assert_eq!(notes().filter(TITLE.is_in_texts(["a\0b"])).build(), Err(BuildError::Nul));
    let keys = Keyset::by(Key::ascending(ID));
    let paged = |select| keys.page(3).select(select).build().unwrap_err();
    assert_eq!(paged(notes().order_by(ID)), BuildError::OrderTwice);
    assert_eq!(paged(notes().limit(1)), BuildError::OrderTwice);
    assert_eq!(paged(notes().distinct()), BuildError::NoKeysInRows);
    assert_eq!(paged(notes().union(notes())), BuildError::NoKeysInRows);
}

#[test]
fn a_statement_says_beforehand_that_it_is_too_large() {
    let d1 = Capabilities::d1();
    let select = Select::from(NOTES).filter(ID.is_in(0..101)).build().unwrap();
    let too_many = TooLarge::Parameters { given: 101, allowed: 100 };
    assert_eq!(select.fits(&d1), Err(too_many));
    assert_eq!(select.fits(&Capabilities::sqlite()), Ok(()));
    let many = Select::from(NOTES).filter(ID.is_in_integers(0..10_000)).build().unwrap();
    assert_eq!((many.fits(&d1), many.params.len()), (Ok(()), 1));
    let long = Statement::new("x".repeat(100_001));
    assert_eq!(long.fits(&d1), Err(TooLarge::Bytes { given: 100_001, allowed: 100_000 }));

    let columns: Vec<Column> = (0..99).map(|at| NOTES.column(format!("c{at}").leak())).collect();
    let row = |width: usize| vec![Value::Null; width];
    let set = OnConflict::of([ID]).set(TITLE, "a").set(ID, 2);
    let wide = Insert::into(NOTES).columns(columns).row(row(99)).on_conflict(set.clone());
    let parts = wide.build_all(&d1);
    assert_eq!(parts, Err(BuildError::TooLarge(TooLarge::Parameters { given: 101, allowed: 100 })));
    let rows = (0..100).map(|id| (id, "x"));
    let parts = Insert::into(NOTES).columns([ID, TITLE]).rows(rows).on_conflict(set).build_all(&d1);
    let parts = parts.unwrap();
    let lengths: Vec<usize> = parts.iter().map(|part| part.params.len()).collect();
    assert_eq!(lengths, [100, 100, 6]);
    assert_eq!(parts[2].params[..4], [98.into(), "x".into(), 99.into(), "x".into()]);
    let mut small = Capabilities::sqlite();
    small.statement_bytes = 100;
    let rows = || Insert::into(NOTES).columns([ID]).rows((0..100).map(|id| (id,)));
    let parts = rows().build_all(&small).unwrap();
    assert!(parts.len() > 1 && parts.iter().all(|part| part.fits(&small).is_ok()));
    assert_eq!(parts.iter().map(|part| part.params.len()).sum::<usize>(), 100);
    small.statement_bytes = 10;
    assert!(matches!(
        rows().build_all(&small),
        Err(BuildError::TooLarge(TooLarge::Bytes { allowed: 10, .. }))
    ));
}

#[tokio::test]
async fn a_page_begins_behind_the_last_row_even_when_that_is_gone() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    database.script(SCHEMA).await.unwrap();
    let rows = (1..=6).map(|id| (id, format!("t{id}"), 1));
    let columns = [ID, TITLE, NOTES.column("created_at")];
    let fill = Insert::into(NOTES).columns(columns).rows(rows).build().unwrap();
    database.batch(&[fill]).await.unwrap();
    let keys = Keyset::by(Key::descending(NOTES.column("created_at")).not_null())
        .then(Key::ascending(ID).not_null());
    let page = async |cursor: Option<&str>| {
        let paging = keys.page(2).after(cursor).unwrap();
        let select = paging.select(Select::from(NOTES).column(ID)).build().unwrap();
        let page = paging.read(database.query(&select).await.unwrap()).unwrap();
        (page.rows.typed::<i64>().unwrap(), page.next)
    };
    let (ids, next) = page(None).await;
    assert_eq!(ids, [1, 2]);
    let gone = Delete::from(NOTES).filter(ID.at_most(3)).build().unwrap();
    database.batch(&[gone]).await.unwrap();
    let (ids, next) = page(next.as_deref()).await;
    assert_eq!(ids, [4, 5]);
    let (ids, next) = page(next.as_deref()).await;
    assert_eq!((ids, next), (vec![6], None));
}

#[test]
fn a_cursor_of_another_list_or_of_other_rows_is_refused() {
    let one = Keyset::by(Key::ascending(ID).not_null());
    let other = Keyset::by(Key::descending(ID).not_null());
    let given = vec![vec![1.into(), "i1".into()], vec![2.into(), "i2".into()]];
    let mut rows = answer(&["x", "_clodo_key0"], given);
    let cursor = one.page(1).read(rows.clone()).unwrap().next.unwrap();
    assert!(one.page(1).after(Some(&cursor)).is_ok());
    let refused = |keys: &Keyset, cursor| keys.page(1).after(Some(cursor)).err();
    assert_eq!(refused(&other, &cursor), Some(CursorError::NoCursor));
    assert_eq!(refused(&one, &cursor[1..]), Some(CursorError::NoCursor));
    assert_eq!(refused(&one, ""), Some(CursorError::NoCursor));
    rows.rows[0][1] = "n".into();
    assert_eq!(one.page(1).read(rows.clone()), Err(CursorError::NullKey { column: "id" }));
    rows.rows[0][1] = "hff".into();
    assert_eq!(one.page(1).read(rows.clone()), Err(CursorError::OddKey { column: "id" }));
    rows.columns[1] = "y".into();
    assert_eq!(one.page(1).read(rows), Err(CursorError::NoKeys));
}

/// The index is entered behind the cursor instead of read from its beginning.
#[test]
fn a_page_deep_in_a_list_is_found_by_the_index() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db.execute_batch("CREATE INDEX newest ON notes (created_at DESC, id)").unwrap();
    let keys = Keyset::by(Key::descending(NOTES.column("created_at")).not_null())
        .then(Key::ascending(ID).not_null());
    let given = vec![vec!["i5".into(), "i1".into()]; 2];
    let rows = answer(&["_clodo_key0", "_clodo_key1"], given);
    let cursor = keys.page(1).read(rows).unwrap().next;
    let paging = keys.page(20).after(cursor.as_deref()).unwrap();
    let sql = paging.select(Select::from(NOTES).column(ID)).build().unwrap().sql;
    let plan = db
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap()
        .query_map([5; 5], |row| row.get::<_, String>(3))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>);
    assert_eq!(plan.unwrap(), ["SEARCH notes USING COVERING INDEX newest (created_at<?)"]);
}
