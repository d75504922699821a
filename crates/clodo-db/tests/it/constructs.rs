//! One statement of each kind, with values of the caller's.

use clodo_db::{
    Rows, Statement, Value,
    query::{
        BuildError, Column, Columns, Cte, Delete, Expr, Insert, Key, Keyset, OnConflict,
        Operand as _, Select, Table, Update, all, any, count_all, excluded, exists, like_text,
    },
};

pub(crate) const SCHEMA: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT UNIQUE, \
    author INTEGER, stars, created_at INTEGER NOT NULL DEFAULT 0);\n\
    CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT, boss INTEGER);";

pub(crate) const NOTES: Table = Table::new("notes");
pub(crate) const ID: Column = NOTES.column("id");
pub(crate) const TITLE: Column = NOTES.column("title");
const AUTHOR: Column = NOTES.column("author");
const STARS: Column = NOTES.column("stars");
const CREATED: Column = NOTES.column("created_at");
const AUTHORS: Table = Table::new("authors");
const AUTHOR_ID: Column = AUTHORS.column("id");
const NAME: Column = AUTHORS.column("name");
const BOSS: Column = AUTHORS.column("boss");
const TOTAL: Column = Column::new("total");
pub(crate) const SORTABLE: Columns<'_> = Columns::named(&[("created", CREATED), ("title", TITLE)]);

