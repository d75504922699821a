use super::leases::granted;
use crate::{
    blob::BlobStore,
    error::{StoreError, StoreErrorKind},
    job::{Claim, ClaimedJob, Job, JobEnd, JobId, JobOutcome, JobQuery, JobState, JobStore},
    lease::{Holder, Lease, LeaseStore},
};
use clodo_types::Timestamp;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

/// Everything about jobs.
pub async fn job_store<S: JobStore + BlobStore + LeaseStore>(store: &S) {
    jobs_are_claimed_once_in_their_order(store).await;
    a_claimed_job_is_free_again_when_its_lease_ends(store).await;
    a_stale_runner_finishes_nothing(store).await;
    a_job_goes_to_one_who_can_do_it(store).await;
    jobs_are_enqueued_once(store).await;
    what_nobody_has_can_be_withdrawn(store).await;
    a_stale_coordinator_neither_enqueues_nor_withdraws(store).await;
    jobs_that_ended_are_forgotten(store).await;
}

pub(super) fn job(group: &str, number: u32) -> Job {
    Job {
        id: JobId::new(format!("{group}/{number}")),
        group: group.into(),
        kind: "target".into(),
        requires: BTreeSet::new(),
        blobs: BTreeSet::new(),
        at: Timestamp::from_millis(-7),
        data: json!({ "text": "ü\u{0}\"", "number": number }),
    }
}

fn end(second: i64, outcome: JobOutcome) -> JobEnd {
    let data = json!([null, "\u{0}"]);
    JobEnd { at: Timestamp::from_millis(second * 1_000), outcome, data }
}

fn by(pid: u32, second: i64) -> Claim {
    let now = Timestamp::from_millis(second * 1_000);
    Claim::new(Holder::new("runner", pid, "7"), now, Duration::from_secs(30))
}

/// Jobs of other tests are of no interest here.
fn of_kind(kind: &str, pid: u32, second: i64) -> Claim {
    by(pid, second).with_kinds([kind.to_owned()])
}

async fn enqueue(store: &dyn JobStore, kind: &str, jobs: impl IntoIterator<Item = Job>) {
    let jobs: Vec<Job> = jobs.into_iter().map(|job| Job { kind: kind.into(), ..job }).collect();
    store.enqueue(&jobs, None).await.expect("new jobs are taken");
}

async fn claimed(store: &dyn JobStore, claim: Claim) -> ClaimedJob {
    let found = store.claim(&claim).await.expect("claiming works");
    found.unwrap_or_else(|| panic!("there should be a job for {claim:?}"))
}

async fn nothing_for(store: &dyn JobStore, claim: Claim) {
    let found = store.claim(&claim).await.expect("claiming works");
    assert_eq!(found, None, "{claim:?}");
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, StoreError>, kind: StoreErrorKind) {
    assert_eq!(outcome.expect_err("it is refused").kind(), kind);
}

async fn jobs_are_claimed_once_in_their_order(store: &dyn JobStore) {
    enqueue(store, "order", [job("order", 2), job("order", 1), job("order", 3)]).await;
    let mut names = Vec::new();
    for pid in 1..=3 {
        let found = claimed(store, of_kind("order", pid, 0)).await;
        assert_eq!((found.attempt, found.lease.holder.pid()), (1, pid));
        assert_eq!(found.lease.name, found.job.id.lease_name());
        assert_eq!(found.lease.expires_at, Timestamp::from_millis(30_000));
        names.push(found.job.data["number"].clone());
    }
    assert_eq!(names, [2, 1, 3]);
    nothing_for(store, of_kind("order", 4, 29)).await;
    let records = store.jobs(&JobQuery::all().of_group("order")).await.expect("jobs can be listed");
    assert_eq!(records[0].job, Job { kind: "order".into(), ..job("order", 2) });
    assert!(matches!(&records[1].state, JobState::Claimed(lease) if lease.holder.pid() == 2));
}

async fn a_claimed_job_is_free_again_when_its_lease_ends(store: &(impl JobStore + LeaseStore)) {
    enqueue(store, "lease", [job("lease", 1)]).await;
    let first = claimed(store, of_kind("lease", 1, 0)).await;
    let until = Timestamp::from_millis(50_000);
    assert!(store.renew(&first.lease, until).await.expect("renewing works"));
    nothing_for(store, of_kind("lease", 2, 49)).await;
    let second = claimed(store, of_kind("lease", 2, 50)).await;
    assert_eq!((second.attempt, second.job == first.job), (2, true));
    assert!(first.lease.number < second.lease.number, "numbers rise");
    // Given back, it is free at once.
    store.release(&second.lease).await.expect("releasing works");
    assert_eq!(claimed(store, of_kind("lease", 3, 51)).await.attempt, 3);
}

