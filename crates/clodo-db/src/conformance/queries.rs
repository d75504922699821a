use crate::{
    Batch, Database, Rows, Value,
    query::{
        BuildError, Column, Cte, Delete, Expr, Insert, Key, Keyset, OnConflict, Operand as _,
        Select, Table, Update, count_all, excluded, exists, like_text,
    },
};

const TREE: Table = Table::new("tree");
const ID: Column = TREE.column("id");
const UP: Column = TREE.column("up");
const NAME: Column = TREE.column("name");
const SIZE: Column = TREE.column("size");
const BELOW: Table = Table::new("below");
const TOTAL: Column = Column::new("total");

/// What is built means everywhere the same.
pub(super) async fn queries(database: &dyn Database) {
    let make =
        "CREATE TABLE tree (id INTEGER PRIMARY KEY, up REFERENCES tree, name TEXT UNIQUE, size);";
    database.script(make).await.expect("a table");
    fill(database).await;
    selects(database).await;
    joins(database).await;
    changes(database).await;
    pages(database).await;
}

async fn read(database: &dyn Database, select: Select) -> Rows {
    let statement = select.build().expect("a select");
    statement.fits(&database.capabilities()).expect("it is small enough");
    database.query(&statement).await.unwrap_or_else(|error| panic!("{error}: {}", statement.sql))
}

async fn ids(database: &dyn Database, filter: impl Into<Expr>) -> Vec<i64> {
    let select = Select::from(TREE).column(ID).filter(filter).order_by(ID);
    read(database, select).await.typed().expect("numbers")
}

/// More rows than one statement may have parameters for.
async fn fill(database: &dyn Database) {
    let row = |id: i64| {
        let up = (id > 1).then_some(id / 2);
        let size: Value = match id % 5 {
            0 => Value::Null,
            1 => (id % 3).into(),
            2 => 1.5.into(),
            3 => "text".into(),
            _ => Value::Blob(vec![0, 255]),
        };
        (id, up, format!("n{id}_%"), size)
    };
    let insert = Insert::into(TREE).columns([ID, UP, NAME, SIZE]).rows((1..=60).map(row));
    let parts = insert.build_all(&database.capabilities()).expect("parts that fit");
    let done = Batch::new().run_all(parts).send(database).await.expect("all rows can be added");
    assert_eq!(done.iter().map(|one| one.changes).sum::<u64>(), 60);
}

async fn selects(database: &dyn Database) {
    assert_eq!(ids(database, UP.is_null()).await, [1]);
    assert_eq!(ids(database, UP.equals(None::<i64>)).await, [1]);
    assert_eq!(
        ids(database, UP.equals(1).or(ID.between(9, 11)).and(ID.not_equals(10))).await,
        [2, 3, 9, 11]
    );
    assert_eq!(ids(database, ID.is_in([3, 1, 99])).await, [1, 3]);
    assert_eq!(ids(database, ID.is_in(Vec::<i64>::new())).await, [0; 0]);
    assert_eq!(ids(database, ID.is_in_integers(0..3)).await, [1, 2]);
    let many = (0..300).map(|at| format!("n{at}_%"));
    assert_eq!(ids(database, NAME.is_in_texts(many).and(ID.less_than(3))).await, [1, 2]);
    assert_eq!(ids(database, NAME.is_in_texts(["it's", "\"n1_%\""])).await, [0; 0]);
    let pattern = format!("N1{}%", like_text("_%"));
    assert_eq!(ids(database, NAME.like(pattern)).await, [1]);
    assert_eq!(ids(database, NAME.ignoring_case().equals("N1_%")).await, [1]);
    assert_eq!(ids(database, NAME.contains("59_")).await, [59]);
    assert_eq!(ids(database, NAME.starts_with("n5").and(ID.at_most(50))).await, [5, 50]);
    assert_eq!(ids(database, Expr::raw("id % ? = ?", [30.into(), 0.into()])).await, [30, 60]);
    assert_eq!(ids(database, SIZE.equals(Value::Blob(vec![0, 255])).negated()).await.len(), 36);
    let some = Select::from(TREE).column(ID).order_by(ID.descending()).limit(2).offset(1);
    assert_eq!(read(database, some.clone()).await.typed::<i64>(), Ok(vec![59, 58]));
    assert_eq!(read(database, some.counted()).await.first::<i64>(), Ok(Some(2)));
    let both = Select::from(TREE).column(ID).filter(ID.at_most(2));
    let both = both.union(Select::from(TREE).column(UP).filter(ID.at_most(3)));
    assert_eq!(
        read(database, both.order_by(Column::new("id").descending().nulls_first())).await.rows,
        [[Value::Null], [2.into()], [1.into()]]
    );
}