pub(crate) type Constructs = Vec<(&'static str, Result<Statement, BuildError>)>;

/// The values are not null.
pub(crate) fn constructs(text: &str, value: &Value) -> Constructs {
    let mut all = selects(text, value);
    all.extend(conditions(text, value));
    all.extend(joined(value));
    all.extend(changes(text, value));
    all.extend(paged(value));
    all
}

fn notes() -> Select {
    Select::from(NOTES).column(ID)
}

fn selects(text: &str, value: &Value) -> Constructs {
    let stars = STARS.equals(value.clone());
    vec![
        ("all columns", Select::from(NOTES).build()),
        (
            "simple select",
            Select::from(NOTES)
                .columns([ID, TITLE, STARS])
                .filter(AUTHOR.equals(value.clone()))
                .order_by(ID.descending())
                .limit(20)
                .build(),
        ),
        ("no table", Select::values().column(Expr::from(text)).build()),
        ("distinct", Select::from(NOTES).distinct().column(AUTHOR).build()),
        ("limit and offset", notes().limit(20).offset(40).build()),
        ("offset alone", notes().offset(40).build()),
        (
            "order",
            notes().order_by(TITLE.ignoring_case().descending().nulls_last()).order_by(ID).build(),
        ),
        (
            "groups",
            Select::from(NOTES)
                .column(AUTHOR)
                .column(count_all().named(TOTAL))
                .columns([STARS.sum(), STARS.average(), STARS.minimum(), STARS.maximum()])
                .columns([STARS.count(), STARS.count_distinct()])
                .group_by(AUTHOR)
                .group_by(TITLE)
                .having(TOTAL.greater_than(value.clone()))
                .order_by(TOTAL)
                .build(),
        ),
        ("counted", notes().filter(stars.clone()).counted().build()),
        (
            "compound",
            notes()
                .filter(stars.clone())
                .union(Select::from(AUTHORS).column(AUTHOR_ID))
                .union_all(notes().order_by(ID).limit(1))
                .intersect(notes().except(notes().filter(stars)))
                .limit(5)
                .build(),
        ),
        (
            "raw",
            notes()
                .filter(Expr::raw("title GLOB ? -- glob", [text.into()]))
                .filter(ID.less_than(9))
                .build(),
        ),
    ]
}

fn conditions(text: &str, value: &Value) -> Constructs {
    let each: Vec<(&'static str, Expr)> = vec![
        ("equals", STARS.equals(value.clone())),
        ("equals nothing", STARS.equals(None::<i64>)),
        ("differs", STARS.not_equals(value.clone())),
        ("differs from nothing", STARS.not_equals(Value::Null)),
        ("less", STARS.less_than(value.clone()).and(STARS.at_most(value.clone()))),
        ("greater", STARS.greater_than(value.clone()).and(STARS.at_least(value.clone()))),
        ("null", STARS.is_null().or(STARS.is_not_null())),
        ("between", STARS.between(value.clone(), value.clone())),
        ("in", STARS.is_in([value.clone(), value.clone()])),
        ("in nothing", STARS.is_in(Vec::<Value>::new())),
        ("in integers", STARS.is_in_integers([1, 2, 3])),
        ("in texts", TITLE.is_in_texts([text, "other"])),
        ("like", TITLE.like(format!("%{}%", like_text(text)))),
        ("contains", TITLE.contains(text)),
        ("starts with", TITLE.starts_with(text)),
        (
            "and, or, not",
            STARS.equals(value.clone()).or(TITLE.equals(text)).and(ID.equals(1)).negated(),
        ),
        (
            "all and any",
            any([all([STARS.equals(value.clone()), TITLE.equals(text)]), ID.equals(1), any([])])
                .and(all([])),
        ),
        ("arithmetic", STARS.plus(value.clone()).times(STARS.minus(value.clone())).equals(1)),
        ("instead of null", STARS.or_else(value.clone()).equals(AUTHOR)),
    ];
    each.into_iter().map(|(name, filter)| (name, notes().filter(filter).build())).collect()
}

fn joined(value: &Value) -> Constructs {
    const BOSSES: Table = AUTHORS.named("bosses");
    const RECENT: Table = Table::new("recent");
    const CHAIN: Table = Table::new("chain");
    let recent = || Select::from(NOTES).columns([ID, AUTHOR]).filter(STARS.equals(value.clone()));
    let on = RECENT.column("author").equals(AUTHOR_ID);
    let first = Select::from(AUTHORS).column(AUTHOR_ID).filter(NAME.equals(value.clone()));
    let next =
        Select::from(AUTHORS).column(AUTHOR_ID).join(CHAIN, BOSS.equals(CHAIN.column("who")));
    let chain = Cte::new(CHAIN, first.union(next)).columns([Column::new("who")]).recursive();
    vec![
        (
            "joins",
            Select::from(NOTES)
                .column(TITLE)
                .column(BOSSES.column("name").named(Column::new("boss")))
                .join(AUTHORS, AUTHOR_ID.equals(AUTHOR).and(NAME.equals(value.clone())))
                .left_join(BOSSES, BOSSES.column("id").equals(BOSS))
                .cross_join(Table::new("authors").named("anybody"))
                .build(),
        ),
        (
            "sub-select",
            Select::from(AUTHORS).column(NAME).join(recent().named(RECENT), on.clone()).build(),
        ),
        (
            "exists",
            Select::from(AUTHORS)
                .column(NAME)
                .filter(exists(recent().filter(AUTHOR.equals(AUTHOR_ID))).negated())
                .build(),
        ),
        (
            "in select",
            notes().filter(ID.is_in_select(notes().filter(STARS.equals(value.clone())))).build(),
        ),
        ("value of a select", notes().filter(STARS.equals(notes().limit(1))).build()),
        (
            "cte",
            Select::from(AUTHORS)
                .column(NAME)
                .join(RECENT, on)
                .with(Cte::new(RECENT, recent()))
                .filter(NAME.equals(value.clone()))
                .build(),
        ),
        ("recursive cte", Select::from(CHAIN).with(chain.clone()).build()),
        (
            "change with cte",
            Delete::from(AUTHORS)
                .with(chain)
                .filter(AUTHOR_ID.is_in_select(Select::from(CHAIN).column(CHAIN.column("who"))))
                .build(),
        ),
    ]
}

fn changes(text: &str, value: &Value) -> Constructs {
    let insert = || Insert::into(NOTES).columns([TITLE, STARS]).row((text, value.clone()));
    vec![
        ("insert", insert().row(vec![text.into(), Value::Null]).returning([ID, TITLE]).build()),
        ("insert or nothing", insert().on_conflict(OnConflict::any()).build()),
        (
            "upsert",
            insert()
                .on_conflict(
                    OnConflict::of([TITLE])
                        .take([STARS])
                        .set(CREATED, CREATED.plus(excluded(CREATED)).plus(value.clone()))
                        .filter(STARS.less_than(value.clone())),
                )
                .on_conflict(OnConflict::of([ID]))
                .returning([ID.named(Column::new("key"))])
                .build(),
        ),
        (
            "insert of a select",
            Insert::into(AUTHORS)
                .columns([NAME])
                .select(Select::from(NOTES).column(TITLE).filter(STARS.equals(value.clone())))
                .on_conflict(OnConflict::any())
                .build(),
        ),
        (
            "update",
            Update::table(NOTES)
                .set(TITLE, text)
                .set(STARS, STARS.plus(value.clone()))
                .filter(ID.equals(1))
                .filter(TITLE.equals(text))
                .returning([ID])
                .build(),
        ),
        ("update all", Update::table(NOTES).set(STARS, None::<i64>).every_row().build()),
        ("delete", Delete::from(NOTES).filter(TITLE.equals(text)).returning([ID]).build()),
        ("delete all", Delete::from(NOTES).every_row().build()),
    ]
}

fn paged(value: &Value) -> Constructs {
    let keys = Keyset::by(Key::descending(CREATED).not_null())
        .then(Key::ascending(STARS))
        .then(Key::ascending(ID).not_null());
    let first = keys.page(10);
    let row = || vec![1.into(), "i5".into(), carried(value).into(), "i1".into()];
    let columns = ["id", "_clodo_key0", "_clodo_key1", "_clodo_key2"];
    let rows = answer(&columns, (0..11).map(|_| row()).collect());
    let cursor = first.read(rows).ok().and_then(|page| page.next);
    let next = keys.page(10).after(cursor.as_deref()).expect("its own cursor");
    assert!(cursor.is_some());
    let sort = SORTABLE.pick("created").expect("it is known");
    vec![
        ("first page", first.select(notes()).build()),
        ("next page", next.select(notes().filter(TITLE.is_not_null())).build()),
        ("sorted from outside", notes().order_by(sort.descending()).build()),
    ]
}

/// Rows as a database gives them.
pub(crate) fn answer(columns: &[&str], rows: Vec<Vec<Value>>) -> Rows {
    Rows { columns: columns.iter().map(ToString::to_string).collect(), rows, changes: 0 }
}

fn carried(value: &Value) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match value {
        Value::Null => "n".to_owned(),
        Value::Integer(number) => format!("i{number}"),
        Value::Real(number) => format!("r{number:e}"),
        Value::Text(text) => format!("h{}", hex(text.as_bytes())),
        Value::Blob(bytes) => format!("b{}", hex(bytes)),
    }
}