async fn a_stale_runner_finishes_nothing(store: &(impl JobStore + LeaseStore)) {
    enqueue(store, "stale", [job("stale", 1), job("stale", 2)]).await;
    let stale = claimed(store, of_kind("stale", 1, 0)).await.lease;
    let other = claimed(store, of_kind("stale", 1, 0)).await.lease;
    let current = claimed(store, of_kind("stale", 2, 31)).await.lease;
    refused(store.finish(&stale, &end(32, JobOutcome::Done)).await, StoreErrorKind::Fenced);
    store.finish(&current, &end(33, JobOutcome::Failed)).await.expect("it is its own");
    refused(store.finish(&current, &end(34, JobOutcome::Done)).await, StoreErrorKind::Fenced);
    nothing_for(store, of_kind("stale", 3, 20)).await;
    // One whose lease expired while nobody wanted the job may still finish it.
    store.finish(&other, &end(99, JobOutcome::Done)).await.expect("nobody else claimed it");
    let foreign = granted(store, "no job", 1, 0).await;
    refused(store.finish(&foreign, &end(0, JobOutcome::Done)).await, StoreErrorKind::Unknown);
    let query = JobQuery::all().of_group("stale");
    let records = store.jobs(&query).await.expect("jobs can be listed");
    let states: Vec<_> =
        records.into_iter().map(|record| (record.state, record.attempts)).collect();
    let ended = |second, outcome| JobState::Ended(end(second, outcome));
    let expected = [(ended(33, JobOutcome::Failed), 2), (ended(99, JobOutcome::Done), 1)];
    assert_eq!(states, expected);
    let unfinished = JobQuery::unfinished().of_group("stale");
    assert_eq!(store.jobs(&unfinished).await.expect("jobs can be listed"), []);
}

async fn a_job_goes_to_one_who_can_do_it(store: &dyn JobStore) {
    let needs = |number, names: &[&str]| Job {
        requires: names.iter().map(|name| (*name).to_owned()).collect(),
        ..job("able", number)
    };
    let jobs = [needs(1, &["DB_PASSWORD", "JWT"]), needs(2, &["JWT"]), needs(3, &[])];
    enqueue(store, "able", jobs).await;
    let knows = |names: &'static [&'static str], pid| {
        of_kind("able", pid, 0).with_secrets(move |name| names.contains(&name))
    };
    nothing_for(store, by(1, 0).with_kinds(["unable".into()])).await;
    nothing_for(store, by(1, 0).with_kinds([])).await;
    let number = |found: ClaimedJob| found.job.data["number"].clone();
    assert_eq!(number(claimed(store, knows(&["JWT"], 1)).await), 2);
    assert_eq!(number(claimed(store, knows(&["DB_PASSWORD"], 2)).await), 3);
    nothing_for(store, knows(&["DB_PASSWORD"], 3)).await;
    assert_eq!(number(claimed(store, knows(&["JWT", "DB_PASSWORD", "X"], 4)).await), 1);
}

async fn jobs_are_enqueued_once(store: &dyn JobStore) {
    enqueue(store, "once", [job("once", 1)]).await;
    let taken = claimed(store, of_kind("once", 1, 0)).await;
    enqueue(store, "once", [job("once", 1), job("once", 2)]).await;
    let query = JobQuery::all().of_group("once");
    let records = store.jobs(&query).await.expect("jobs can be listed");
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].state, JobState::Claimed(taken.lease));
    // All or nothing.
    let other = Job { data: json!("other"), ..taken.job };
    let outcome = store.enqueue(&[job("once", 3), other], None).await;
    refused(outcome, StoreErrorKind::Conflict);
    let missing =
        Job { blobs: BTreeSet::from(["nowhere".parse().expect("it is a key")]), ..job("once", 4) };
    refused(store.enqueue(&[job("once", 3), missing], None).await, StoreErrorKind::Unknown);
    assert_eq!(store.jobs(&query).await.expect("jobs can be listed").len(), 2);
}

async fn what_nobody_has_can_be_withdrawn(store: &dyn JobStore) {
    let jobs = (1..=4).map(|number| job("away", number));
    enqueue(store, "away", jobs.chain([job("other", 1)])).await;
    let kept = claimed(store, of_kind("away", 1, 20)).await;
    let dead = claimed(store, of_kind("away", 2, 0)).await;
    let at = Timestamp::from_millis(31_000);
    let withdrawn = store.withdraw("away", at, None).await.expect("jobs can be withdrawn");
    assert_eq!(withdrawn, 3, "one is claimed, one belongs to another group");
    refused(store.finish(&dead.lease, &end(32, JobOutcome::Done)).await, StoreErrorKind::Conflict);
    store.finish(&kept.lease, &end(32, JobOutcome::Done)).await.expect("it is its own");
    let next = claimed(store, of_kind("away", 3, 99)).await;
    assert_eq!(next.job.group, "other");
}

async fn a_stale_coordinator_neither_enqueues_nor_withdraws(store: &(impl JobStore + LeaseStore)) {
    let stale: Lease = granted(store, "coordinator", 1, 0).await;
    let current = granted(store, "coordinator", 2, 31).await;
    let jobs = [job("fenced", 1)];
    refused(store.enqueue(&jobs, Some(&stale.fence())).await, StoreErrorKind::Fenced);
    store.enqueue(&jobs, Some(&current.fence())).await.expect("it is current");
    let at = Timestamp::from_millis(0);
    refused(store.withdraw("fenced", at, Some(&stale.fence())).await, StoreErrorKind::Fenced);
    let withdrawn = store.withdraw("fenced", at, Some(&current.fence())).await;
    assert_eq!(withdrawn.expect("it is current"), 1);
}

async fn jobs_that_ended_are_forgotten(store: &dyn JobStore) {
    enqueue(store, "old", [job("old", 1), job("old", 2), job("old", 3)]).await;
    for (pid, second) in [(1, -9_000), (2, -8_000)] {
        let found = claimed(store, of_kind("old", pid, -9_999)).await;
        store.finish(&found.lease, &end(second, JobOutcome::Done)).await.expect("it is its own");
    }
    let before = Timestamp::from_millis(-8_000_000);
    assert_eq!(store.forget_jobs(before).await.expect("jobs can be forgotten"), 1);
    let query = JobQuery::all().of_group("old");
    assert_eq!(store.jobs(&query).await.expect("jobs can be listed").len(), 2);
}
