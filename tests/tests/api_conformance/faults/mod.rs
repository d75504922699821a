//! Each kind of fault × each write: nothing twice, nothing lost, and an error says honestly whether
//! the write may have happened. Whoever gets an error looks before doing it again.
//!
//! What a write does is not written down anywhere: a second cloud does the same without a fault, and
//! after each attempt the state is that of before or that of after, as it is there.

mod look;
mod lost_replies;
mod prepared;
mod table;
mod whole;
mod world;
mod write;

pub(crate) use table::{KEPT_APART, writes};

use look::observed;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use world::World;
use write::Write;

/// What can be seen of each write before and after it, in a cloud without faults.
async fn reference(world: &World) -> Vec<(Value, Value)> {
    let mut seen = Vec::new();
    for write in writes() {
        let before = observed(world, &write).await;
        (write.act)(world).await.unwrap_or_else(|error| panic!("{}: {error}", write.route));
        let mut after = observed(world, &write).await;
        for _ in 0..400 {
            if after != before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            after = observed(world, &write).await;
        }
        assert_ne!(before, after, "{}: nothing that is looked at shows it", write.route);
        seen.push((before, after));
    }
    seen
}

/// Whether this kind of fault lets the call have its effect.
fn takes_effect(kind: &str) -> bool {
    !BEFORE.contains(&kind)
}

fn fault(kind: &str, route: &str) -> Value {
    let mut fault = json!({ "kind": kind, "route": route, "times": 1 });
    match kind {
        "too-many-requests" => fault["retry_after"] = 0.into(),
        "slow" => fault["delay"] = "20ms".into(),
        _ => {}
    }
    fault
}

/// Looks until what is seen is what was expected; some effects take a moment.
async fn becomes(world: &World, write: &Write, wanted: &Value) -> Value {
    let mut seen = observed(world, write).await;
    let patience = if write.twice.is_some() { 4 } else { 200 };
    for _ in 0..patience {
        if seen == *wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        seen = observed(world, write).await;
    }
    seen
}

/// One fault at one write, which is done until it is done. True when it is there twice, as the
/// table says that it may.
async fn survives(world: &World, kind: &str, write: &Write, seen: &(Value, Value)) -> bool {
    let (before, after) = seen;
    let case = format!("{kind} × {}", write.route);
    world.cloud.control("POST", "faults", fault(kind, &write.pattern())).await;
    for attempt in 1..=3 {
        let outcome = (write.act)(world).await;
        let done = outcome.is_ok() || (takes_effect(kind) && attempt == 1);
        if !done {
            let error = outcome.unwrap_err();
            assert_eq!(observed(world, write).await, *before, "{case}: {error}, and something is");
            assert!(attempt < 3, "{case}: lost: {error}");
            continue;
        }
        if let Err(error) = &outcome {
            // Twice delivered, the second answer may complain about what the first one did.
            let honest = error.may_have_happened() || kind == "duplicate";
            assert!(honest, "{case}: `{error}` denies what was done");
        }
        let seen = becomes(world, write, after).await;
        // Either the network delivers it twice, or the client does: it may, where that is no harm.
        let repeated = outcome.is_ok() && takes_effect(kind) && kind != "slow";
        if write.twice.is_some() && (repeated || kind == "duplicate") {
            assert_ne!(seen, *before, "{case}: lost");
            assert!(kind != "duplicate" || seen != *after, "{case}: it is there once");
            return seen != *after;
        }
        assert_eq!(seen, *after, "{case}: {outcome:?}");
        break;
    }
    false
}

/// Each of these kinds at every write, once each, every kind in a cloud of its own.
async fn matrix(kinds: &[&str]) {
    let Some(untroubled) = World::new().await else { return };
    let seen = reference(&untroubled).await;
    let whole = untroubled.snapshot();
    for kind in kinds {
        let Some(world) = World::new().await else { return };
        let mut twice = Vec::new();
        for (write, seen) in writes().zip(&seen) {
            if survives(&world, kind, &write, seen).await {
                twice.push(write);
            }
        }
        whole::same_but_for(&whole, &world, &twice);
    }
}

/// Nothing is done.
const BEFORE: [&str; 4] = ["too-many-requests", "error-before", "cut-before", "html"];
/// It is done, and nobody hears of it.
const AFTER: [&str; 4] = ["error-after", "cut-after", "cut-body", "malformed"];
/// It is done, late or twice.
const OTHERWISE: [&str; 2] = ["slow", "duplicate"];

#[tokio::test]
async fn what_goes_wrong_before_the_effect_loses_nothing() {
    matrix(&BEFORE).await;
}

// conformance: limits and faults | each kind of fault at each write: nothing twice, nothing lost | documented
#[tokio::test]
async fn what_goes_wrong_after_the_effect_doubles_nothing() {
    matrix(&AFTER).await;
}

#[tokio::test]
async fn what_comes_late_or_twice_doubles_what_the_table_says_and_nothing_else() {
    matrix(&OTHERWISE).await;
}

/// Every kind of fault that the local Cloudflare knows.
fn kinds() -> impl Iterator<Item = &'static str> {
    BEFORE.into_iter().chain(AFTER).chain(OTHERWISE)
}

#[test]
fn every_kind_of_fault_has_its_row_in_the_matrix() {
    let tried: BTreeSet<_> = kinds().collect();
    assert_eq!(tried, BTreeSet::from(clodo_local::FaultKind::NAMES));
}
