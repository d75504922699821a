//! How fast a statement is put together; the bar is 1 µs for a simple select.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use clodo_db::{
    Statement,
    query::{Column, Insert, Key, Keyset, OnConflict, Operand as _, Select, Table},
};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const NOTES: Table = Table::new("notes");
const ID: Column = NOTES.column("id");
const TITLE: Column = NOTES.column("title");
const BODY: Column = NOTES.column("body");
const AUTHOR: Column = NOTES.column("author");
const AUTHORS: Table = Table::new("authors");

fn simple(author: i64) -> Statement {
    Select::from(NOTES)
        .columns([ID, TITLE, BODY])
        .filter(AUTHOR.equals(author))
        .order_by(ID.descending())
        .limit(20)
        .build()
        .expect("a select")
}

fn joined(author: i64) -> Statement {
    Select::from(NOTES)
        .column(AUTHORS.column("name"))
        .column(ID.count().named(Column::new("total")))
        .join(AUTHORS, AUTHORS.column("id").equals(AUTHOR))
        .filter(AUTHOR.equals(author).or(TITLE.like("a%")).and(BODY.is_not_null()))
        .group_by(AUTHOR)
        .having(Column::new("total").greater_than(1))
        .order_by(Column::new("total").descending())
        .build()
        .expect("a select")
}

fn upsert(author: i64) -> Statement {
    Insert::into(NOTES)
        .columns([ID, TITLE, AUTHOR])
        .rows((0..30).map(|id| (id, "title", author)))
        .on_conflict(OnConflict::of([ID]).take([TITLE, AUTHOR]))
        .build()
        .expect("an insert")
}

fn building(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.bench_function("simple select", |bencher| bencher.iter(|| simple(black_box(7))));
    group.bench_function("join with groups", |bencher| bencher.iter(|| joined(black_box(7))));
    group.bench_function("upsert of 30 rows", |bencher| bencher.iter(|| upsert(black_box(7))));
    let keys = Keyset::by(Key::descending(AUTHOR)).then(Key::ascending(ID).not_null());
    group.bench_function("first page by cursor", |bencher| {
        bencher.iter(|| keys.page(20).select(Select::from(NOTES).column(black_box(ID))).build())
    });
    group.finish();
}

criterion_group!(benches, building);
criterion_main!(benches);
