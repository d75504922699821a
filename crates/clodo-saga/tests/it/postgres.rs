use crate::world::{World, header, id, no_data, steps};
use clodo_postgres_fixture::PostgresServer;
use clodo_saga::{
    Addition, BudgetStore as _, Claim, Earlier, Ending, Entry, Holder, Job, JobEnd, JobId,
    JobOutcome, JobQuery, JobState, JobStore as _, JournalStore as _, LeaseGuard, LeaseOptions,
    PostgresOptions, PostgresStore, RunContext, RunQuery, StepId, StoreErrorKind, conformance, run,
};
use clodo_types::{Clock as _, Secret, SystemClock, Timestamp};
use serde_json::{Value, json};
use std::{collections::BTreeSet, error::Error, sync::Arc, time::Duration};
use tokio::task::{JoinSet, spawn_blocking};

fn options(server: &PostgresServer, url: &str) -> PostgresOptions {
    let options = PostgresOptions::new(&Secret::new(url.to_owned())).unwrap();
    options.with_password(&Secret::new(server.password().to_owned()))
}

/// An error with all its causes.
fn text(error: &(dyn Error + 'static)) -> String {
    let causes =
        std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (**error).source());
    causes.map(|error| format!("{error} {error:?}")).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn postgres_keeps_its_promises() {
    let Some(server) = PostgresServer::start() else { return };
    let options = options(&server, &server.database());
    let store = PostgresStore::open(&options).await.unwrap();
    conformance::journal_store(&store).await;
    conformance::lease_store(&store).await;
    conformance::fences(&store).await;
    conformance::signal_store(&store).await;
    conformance::budget_store(&store).await;
    conformance::job_store(&store).await;
    conformance::blob_store(&store).await;
    // Another process, and another platform.
    let again = PostgresStore::open(&options).await.unwrap();
    let query = RunQuery::last(99);
    assert_eq!(again.runs(&query).await.unwrap(), store.runs(&query).await.unwrap());
    let other = options.with_namespace("clodo_local");
    let other = PostgresStore::open(&other).await.unwrap();
    assert_eq!(other.runs(&query).await.unwrap(), []);
    conformance::journal_store(&other).await;
}

#[tokio::test]
async fn postgres_says_what_is_wrong_and_no_password() {
    let Some(server) = PostgresServer::start() else { return };
    let url = server.database();
    let with = options(&server, &url);
    PostgresStore::open(&with).await.unwrap();

    let own = Secret::new(url.replace("clodo@", "clodo:hunter2@"));
    let wrong = PostgresOptions::new(&own).unwrap();
    let error = PostgresStore::open(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(text(&error).contains("password authentication failed"), "{}", text(&error));
    assert!(!text(&error).contains("hunter2") && !format!("{wrong:?}").contains("hunter2"));

    let without = PostgresOptions::new(&Secret::new(url.clone())).unwrap();
    let error = PostgresStore::open(&without).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{}", text(&error));

    let nowhere = options(&server, &url.replace("test_", "none_"));
    let error = PostgresStore::open(&nowhere).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{}", text(&error));

    let bad = PostgresStore::open(&with.clone().with_namespace("a; DROP")).await.unwrap_err();
    assert!(text(&bad).contains("namespace"), "{}", text(&bad));

    // The server does not speak TLS, so that whoever asks for it is not served without.
    let encrypted = options(&server, &format!("{url}?sslmode=verify-full"));
    let error = PostgresStore::open(&encrypted).await.unwrap_err();
    assert!(text(&error).contains("TLS"), "{}", text(&error));

    newer(&server, &url).await;
    let error = PostgresStore::open(&with).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NewerFormat);

    spawn_blocking(move || server.stop()).await.unwrap();
    let error = PostgresStore::open(&with).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreachable, "{}", text(&error));
}

/// Pretends that a newer version was at work.
async fn newer(server: &PostgresServer, url: &str) {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    config.password(server.password());
    let (client, driver) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(driver);
    client.batch_execute("UPDATE clodo.format SET number = 99").await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}

