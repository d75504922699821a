//! Random rows, filters, orders and pages: SQLite gives what a plain filter in Rust gives.

use clodo_db::{
    Database as _, SqliteDatabase, Value,
    query::{Column, Expr, Insert, Key, Keyset, Operand as _, Order, Select, Table},
};
use proptest::prelude::{
    BoxedStrategy, Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest,
};
use std::cmp::Ordering;

const T: Table = Table::new("it's; --`");
const ID: Column = T.column("id");
const COLUMNS: [Column; 3] = [ID, T.column("a\"b"), T.column("c`d")];

/// Key, and two columns that take any value as it is.
type Row = [Value; 3];

fn value() -> impl Strategy<Value = Value> {
    const TEXTS: [&str; 8] = ["", "a", "A", "b%_", "it's", "' OR 1 --", "ü", "10"];
    prop_oneof![
        2 => Just(Value::Null),
        3 => (-2..3_i64).prop_map(Value::Integer),
        2 => proptest::sample::select(&[-1.5, 0.5, 1.0, f64::INFINITY, 5e-324][..]).prop_map(Value::Real),
        3 => proptest::sample::select(&TEXTS[..]).prop_map(Value::from),
        1 => proptest::sample::select(vec![vec![], vec![0], vec![97]]).prop_map(Value::Blob),
        1 => proptest::sample::select(vec![i64::MAX, i64::MIN, (1 << 53) + 1]).prop_map(Value::Integer),
    ]
}

fn table() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((value(), value()), 0..24).prop_map(|rows| {
        let row = |(at, (a, b))| [Value::Integer(at), a, b];
        (1..).zip(rows).map(row).collect()
    })
}

/// Where a value stands among others that are not null: numbers, texts, bytes.
fn compare(a: &Value, b: &Value) -> Ordering {
    fn class(value: &Value) -> u8 {
        match value {
            Value::Null => 0,
            Value::Integer(_) | Value::Real(_) => 1,
            Value::Text(_) => 2,
            Value::Blob(_) => 3,
        }
    }
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
        (Value::Integer(a), Value::Real(b)) => exact(*a, *b),
        (Value::Real(a), Value::Integer(b)) => exact(*b, *a).reverse(),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        _ => class(a).cmp(&class(b)),
    }
}

/// The fractions of these tests are small or infinite.
fn exact(whole: i64, real: f64) -> Ordering {
    let floor = if real.is_infinite() { i128::MAX } else { real.floor() as i128 };
    match i128::from(whole).cmp(&floor) {
        Ordering::Equal if real > real.floor() => Ordering::Less,
        other => other,
    }
}

/// A filter, told twice: to SQLite through the builder, to Rust by `holds`.
#[derive(Clone, Debug)]
enum Filter {
    Compare(usize, u8, Value),
    Columns(usize, usize),
    Null(usize, bool),
    Between(usize, Value, Value),
    In(usize, Vec<Value>),
    Integers(usize, Vec<i64>),
    Texts(usize, Vec<String>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

fn filter() -> BoxedStrategy<Filter> {
    let at = || 0..3_usize;
    let leaf = prop_oneof![
        4 => (at(), 0..6_u8, value()).prop_map(|(at, op, value)| Filter::Compare(at, op, value)),
        1 => (at(), at()).prop_map(|(a, b)| Filter::Columns(a, b)),
        1 => (at(), any::<bool>()).prop_map(|(at, is)| Filter::Null(at, is)),
        1 => (at(), value(), value()).prop_map(|(at, from, to)| Filter::Between(at, from, to)),
        1 => (at(), prop::collection::vec(value(), 0..4)).prop_map(|(at, list)| Filter::In(at, list)),
        1 => (at(), prop::collection::vec(-2..30_i64, 0..4)).prop_map(|(at, list)| Filter::Integers(at, list)),
        1 => (at(), prop::collection::vec("[aA'\"\\\\ü]{0,2}", 0..4)).prop_map(|(at, list)| Filter::Texts(at, list)),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(|one| Filter::Not(Box::new(one))),
            two.clone().prop_map(|(a, b)| Filter::And(Box::new(a), Box::new(b))),
            two.prop_map(|(a, b)| Filter::Or(Box::new(a), Box::new(b))),
        ]
    })
    .boxed()
}

