//! A program with a SQLite database and nothing else: it migrates, inserts, and reads page by page.
//!
//! `cargo run -p clodo-db --example notes`

use clodo_db::{
    Batch, Database as _, DatabaseError, FromRow, MigrationFile, Migrations, Migrator, Row,
    RowError, SqliteDatabase, TransactionalExt as _,
    query::{Column, Insert, Key, Keyset, Operand as _, Select, Table, Update},
};
use std::{
    error::Error,
    io::{self, Write as _},
};

const NOTES: Table = Table::new("notes");
const ID: Column = NOTES.column("id");
const TITLE: Column = NOTES.column("title");
const STARS: Column = NOTES.column("stars");

struct Note {
    id: i64,
    title: String,
    stars: Option<i64>,
}

impl FromRow for Note {
    fn from_row(row: &Row<'_>) -> Result<Self, RowError> {
        Ok(Self { id: row.get("id")?, title: row.get("title")?, stars: row.get("stars")? })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let database = SqliteDatabase::in_memory().await?;
    let sql = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL, stars INTEGER);";
    let file = MigrationFile::new("0001_notes.sql", "migrations/0001_notes.sql", sql);
    Migrator::new(&database).up(&Migrations::new(vec![file])?).await?;

    let rows = (1..=7).map(|at| (format!("note {at}"), (at % 3 > 0).then_some(at % 3)));
    let insert = Insert::into(NOTES).columns([TITLE, STARS]).rows(rows);
    let parts = insert.build_all(&database.capabilities())?;
    Batch::new().run_all(parts).expect_changes(7).send(&database).await?;

    let star = Update::table(NOTES).set(STARS, STARS.or_else(0).plus(2)).filter(ID.equals(3));
    let star = star.returning([STARS]).build()?;
    let done: Result<_, DatabaseError> = database.transaction(async |tx| tx.run(&star).await).await;
    let now: Option<i64> = done?.first()?;
    let mut out = io::stdout();
    writeln!(out, "note 3 has {} stars", now.unwrap_or_default())?;

    let best = Keyset::by(Key::descending(STARS)).then(Key::ascending(ID).not_null());
    let (mut cursor, mut number) = (None, 1);
    loop {
        let paging = best.page(3).after(cursor.as_deref())?;
        let select = paging.select(Select::from(NOTES).columns([ID, TITLE, STARS])).build()?;
        let page = paging.read(database.query(&select).await?)?;
        writeln!(out, "page {number}")?;
        for Note { id, title, stars } in page.rows.typed()? {
            let stars = "*".repeat(usize::try_from(stars.unwrap_or(0))?);
            writeln!(out, "  {id}. {title} {stars}")?;
        }
        (cursor, number) = (page.next, number + 1);
        if cursor.is_none() {
            return Ok(());
        }
    }
}
