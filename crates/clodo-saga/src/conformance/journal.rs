use crate::{
    error::JournalErrorKind,
    journal::{Addition, Closing, Ending, Entry, JournalStore, RunHeader, RunQuery},
    step::StepId,
};
use clodo_types::{DeploymentId, Timestamp};
use serde_json::json;

/// Everything about journals.
pub async fn journal_store(store: &dyn JournalStore) {
    a_run_keeps_its_entries_in_order(store).await;
    runs_are_listed_newest_first(store).await;
    a_closed_run_takes_nothing_more(store).await;
}

pub(super) fn header(number: u32, scope: &str) -> RunHeader {
    RunHeader {
        id: id(number),
        scope: scope.into(),
        // Clocks go backwards; the order must not depend on them.
        started_at: Timestamp::from_millis(1_000_000 - i64::from(number)),
        data: json!({ "number": number, "text": "ü\u{0}\"" }),
    }
}

pub(super) fn id(number: u32) -> DeploymentId {
    format!("00000000-0000-7000-8000-{number:012}").parse().expect("this is a UUID")
}

pub(super) fn closing(ending: Ending) -> Closing {
    Closing { at: Timestamp::from_millis(5), ending, data: json!([1, null]) }
}

/// An addition under no lease.
fn at_second(second: i64, entries: &[Entry]) -> Addition<'_> {
    Addition { at: Timestamp::from_millis(second * 1_000), entries, fence: None }
}

async fn a_run_keeps_its_entries_in_order(store: &dyn JournalStore) {
    let run = header(1, "first");
    store.open(&run, None).await.expect("a new run opens");
    let step = |name: &str| StepId::new(name);
    let entries = [
        Entry::Started { step: step("b"), before: json!({ "version": "x" }) },
        Entry::Started { step: step("a"), before: json!(null) },
        Entry::Done { step: step("a"), output: json!(["out"]) },
        Entry::Failed { step: step("b"), error: "no".into() },
        Entry::Undone { step: step("a") },
        Entry::Kept { step: step("b"), reason: "data".into() },
        Entry::Stuck { step: step("b"), error: "no".into() },
    ];
    for (at, entries) in [(7, &entries[..2]), (3, &entries[2..6]), (5, &[]), (-1, &entries[6..])] {
        store.append(&run.id, &at_second(at, entries)).await.expect("an open run takes entries");
    }
    assert_eq!(store.entries(&run.id).await.expect("entries can be read"), entries);
    let records = store.records(&run.id, 0).await.expect("entries can be read");
    assert!(records.is_sorted_by(|a, b| a.number < b.number) && records[0].number > 0);
    let moments: Vec<_> = records.iter().map(|record| record.at.as_millis()).collect();
    assert_eq!(moments, [7_000, 7_000, 3_000, 3_000, 3_000, 3_000, -1_000]);
    let rest = store.records(&run.id, records[4].number).await.expect("entries can be read");
    assert_eq!(rest, records[5..]);
    assert_eq!(store.entries(&id(999)).await.expect("an unknown run has none"), []);
    let found = store.find(&run.id).await.expect("a run can be found").expect("it is there");
    assert_eq!((found.header, found.closing), (run, None));
    assert_eq!(store.find(&id(999)).await.expect("looking is no error"), None);
}

async fn runs_are_listed_newest_first(store: &dyn JournalStore) {
    for number in 2..=4 {
        let scope = if number == 3 { "other" } else { "second" };
        store.open(&header(number, scope), None).await.expect("a new run opens");
    }
    store.close(&id(4), &closing(Ending::Unwound), None).await.expect("an open run closes");
    let list = async |query: RunQuery| {
        let runs = store.runs(&query).await.expect("runs can be listed");
        runs.into_iter().map(|run| run.header.id).collect::<Vec<_>>()
    };
    assert_eq!(list(RunQuery::last(10)).await, [id(4), id(3), id(2), id(1)]);
    assert_eq!(list(RunQuery::last(2)).await, [id(4), id(3)]);
    assert_eq!(list(RunQuery::last(10).of_scope("second")).await, [id(4), id(2)]);
    assert_eq!(list(RunQuery::unfinished()).await, [id(3), id(2), id(1)]);
    assert_eq!(list(RunQuery::unfinished().of_scope("other")).await, [id(3)]);
    let closed = store.find(&id(4)).await.expect("a run can be found").expect("it is there");
    assert_eq!(closed.closing, Some(closing(Ending::Unwound)));
}

async fn a_closed_run_takes_nothing_more(store: &dyn JournalStore) {
    let run = header(5, "closed");
    store.open(&run, None).await.expect("a new run opens");
    store.close(&run.id, &closing(Ending::Completed), None).await.expect("an open run closes");
    let entry = [Entry::Undone { step: StepId::new("a") }];
    let late = store.append(&run.id, &at_second(0, &entry)).await.expect_err("it is closed");
    assert_eq!(late.kind(), JournalErrorKind::Conflict);
    let twice =
        store.close(&run.id, &closing(Ending::Unwound), None).await.expect_err("it is closed");
    assert_eq!(twice.kind(), JournalErrorKind::Conflict);
    let again = store.open(&run, None).await.expect_err("the id is taken");
    assert_eq!(again.kind(), JournalErrorKind::Conflict);
    let nobody =
        store.append(&id(999), &at_second(0, &entry)).await.expect_err("there is no such run");
    assert_eq!(nobody.kind(), JournalErrorKind::Unknown);
    let found = store.find(&run.id).await.expect("a run can be found").expect("it is there");
    assert_eq!(found.closing, Some(closing(Ending::Completed)));
    assert_eq!(store.entries(&run.id).await.expect("entries can be read"), []);
}