impl Filter {
    fn built(&self) -> Expr {
        match self {
            Self::Compare(at, op, value) => {
                let (column, value) = (COLUMNS[*at], value.clone());
                match op {
                    0 => column.equals(value),
                    1 => column.not_equals(value),
                    2 => column.less_than(value),
                    3 => column.at_most(value),
                    4 => column.greater_than(value),
                    _ => column.at_least(value),
                }
            }
            Self::Columns(a, b) => COLUMNS[*a].equals(COLUMNS[*b]),
            Self::Null(at, true) => COLUMNS[*at].is_null(),
            Self::Null(at, false) => COLUMNS[*at].is_not_null(),
            Self::Between(at, from, to) => COLUMNS[*at].between(from.clone(), to.clone()),
            Self::In(at, list) => COLUMNS[*at].is_in(list.clone()),
            Self::Integers(at, list) => COLUMNS[*at].is_in_integers(list.iter().copied()),
            Self::Texts(at, list) => COLUMNS[*at].is_in_texts(list),
            Self::Not(one) => one.built().negated(),
            Self::And(a, b) => a.built().and(b.built()),
            Self::Or(a, b) => a.built().or(b.built()),
        }
    }

    /// As SQL has it: nothing is neither true nor false.
    fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Self::Compare(at, 0, Value::Null) => Some(row[*at] == Value::Null),
            Self::Compare(at, 1, Value::Null) => Some(row[*at] != Value::Null),
            Self::Compare(at, op, value) => {
                let order = known(&row[*at], &beside(*at, value))?;
                Some(match op {
                    0 => order.is_eq(),
                    1 => order.is_ne(),
                    2 => order.is_lt(),
                    3 => order.is_le(),
                    4 => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Self::Columns(a, b) => {
                Some(known(&beside(*b, &row[*a]), &beside(*a, &row[*b]))?.is_eq())
            }
            Self::Null(at, is) => Some((row[*at] == Value::Null) == *is),
            Self::Between(at, from, to) => both(
                known(&row[*at], &beside(*at, from)).map(Ordering::is_ge),
                known(&row[*at], &beside(*at, to)).map(Ordering::is_le),
            ),
            Self::In(at, list) => {
                among(&row[*at], &list.iter().map(|one| beside(*at, one)).collect::<Vec<_>>())
            }
            Self::Integers(at, list) => {
                among(&row[*at], &list.iter().map(|one| Value::from(*one)).collect::<Vec<_>>())
            }
            Self::Texts(at, list) => among(
                &row[*at],
                &list.iter().map(|one| Value::from(one.as_str())).collect::<Vec<_>>(),
            ),
            Self::Not(one) => one.holds(row).map(|holds| !holds),
            Self::And(a, b) => both(a.holds(row), b.holds(row)),
            Self::Or(a, b) => {
                both(a.holds(row).map(|a| !a), b.holds(row).map(|b| !b)).map(|neither| !neither)
            }
        }
    }
}

/// What a value is beside a column: the key is a number, and takes a text that is one for it.
fn beside(at: usize, value: &Value) -> Value {
    match value {
        Value::Text(text) if at == 0 && text == "10" => 10.into(),
        value => value.clone(),
    }
}

fn known(a: &Value, b: &Value) -> Option<Ordering> {
    (*a != Value::Null && *b != Value::Null).then(|| compare(a, b))
}

fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn among(value: &Value, list: &[Value]) -> Option<bool> {
    let one = |with: &Value| known(value, with).map(Ordering::is_ne);
    list.iter().map(one).fold(Some(true), both).map(|none| !none)
}

/// A column, whether it goes down, and whether nothing comes first if that is said.
type By = (usize, bool, Option<bool>);

fn order() -> impl Strategy<Value = Vec<By>> {
    prop::collection::vec((1..3_usize, any::<bool>(), any::<Option<bool>>()), 0..3)
}

fn before(by: &[By], a: &Row, b: &Row) -> Ordering {
    let one = |(at, descending, first): &By| {
        let (a, b) = (&a[*at], &b[*at]);
        let nulls_first = first.unwrap_or(!descending);
        match (*a == Value::Null, *b == Value::Null) {
            (true, true) => Ordering::Equal,
            (true, false) if nulls_first => Ordering::Less,
            (false, true) if !nulls_first => Ordering::Less,
            (true, false) | (false, true) => Ordering::Greater,
            _ if *descending => compare(b, a),
            _ => compare(a, b),
        }
    };
    by.iter().map(one).fold(Ordering::Equal, Ordering::then)
}

fn built(by: &By) -> Order {
    let (at, descending, first) = by;
    let order = if *descending { COLUMNS[*at].descending() } else { COLUMNS[*at].ascending() };
    match first {
        Some(true) => order.nulls_first(),
        Some(false) => order.nulls_last(),
        None => order,
    }
}

fn ids(rows: &[Row]) -> Vec<i64> {
    rows.iter().map(|row| row[0].as_integer().unwrap()).collect()
}

async fn filled(rows: &[Row]) -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let make = "CREATE TABLE \"it's; --`\" (id INTEGER PRIMARY KEY, \"a\"\"b\", \"c`d\")";
    database.script(make).await.unwrap();
    if !rows.is_empty() {
        let insert = Insert::into(T).columns(COLUMNS).rows(rows.iter().cloned());
        database.batch(&[insert.build().unwrap()]).await.unwrap();
    }
    database
}

