use crate::world::{Fault, World, context, header, id, no_data, steal, steps};
use clodo_saga::{
    Addition, Earlier, Entry, Grant, Holder, JournalErrorKind, JournalStore, Lease, LeaseGuard,
    LeaseOptions, LeaseRequest, LeaseStore, LeaseStoreError, MemoryStore, RunContext, RunError,
    RunQuery, SqliteStore, StepId, run,
};
use clodo_types::{Clock, ManualClock, SystemClock, Timestamp};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

const CHAIN: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];

/// A run's context that holds the lease `shop`.
async fn leased(store: &Arc<MemoryStore>) -> RunContext {
    let mut cx = context(Arc::<MemoryStore>::clone(store));
    let options = LeaseOptions::new("shop", Holder::new("here", 1, "0"));
    let taken =
        LeaseGuard::acquire(Arc::<MemoryStore>::clone(store), Arc::clone(&cx.clock), options);
    cx.lease = Some(Arc::new(taken.await.unwrap()));
    cx
}

/// What was done until somebody took the lease, who finishes the run.
async fn robbed_at(line: &str, broken: Option<&str>) -> Vec<String> {
    let store = Arc::<MemoryStore>::default();
    let thief = Some((line.to_owned(), Arc::clone(&store)));
    let world = Arc::new(World { thief, ..World::default() });
    if let Some(step) = broken {
        world.break_at(step, Fault::Act);
    }
    let cx = leased(&store).await;
    let error =
        run(steps(&world, CHAIN), header(1), Earlier::default(), &cx, no_data).await.unwrap_err();
    assert!(matches!(error, RunError::LeaseLost), "{line}: {error}");
    assert!(cx.lease.unwrap().lasts(Duration::ZERO), "only the store knows");
    assert_eq!(store.runs(&RunQuery::unfinished()).await.unwrap().len(), 1, "it is the thief's");
    world.log()
}

#[tokio::test]
async fn a_run_whose_lease_was_taken_stops_and_takes_nothing_back() {
    assert_eq!(robbed_at("act a", None).await, ["act a"]);
    assert_eq!(robbed_at("act b", None).await, ["act a", "act b"]);
    // The last entry, and the end of the run.
    assert_eq!(robbed_at("act c", None).await, ["act a", "act b", "act c"]);
    // A step that failed is not taken back either.
    assert_eq!(robbed_at("act b", Some("b")).await, ["act a", "act b"]);
    // An unwinding stops where it is.
    assert_eq!(robbed_at("undo b", Some("b")).await, ["act a", "act b", "undo b"]);
}

#[tokio::test]
async fn a_run_whose_lease_was_taken_before_it_began_is_not_even_opened() {
    let (store, world) = (Arc::<MemoryStore>::default(), Arc::<World>::default());
    let cx = leased(&store).await;
    steal(&store).await;
    let error =
        run(steps(&world, CHAIN), header(1), Earlier::default(), &cx, no_data).await.unwrap_err();
    assert!(matches!(error, RunError::LeaseLost));
    assert!(world.log().is_empty() && store.find(&id(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_run_writes_carries_its_lease() {
    let (store, world) = (Arc::<MemoryStore>::default(), Arc::<World>::default());
    let cx = leased(&store).await;
    run(steps(&world, CHAIN), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    let fence = Some(cx.lease.unwrap().fence());
    let records = store.records(&id(1), 0).await.unwrap();
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|record| record.fence == fence));
}

/// Grants, and then cannot be reached.
#[derive(Debug, Default)]
struct Unreachable(MemoryStore);

#[async_trait::async_trait]
impl LeaseStore for Unreachable {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        self.0.acquire(request).await
    }
    async fn renew(&self, _: &Lease, _: Timestamp) -> Result<bool, LeaseStoreError> {
        std::future::pending().await
    }
    async fn release(&self, _: &Lease) -> Result<(), LeaseStoreError> {
        std::future::pending().await
    }
    async fn held(&self, _: Timestamp) -> Result<Vec<Lease>, LeaseStoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_lease_longer() {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(3_600_000)));
    let options = LeaseOptions::new("shop", Holder::new("here", 1, "0"));
    let own = Arc::<ManualClock>::clone(&clock);
    let guard = LeaseGuard::acquire(Arc::<Unreachable>::default(), own, options).await.unwrap();
    clock.set(Timestamp::from_millis(0));
    tokio::time::advance(Duration::from_secs(29)).await;
    assert!(guard.lasts(Duration::ZERO));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!guard.lasts(Duration::ZERO), "30 s have passed, whatever the clock says");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_renewal_shorter() {
    let store = Arc::<MemoryStore>::default();
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(3_600_000)));
    let options = LeaseOptions::new("shop", Holder::new("here", 1, "0"));
    let (own, leases) = (Arc::<ManualClock>::clone(&clock), Arc::<MemoryStore>::clone(&store));
    let guard = LeaseGuard::acquire(leases, own, options).await.unwrap();
    clock.set(Timestamp::from_millis(0));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(guard.lasts(Duration::from_secs(15)));
    // Somebody with the right time does not get it.
    let request = LeaseRequest {
        name: "shop".into(),
        holder: Holder::new("elsewhere", 1, "0"),
        now: Timestamp::from_millis(3_660_000),
        ttl: Duration::from_secs(30),
    };
    assert!(matches!(store.acquire(&request).await.unwrap(), Grant::Held(_)));
}

