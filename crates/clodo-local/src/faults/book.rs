//! The faults in force, and whom they hit.

use super::rule::{Fault, FaultKind, FaultWire};
use http::Method;
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// All faults, in the order in which they were added; the first that hits counts.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    /// Spares calls the lock while there are no faults.
    any: AtomicBool,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    list: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    fault: Fault,
    /// Calls that the route fits, and calls that were hit.
    seen: u64,
    hit: u64,
    /// How many calls there were, by method and template.
    routes: HashMap<String, u64>,
}

/// A call, as faults see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a Method,
    /// After `/client/v4`.
    pub(crate) path: &'a str,
    /// The same with placeholders, so that random ids do not change the draw.
    pub(crate) template: &'a str,
}

/// A fault and what it did, for the control API.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FaultReport {
    pub(crate) id: String,
    #[serde(flatten)]
    fault: FaultWire,
    seen: u64,
    hit: u64,
}

impl FaultBook {
    /// Adds one and says what it is called.
    pub(crate) fn add(&self, fault: Fault) -> FaultReport {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.last += 1;
        let entry = Entry { id: entries.last, fault, seen: 0, hit: 0, routes: HashMap::new() };
        let report = entry.report();
        entries.list.push(entry);
        self.any.store(true, Ordering::Release);
        report
    }

    pub(crate) fn list(&self) -> Vec<FaultReport> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.list.iter().map(Entry::report).collect()
    }

    /// Removes one, or all. Says how many were removed; after all, numbers begin anew.
    pub(crate) fn clear(&self, id: Option<&str>) -> usize {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let before = entries.list.len();
        match id {
            None => *entries = Entries::default(),
            Some(id) => entries.list.retain(|entry| entry.id.to_string() != id),
        }
        self.any.store(!entries.list.is_empty(), Ordering::Release);
        before - entries.list.len()
    }

    /// Which fault this call meets.
    pub(crate) fn draw(&self, call: Seen<'_>) -> Option<FaultKind> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut drawn = None;
        for entry in &mut entries.list {
            // Each counts every call, whether or not an earlier one hits it.
            let hits = entry.meets(call);
            if hits && drawn.is_none() {
                entry.hit += 1;
                drawn = Some(entry.fault.kind);
            }
        }
        drawn
    }
}

impl Entry {
    fn meets(&mut self, call: Seen<'_>) -> bool {
        if !self.fault.route.fits(call.method, call.path) {
            return false;
        }
        self.seen += 1;
        let route = format!("{} {}", call.method, call.template);
        let count = self.routes.entry(route.clone()).or_insert(0);
        *count += 1;
        let point = point(self.fault.seed, self.id, &route, *count);
        self.fault.nth.is_none_or(|nth| nth == self.seen)
            && self.fault.times.is_none_or(|times| self.hit < times)
            && point < self.fault.rate
    }

    fn report(&self) -> FaultReport {
        let fault = self.fault.wire();
        FaultReport { id: self.id.to_string(), fault, seen: self.seen, hit: self.hit }
    }
}

/// A point in [0, 1) that depends on all of these and on nothing else.
fn point(seed: u64, id: u64, route: &str, count: u64) -> f64 {
    let mut hash = blake3::Hasher::new();
    hash.update(&seed.to_le_bytes());
    hash.update(&id.to_le_bytes());
    hash.update(&count.to_le_bytes());
    hash.update(route.as_bytes());
    let mut first = [0; 4];
    first.copy_from_slice(&hash.finalize().as_bytes()[..4]);
    f64::from(u32::from_le_bytes(first)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(method: &'a Method, path: &'a str) -> Seen<'a> {
        Seen { method, path, template: path }
    }

    fn hits(fault: Fault, calls: usize) -> Vec<usize> {
        let book = FaultBook::default();
        book.add(fault);
        let met = |_: &usize| book.draw(call(&Method::GET, "/zones")).is_some();
        (1..=calls).filter(met).collect()
    }

    #[test]
    fn the_same_seed_hits_the_same_calls_and_another_one_others() {
        let some = || Fault::new(FaultKind::CutAfter).with_rate(0.2);
        let first = hits(some().with_seed(7), 1_000);
        assert_eq!(first, hits(some().with_seed(7), 1_000));
        assert_ne!(first, hits(some().with_seed(8), 1_000));
        assert!((150..250).contains(&first.len()), "{}", first.len());
        assert!(hits(some().with_rate(0.0), 1_000).is_empty());
    }

    #[test]
    fn other_routes_in_between_change_nothing() {
        let book = FaultBook::default();
        book.add(Fault::new(FaultKind::CutAfter).with_rate(0.2).with_seed(7));
        let mut met = Vec::new();
        for n in 1..=1_000 {
            book.draw(call(&Method::POST, "/zones"));
            if book.draw(call(&Method::GET, "/zones")).is_some() {
                met.push(n);
            }
        }
        let alone = hits(Fault::new(FaultKind::CutAfter).with_rate(0.2).with_seed(7), 1_000);
        assert_eq!(met, alone);
    }

    #[test]
    fn the_nth_call_and_the_first_few_can_be_meant() {
        assert_eq!(hits(Fault::new(FaultKind::Duplicate).only_nth(3), 10), [3]);
        assert_eq!(hits(Fault::new(FaultKind::Duplicate).at_most(2), 10), [1, 2]);
        let puts = Fault::new(FaultKind::Duplicate).on("PUT").unwrap();
        assert!(hits(puts, 10).is_empty());
    }

    #[test]
    fn faults_are_numbered_listed_and_removed() {
        let book = FaultBook::default();
        book.add(Fault::new(FaultKind::CutBefore));
        book.add(Fault::new(FaultKind::CutAfter));
        assert_eq!(book.draw(call(&Method::GET, "/x")), Some(FaultKind::CutBefore));
        assert_eq!(book.clear(Some("1")), 1);
        assert_eq!(book.clear(Some("1")), 0);
        assert_eq!(book.draw(call(&Method::GET, "/x")), Some(FaultKind::CutAfter));
        let report = serde_json::to_value(book.list()).unwrap();
        assert_eq!((&report[0]["id"], &report[0]["seen"]), (&"2".into(), &2.into()));
        assert_eq!(book.clear(None), 1);
        assert_eq!(book.draw(call(&Method::GET, "/x")), None);
    }
}
