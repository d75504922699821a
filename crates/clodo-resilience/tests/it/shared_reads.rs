use clodo_resilience::{Made, SharedReads, SharedReadsOptions, Source};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::{JoinHandle, JoinSet, yield_now},
    time::{Instant, advance, sleep},
};

const KEEP: Duration = Duration::from_secs(2);

type Reads = Arc<SharedReads<&'static str, u32>>;

fn reads(entries: usize, weight: usize) -> Reads {
    Arc::new(SharedReads::new(SharedReadsOptions::new(entries, weight)))
}

fn made(value: u32) -> Made<u32> {
    Made { value, keep: KEEP, weight: 1 }
}

async fn at_once(reads: &Reads, key: &'static str, value: u32) -> (u32, Source) {
    reads.get(key, || async { Ok::<_, Infallible>(made(value)) }).await.unwrap()
}

/// Reads for a second, then gives what is said.
fn slow(reads: &Reads, key: &'static str, end: Result<u32, &'static str>) -> Got {
    let reads = Arc::clone(reads);
    tokio::spawn(async move {
        let read = || async {
            sleep(Duration::from_secs(1)).await;
            end.map(made)
        };
        reads.get(key, read).await
    })
}

type Got = JoinHandle<Result<(u32, Source), &'static str>>;

/// Whoever wakes first reads for the other.
async fn one_read_for_both(one: Got, other: Got) {
    let (one, other) = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
    assert_eq!(one.0, other.0);
    let mut sources = [one.1, other.1];
    sources.sort_unstable_by_key(|source| *source == Source::Shared);
    assert_eq!(sources, [Source::Made, Source::Shared]);
}

#[tokio::test(start_paused = true)]
async fn equal_reads_at_the_same_time_are_one_read() {
    let reads = reads(10, 10);
    let count = Arc::new(AtomicU32::new(0));
    let mut all = JoinSet::new();
    for _ in 0..100 {
        let (reads, count) = (Arc::clone(&reads), Arc::clone(&count));
        all.spawn(async move {
            let read = || async {
                sleep(Duration::from_secs(1)).await;
                Ok::<_, Infallible>(made(count.fetch_add(1, Ordering::SeqCst)))
            };
            reads.get("a", read).await.unwrap()
        });
    }
    let got = all.join_all().await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(got.iter().all(|(value, _)| *value == 0));
    assert_eq!(got.iter().filter(|(_, source)| *source == Source::Made).count(), 1);
    assert_eq!(at_once(&reads, "b", 9).await, (9, Source::Made), "another key is another read");
}

#[tokio::test(start_paused = true)]
async fn a_value_is_kept_for_as_long_as_it_says() {
    let reads = reads(10, 10);
    assert_eq!(at_once(&reads, "a", 1).await, (1, Source::Made));
    advance(KEEP - Duration::from_millis(1)).await;
    assert_eq!(at_once(&reads, "a", 2).await, (1, Source::Kept));
    advance(Duration::from_millis(1)).await;
    assert_eq!(at_once(&reads, "a", 2).await, (2, Source::Made));
    let now_only = || async { Ok::<_, Infallible>(Made { keep: Duration::ZERO, ..made(3) }) };
    reads.get("c", now_only).await.unwrap();
    assert_eq!(at_once(&reads, "c", 4).await, (4, Source::Made));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_its_callers_own() {
    let reads = reads(10, 10);
    let (first, second, third) =
        (slow(&reads, "a", Err("down")), slow(&reads, "a", Ok(2)), slow(&reads, "a", Ok(3)));
    assert_eq!(first.await.unwrap(), Err("down"));
    one_read_for_both(second, third).await;
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_service_that_is_down_do_not_wait_for_each_other_in_turn() {
    let reads = reads(10, 10);
    let began = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let read = slow(&reads, "a", Err("down"));
        all.spawn(async move { read.await.unwrap() });
    }
    assert!(all.join_all().await.iter().all(|end| *end == Err("down")));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert_eq!(reads.view().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn when_the_reader_is_dropped_one_that_waits_takes_over() {
    let reads = reads(10, 10);
    let (first, second, third) =
        (slow(&reads, "a", Ok(1)), slow(&reads, "a", Ok(2)), slow(&reads, "a", Ok(3)));
    yield_now().await;
    first.abort();
    one_read_for_both(second, third).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_what_was_read_before_it_was_forgotten() {
    let reads = reads(10, 10);
    at_once(&reads, "a", 1).await;
    at_once(&reads, "b", 1).await;
    let before = slow(&reads, "c", Ok(1));
    yield_now().await;
    reads.forget(|key| *key != "b");
    let after = slow(&reads, "c", Ok(2));
    yield_now().await;
    assert_eq!(before.await.unwrap(), Ok((1, Source::Made)), "who waited already gets it");
    assert_eq!(after.await.unwrap(), Ok((2, Source::Made)));
    assert_eq!(at_once(&reads, "a", 2).await, (2, Source::Made));
    assert_eq!(at_once(&reads, "b", 2).await, (1, Source::Kept));
    assert_eq!(at_once(&reads, "c", 3).await, (2, Source::Kept), "the old one was not kept");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_heavy_is_shared_and_not_kept() {
    let reads = reads(10, 10);
    let heavy = || async { Ok::<_, Infallible>(Made { weight: 11, ..made(1) }) };
    reads.get("a", heavy).await.unwrap();
    assert_eq!(reads.view().entries, 0);
    assert_eq!(at_once(&reads, "a", 2).await, (2, Source::Made));
}

#[tokio::test(start_paused = true)]
async fn the_longest_unused_value_goes_first() {
    let reads = reads(2, 10);
    for key in ["a", "b", "a", "c"] {
        at_once(&reads, key, 1).await;
    }
    assert_eq!(at_once(&reads, "a", 2).await, (1, Source::Kept));
    assert_eq!(at_once(&reads, "b", 2).await, (2, Source::Made));
}
