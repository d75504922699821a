//! What a poll of a canary costs, beside the poll itself.
//! `cargo bench -p clodo-benches --bench judging`

#![allow(missing_docs, reason = "criterion's macros make public items")]

use clodo_judge::{Arm, Batch, Bounds, Histogram, Judge, JudgeOptions};
use criterion::{Criterion, criterion_group, criterion_main};
use std::{hint::black_box, time::Duration};

/// So many requests, one in two hundred of which fails, with latencies from 20 to 119 ms.
fn arm(requests: u64) -> Arm {
    let mut latency = Histogram::new(Bounds::default());
    for request in 0..requests {
        latency.record(Duration::from_millis(20 + request * 7 % 100));
    }
    Arm::new(requests, requests / 200).with_latency(latency)
}

fn judging(criterion: &mut Criterion) {
    let batch = Batch::new(arm(4500), arm(500));
    let poll = |options: JudgeOptions| {
        let mut judge = Judge::new(options).expect("options that make sense");
        judge.observe(&batch).expect("a batch that can be true");
        let batch = &batch;
        move || {
            judge.observe(batch).expect("a batch that can be true");
            judge.verdict()
        }
    };
    let mut all = poll(JudgeOptions::default());
    criterion.bench_function("observe and verdict: errors, p50, p95", |bencher| {
        bencher.iter(|| black_box(all()));
    });
    let mut errors = poll(JudgeOptions::default().with_quantiles([]));
    criterion.bench_function("observe and verdict: errors", |bencher| {
        bencher.iter(|| black_box(errors()));
    });
}

criterion_group!(benches, judging);
criterion_main!(benches);