const TTL: Duration = Duration::from_secs(1);

fn lease_of(pid: u32) -> LeaseRequest {
    let holder = Holder::new("here", pid, "0");
    LeaseRequest { name: "shop".into(), holder, now: SystemClock.now(), ttl: TTL }
}

#[cfg(unix)]
#[tokio::test]
async fn a_process_that_was_stopped_for_too_long_writes_nothing_more() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("state.sqlite");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fencing::the_process_that_is_stopped", "--ignored", "--nocapture"])
        .env("CLODO_TEST_STATE", &file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut hears = child.stdin.take().unwrap();
    let mut next = |what: &str| loop {
        let line = says.next().expect("the child still speaks").unwrap();
        if let Some(rest) = line.strip_prefix(what) {
            break rest.to_owned();
        }
    };
    next("it holds");
    let signal = |name: &str| {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    let store = SqliteStore::open(&file).await.unwrap();
    while !matches!(store.acquire(&lease_of(2)).await.unwrap(), Grant::Granted(_)) {
        tokio::time::sleep(TTL / 20).await;
    }
    signal("-CONT");
    writeln!(hears, "go on").unwrap();
    assert_eq!(next("it writes: "), "lasts false, append Some(Fenced)");
    drop(hears);
    assert!(child.wait().unwrap().success());
    assert!(store.entries(&id(1)).await.unwrap().is_empty());
}

/// The other process of the test above.
#[tokio::test]
#[ignore = "the test above runs it in a process of its own"]
async fn the_process_that_is_stopped() {
    #[expect(clippy::disallowed_methods, reason = "a test passes a path to its own process")]
    let Some(file) = std::env::var_os("CLODO_TEST_STATE").map(PathBuf::from) else { return };
    let store = Arc::new(SqliteStore::open(file).await.unwrap());
    let options = LeaseOptions::new("shop", Holder::new("here", 1, "0")).with_ttl(TTL);
    let leases = Arc::<SqliteStore>::clone(&store);
    let guard = LeaseGuard::acquire(leases, Arc::new(SystemClock), options).await.unwrap();
    let fence = guard.fence();
    store.open(&header(1), Some(&fence)).await.unwrap();
    println!("\nit holds the lease");
    let go_on = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    go_on.await.unwrap().unwrap();
    let entries = [Entry::Undone { step: StepId::new("a") }];
    let added = Addition { at: SystemClock.now(), entries: &entries, fence: Some(&fence) };
    let written: Option<JournalErrorKind> =
        store.append(&id(1), &added).await.err().map(|error| error.kind());
    println!("\nit writes: lasts {}, append {written:?}", guard.lasts(Duration::ZERO));
}