async fn found(database: &SqliteDatabase, select: Select) -> Vec<i64> {
    let statement = select.build().unwrap();
    let rows = database.query(&statement).await;
    rows.unwrap_or_else(|error| panic!("{error}: {}", statement.sql)).typed().unwrap()
}

/// What a walk from page to page gives.
async fn walk(database: &SqliteDatabase, keys: &Keyset, size: u32, filter: &Expr) -> Vec<i64> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let paging = keys.page(size).after(cursor.as_deref()).unwrap();
        let select = Select::from(T).column(ID).filter(filter.clone());
        let rows = database.query(&paging.select(select).build().unwrap()).await.unwrap();
        let page = paging.read(rows).unwrap();
        assert!(page.rows.rows.len() <= size as usize);
        found.extend(page.rows.typed::<i64>().unwrap());
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
        assert!(!page.rows.rows.is_empty());
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn filters_orders_and_offsets_give_what_a_plain_filter_gives(
        rows in table(), filter in filter(), by in order(), limit in any::<Option<u8>>(), offset in 0..9_u64,
    ) {
        let mut expected: Vec<Row> =
            rows.iter().filter(|row| filter.holds(row) == Some(true)).cloned().collect();
        expected.sort_by(|a, b| before(&by, a, b));
        let expected = ids(&expected);
        let limit = limit.map(|limit| u64::from(limit % 12));
        let page: Vec<i64> = expected.iter().copied().skip(usize::try_from(offset).unwrap())
            .take(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap())).collect();
        now(async {
            let database = filled(&rows).await;
            let select = || Select::from(T).column(ID).filter(filter.built());
            let ordered = by.iter().map(built).fold(select(), Select::order_by).order_by(ID);
            assert_eq!(found(&database, ordered.clone()).await, expected);
            let cut = ordered.offset(offset);
            let cut = match limit { Some(limit) => cut.limit(limit), None => cut };
            assert_eq!(found(&database, cut).await, page);
            assert_eq!(found(&database, select().counted()).await, [expected.len() as i64]);
        });
    }

    #[test]
    fn pages_by_cursor_give_every_row_once_and_in_order(
        rows in table(), filter in filter(), by in order(), last in any::<bool>(), size in 1..6_u32,
    ) {
        let by: Vec<By> = by.into_iter().map(|(at, descending, _)| (at, descending, None)).collect();
        let key = |(at, descending, _): &By| match descending {
            true => Key::descending(COLUMNS[*at]),
            false => Key::ascending(COLUMNS[*at]),
        };
        let id = if last { Key::descending(ID) } else { Key::ascending(ID).not_null() };
        let mut keys = by.iter().map(key).chain([id]);
        let first = Keyset::by(keys.next().unwrap());
        let keyset = keys.fold(first, Keyset::then);
        let mut expected: Vec<Row> =
            rows.iter().filter(|row| filter.holds(row) == Some(true)).cloned().collect();
        expected.sort_by(|a, b| before(&by, a, b).then_with(|| match last {
            true => compare(&b[0], &a[0]),
            false => compare(&a[0], &b[0]),
        }));
        now(async {
            let database = filled(&rows).await;
            assert_eq!(walk(&database, &keyset, size, &filter.built()).await, ids(&expected));
        });
    }
}