fn job(number: usize) -> Job {
    Job {
        id: JobId::new(format!("many/{number}")),
        group: "many".into(),
        kind: "target".into(),
        requires: BTreeSet::new(),
        blobs: BTreeSet::new(),
        at: Timestamp::from_millis(0),
        data: Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_claim_at_once_no_two_get_the_same() {
    let Some(server) = PostgresServer::start() else { return };
    let with = options(&server, &server.database());
    // All of them open it first.
    let opening = (0..6).map(|_| {
        let with = with.clone();
        async move { PostgresStore::open(&with).await.unwrap() }
    });
    let stores = opening.collect::<JoinSet<_>>().join_all().await;
    let jobs: Vec<Job> = (0..60).map(job).collect();
    stores[0].enqueue(&jobs, None).await.unwrap();
    let claiming = stores.iter().cloned().zip(1..).map(|(store, pid)| async move {
        let (now, ttl) = (SystemClock.now(), Duration::from_secs(600));
        let claim = Claim::new(Holder::new("ci", pid, "1"), now, ttl);
        let mut done = Vec::new();
        while let Some(claimed) = store.claim(&claim).await.unwrap() {
            assert_eq!(claimed.attempt, 1);
            let end = JobEnd { at: now, outcome: JobOutcome::Done, data: Value::Null };
            store.finish(&claimed.lease, &end).await.unwrap();
            done.push(claimed.job.id);
        }
        done
    });
    let mut done = claiming.collect::<JoinSet<_>>().join_all().await.concat();
    done.sort();
    let mut all: Vec<JobId> = jobs.into_iter().map(|job| job.id).collect();
    all.sort();
    assert_eq!(done, all);
    let records = stores[0].jobs(&JobQuery::all()).await.unwrap();
    assert!(records.iter().all(|record| matches!(record.state, JobState::Ended(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_and_its_lease_go_on_when_the_server_was_away() {
    let Some(server) = PostgresServer::start() else { return };
    let server = Arc::new(server);
    let store = PostgresStore::open(&options(&server, &server.database())).await.unwrap();
    let (store, clock) = (Arc::new(store), Arc::new(SystemClock));
    let mut cx = RunContext::new(store.clone(), clock.clone());
    cx.margin = Duration::ZERO;
    let lease = LeaseOptions::new("shop", Holder::new("here", 1, "0"));
    // Renewed every three seconds, so also while the server is away.
    let lease = lease.with_ttl(Duration::from_secs(9));
    let guard = LeaseGuard::acquire(store.clone(), clock, lease).await.unwrap();
    cx.lease = Some(Arc::new(guard));

    let away = Arc::clone(&server);
    let away = spawn_blocking(move || {
        for _ in 0..4 {
            away.stop();
            away.restart();
        }
    });
    // As many short runs as fit in.
    let (mut runs, world) = (0, Arc::<World>::default());
    while !away.is_finished() || runs == 0 {
        runs += 1;
        let steps = steps(&world, &[("a", &[]), ("b", &["a"]), ("c", &["a"])]);
        world.things.lock().unwrap().clear();
        let report = run(steps, header(runs), Earlier::default(), &cx, no_data).await.unwrap();
        assert_eq!(report.ending, Ending::Completed);
        // Each step began and ended once.
        assert_eq!(store.entries(&id(runs)).await.unwrap().len(), 6);
    }
    away.await.unwrap();
    assert!(cx.lease.unwrap().lasts(Duration::ZERO));
    assert_eq!(store.runs(&RunQuery::unfinished()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_the_server_comes_and_goes_is_written_once() {
    let Some(server) = PostgresServer::start() else { return };
    let server = Arc::new(server);
    let store = PostgresStore::open(&options(&server, &server.database())).await.unwrap();
    store.open(&header(1), None).await.unwrap();
    let away = Arc::clone(&server);
    let away = spawn_blocking(move || {
        for _ in 0..4 {
            away.stop();
            away.restart();
        }
    });
    let mut written = Vec::new();
    while !away.is_finished() || written.len() < 100 {
        let (step, output) = (StepId::new("a"), json!(written.len()));
        let entry = Entry::Done { step, output };
        let entries = [entry.clone()];
        let added = Addition { at: SystemClock.now(), entries: &entries, fence: None };
        store.append(&id(1), &added).await.unwrap();
        written.push(entry);
    }
    away.await.unwrap();
    assert_eq!(store.entries(&id(1)).await.unwrap(), written);
}

#[tokio::test]
async fn a_server_that_stays_away_is_not_waited_for_forever() {
    let Some(server) = PostgresServer::start() else { return };
    let with = options(&server, &server.database()).with_patience(Duration::from_millis(300));
    let store = PostgresStore::open(&with).await.unwrap();
    let server = spawn_blocking(move || {
        server.stop();
        server
    });
    let server = server.await.unwrap();
    let error = store.open(&header(1), None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreachable, "{}", text(&error));
    // Later it works.
    let server = spawn_blocking(move || {
        server.restart();
        server
    });
    let _server = server.await.unwrap();
    store.open(&header(1), None).await.unwrap();
    assert!(!store.view("token/x", SystemClock.now()).await.unwrap().limited);
}