async fn joins(database: &dyn Database) {
    const CHILD: Table = TREE.named("child");
    let children = Select::from(TREE)
        .column(NAME)
        .column(CHILD.column("id").count().named(TOTAL))
        .left_join(CHILD, CHILD.column("up").equals(ID))
        .group_by(ID)
        .having(TOTAL.less_than(2))
        .order_by(ID)
        .limit(2);
    let rows = read(database, children).await;
    assert_eq!(rows.columns, ["name", "total"]);
    assert_eq!(rows.typed(), Ok(vec![("n30_%".to_owned(), 1), ("n31_%".to_owned(), 0)]));

    let first = Select::from(TREE).column(ID).column(Expr::from(0)).filter(ID.equals(7));
    let next = Select::from(TREE)
        .column(ID)
        .column(BELOW.column("depth").plus(1))
        .join(BELOW, UP.equals(BELOW.column("id")));
    let columns = [Column::new("id"), Column::new("depth")];
    let below = Cte::new(BELOW, first.union_all(next)).columns(columns).recursive();
    let depth = BELOW.column("depth");
    let counts = Select::from(BELOW)
        .column(depth)
        .column(count_all())
        .group_by(depth)
        .order_by(depth)
        .with(below);
    assert_eq!(read(database, counts).await.typed(), Ok(vec![(0, 1), (1, 2), (2, 4), (3, 5)]));

    let parents =
        Select::from(CHILD).column(CHILD.column("up")).filter(CHILD.column("id").less_than(6));
    assert_eq!(ids(database, ID.is_in_select(parents)).await, [1, 2]);
    let has = Select::from(CHILD).filter(CHILD.column("up").equals(ID));
    assert_eq!(ids(database, exists(has).negated().and(ID.less_than(33))).await, [31, 32]);
    let largest = Select::from(TREE).column(ID.maximum());
    assert_eq!(ids(database, ID.at_least(Expr::from(largest).minus(1))).await, [59, 60]);
}

async fn changes(database: &dyn Database) {
    let insert = |name: &str| {
        Insert::into(TREE).columns([NAME, SIZE]).row((name, 7)).on_conflict(
            OnConflict::of([NAME])
                .set(SIZE, SIZE.or_else(0).plus(excluded(SIZE)))
                .filter(ID.greater_than(1)),
        )
    };
    let returned = [ID.named(Column::new("id")), SIZE.named(Column::new("size"))];
    let statements = vec![
        insert("new").returning(returned.clone()).build(),
        insert("n5_%").returning(returned.clone()).build(),
        insert("n1_%").returning(returned.clone()).build(),
        Insert::into(TREE)
            .columns([NAME])
            .select(Select::from(TREE).column(NAME).filter(ID.less_than(3)))
            .on_conflict(OnConflict::any())
            .build(),
        Update::table(TREE).set(SIZE, "x").filter(NAME.equals("new")).returning([SIZE]).build(),
        Delete::from(TREE).filter(NAME.equals("new")).returning([ID]).build(),
    ];
    let statements: Vec<_> =
        statements.into_iter().collect::<Result<_, BuildError>>().expect("statements");
    let done = Batch::new().run_all(statements).send(database).await.expect("they run");
    let rows: Vec<_> = done.into_iter().map(|one| one.rows).collect();
    let nothing: Vec<Vec<Value>> = Vec::new();
    assert_eq!(
        rows,
        [
            vec![vec![61.into(), 7.into()]],
            vec![vec![5.into(), 7.into()]],
            nothing.clone(),
            nothing,
            vec![vec!["x".into()]],
            vec![vec![61.into()]],
        ]
    );
}

/// Keys that JSON would round, that are alike, that are nothing.
async fn pages(database: &dyn Database) {
    let big = Insert::into(TREE)
        .columns([ID, SIZE])
        .row((i64::MAX - 1, i64::MAX - 1))
        .row((i64::MAX, i64::MAX))
        .row((i64::MAX - 2, f64::INFINITY));
    let big = big.build().expect("an insert");
    Batch::new().run(big).send(database).await.expect("large keys can be stored");
    let largest = Select::from(TREE).column(count_all()).filter(ID.is_in_integers([i64::MAX]));
    assert_eq!(read(database, largest).await.first::<i64>(), Ok(Some(1)));
    for keyset in [
        Keyset::by(Key::ascending(SIZE)).then(Key::descending(ID)),
        Keyset::by(Key::descending(SIZE)).then(Key::ascending(ID).not_null()),
        Keyset::by(Key::descending(ID).not_null()),
    ] {
        let (mut found, mut cursor) = (0, None);
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let paging = keyset.page(7).after(cursor.as_deref()).expect("its own cursor");
            let select = Select::from(TREE).column(ID.named(Column::new("id")));
            let page = paging.read(read(database, paging.select(select)).await).expect("a page");
            assert_eq!(page.rows.columns, ["id"]);
            found += page.rows.rows.len();
            // Whole numbers beyond 2^53 may be rounded here, and in the cursor never.
            seen.extend(page.rows.rows.iter().map(|row| format!("{:?}", row[0])));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, 63, "{keyset:?}");
        assert!(seen.len() >= 61, "{keyset:?}: {seen:?}");
    }
}
