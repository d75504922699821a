//! How fast SQL text is cut into statements; the bar is 100 MB/s.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use clodo_db::split;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{fmt::Write as _, hint::black_box};

/// A dump as a backup writes it, and migrations as people write them.
fn texts() -> [(&'static str, String); 2] {
    let (mut dump, mut hand) = (String::new(), String::new());
    for row in 0..50_000 {
        let _ = writeln!(
            dump,
            "INSERT INTO \"orders\" (\"id\", \"note\", \"key\") VALUES ({row}, 'it''s; number {row} -- not a comment', x'00ff00ff00ff00ff');"
        );
        let _ = writeln!(
            hand,
            "-- step {row}\nALTER TABLE t{row} ADD COLUMN [a;b] TEXT; /* why; */\n\
             CREATE TRIGGER g{row} AFTER INSERT ON t{row} BEGIN UPDATE t SET a = CASE WHEN 1 THEN 2 END; END;"
        );
    }
    [("a dump", dump), ("migrations by hand", hand)]
}

fn splitting(c: &mut Criterion) {
    let mut group = c.benchmark_group("split");
    for (name, text) in texts() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| split(black_box(&text)).count()));
    }
    group.finish();
}

criterion_group!(benches, splitting);
criterion_main!(benches);
