use clodo_saga::{Holder, LeaseError, LeaseGuard, LeaseOptions, Liveness, MemoryStore};
use clodo_types::{Clock, ManualClock, Timestamp};
use std::{sync::Arc, time::Duration};

fn options(pid: u32) -> LeaseOptions {
    LeaseOptions::new("deploy/shop", Holder::new("ci-1", pid, "99"))
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::starting_at(Timestamp::from_millis(0));
        Self { store: Arc::default(), clock: Arc::new(clock) }
    }

    async fn take(&self, options: LeaseOptions) -> Result<LeaseGuard, LeaseError> {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        LeaseGuard::acquire(Arc::<MemoryStore>::clone(&self.store), clock, options).await
    }

    /// Lets both clocks go on together, second by second.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_living_holder_keeps_others_out_for_as_long_as_it_lives() {
    let world = World::new();
    let guard = world.take(options(1)).await.unwrap();
    world.pass(300).await;
    assert!(guard.lasts(Duration::from_secs(5)));
    let error = world.take(options(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "`deploy/shop` is locked by process 1 on ci-1");
    guard.release().await.unwrap();
    world.take(options(2)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_killed_holder_locks_others_out_for_no_longer_than_the_ttl() {
    let world = World::new();
    drop(world.take(options(1)).await.unwrap());
    assert!(matches!(world.take(options(2)).await, Err(LeaseError::Held(_))));
    world.pass(31).await;
    world.take(options(2)).await.unwrap();
}

/// A clock that differs from another.
#[derive(Debug)]
struct Skewed(Arc<ManualClock>, i64);

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now().as_millis() + 1_000 * self.1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_living_holder_loses_nothing_to_clocks_that_differ_by_half_the_ttl() {
    for skew in [-15, 15] {
        let world = World::new();
        let guard = world.take(options(1)).await.unwrap();
        for second in 0..60 {
            let clock = Arc::new(Skewed(Arc::clone(&world.clock), skew));
            let asked = LeaseGuard::acquire(world.store.clone(), clock, options(2)).await;
            assert!(matches!(asked, Err(LeaseError::Held(_))), "{skew} s, after {second} s");
            world.pass(1).await;
        }
        assert!(guard.lasts(Duration::from_secs(5)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_lost_to_a_wrong_clock_knows_at_its_next_renewal() {
    let world = World::new();
    let guard = world.take(options(1)).await.unwrap();
    let clock = Arc::new(Skewed(Arc::clone(&world.clock), 3_600));
    let thief = LeaseGuard::acquire(world.store.clone(), clock, options(2)).await.unwrap();
    assert!(guard.number() < thief.number(), "what it writes to the journal is refused at once");
    world.pass(11).await;
    assert!(!guard.lasts(Duration::ZERO));
    assert!(thief.lasts(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_known_to_be_dead_locks_nobody_out() {
    let world = World::new();
    let killed = world.take(options(1)).await.unwrap();
    let first = killed.number();
    drop(killed);
    let liveness = |other: &Holder| match (other.host(), other.pid(), other.started()) {
        ("ci-1", 1, "99") => Liveness::Dead,
        _ => Liveness::Unknown,
    };
    let guard = world.take(options(2).with_liveness(liveness)).await.unwrap();
    assert!(first < guard.number());
    assert!(matches!(
        world.take(options(3).with_liveness(liveness)).await,
        Err(LeaseError::Held(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_slept_too_long_knows_that_it_lost() {
    let world = World::new();
    let slept = world.take(options(1)).await.unwrap();
    world.clock.advance(Duration::from_secs(40));
    assert!(!slept.lasts(Duration::ZERO));
    let other = world.take(options(2)).await.unwrap();
    // Its renewal is refused, so it stays lost even if its clock is set back.
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.clock.set(Timestamp::from_millis(0));
    assert!(!slept.lasts(Duration::ZERO));
    assert!(other.lasts(Duration::ZERO));
}

#[test]
fn a_holder_survives_its_text_form() {
    let holder = Holder::new("a:b", 7, "12:34");
    assert_eq!(holder.to_string(), "a_b:7:12_34");
    assert_eq!(holder.to_string().parse(), Ok(holder));
    for bad in ["", "host", "host:7", "host:x:1"] {
        assert!(bad.parse::<Holder>().is_err(), "{bad}");
    }
}
