use crate::paused;
use clodo_resilience::{
    BreakerOptions, BreakerState, Breakers, CallBudget, CallPermit, Made, SharedReads,
    SharedReadsOptions, TripRule,
};
use proptest::prelude::*;
use std::{convert::Infallible, time::Duration};
use tokio::time::{Instant, advance};

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit(u8),
    Succeed,
    Fail,
    Drop,
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3).prop_map(Step::Admit),
        1 => Just(Step::Succeed),
        3 => Just(Step::Fail),
        1 => Just(Step::Drop),
        2 => (1_u16..4000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens: an open breaker admits nobody, and a half-open one has one probe.
    #[test]
    fn one_probe_at_a_time_and_none_before_its_time(steps in prop::collection::vec(step(), 1..200)) {
        paused(async {
            let open_for = Duration::from_secs(3);
            let trip = TripRule::InARow(2);
            let breakers = Breakers::new(BreakerOptions::default().with_trip(trip).with_open_for(open_for));
            let mut permits: Vec<CallPermit<u8>> = Vec::new();
            for step in steps {
                match step {
                    Step::Admit(key) => {
                        let before = breakers.state(&key);
                        match breakers.admit(&key) {
                            Ok(permit) => {
                                assert_ne!(before, BreakerState::HalfOpen, "a second probe");
                                let after = breakers.state(&key);
                                let probes = before == BreakerState::Open;
                                assert_eq!(after == BreakerState::HalfOpen, probes);
                                permits.push(permit);
                            }
                            Err(refused) => {
                                assert_ne!(before, BreakerState::Closed);
                                assert!(refused.retry_in.is_none_or(|wait| wait <= open_for && !wait.is_zero()));
                            }
                        }
                    }
                    Step::Succeed => if let Some(permit) = permits.pop() { permit.succeeded() },
                    Step::Fail => if let Some(permit) = permits.pop() { permit.failed() },
                    Step::Drop => drop(permits.pop()),
                    Step::Wait(millis) => advance(Duration::from_millis(millis.into())).await,
                }
            }
            // Nothing is stuck: when all calls have ended, a probe is always possible.
            permits.clear();
            advance(open_for).await;
            for key in 0..3 {
                breakers.admit(&key).unwrap().succeeded();
                assert_eq!(breakers.state(&key), BreakerState::Closed);
            }
        });
    }

    /// No stretch of time as long as a window, counted from a window's first call, has more calls
    /// than the quota.
    #[test]
    fn a_fixed_budget_never_exceeds_its_quota(
        quota in 1_u64..20,
        window in 1_u64..20,
        pauses in prop::collection::vec(0_u64..3000, 1..100),
    ) {
        paused(async {
            let window = Duration::from_secs(window);
            let budget = CallBudget::fixed(quota, window);
            let mut began = Instant::now() - window * 2;
            let mut count = 0;
            for pause in pauses {
                advance(Duration::from_millis(pause)).await;
                let asked = Instant::now();
                budget.take().await;
                assert!(asked.elapsed() <= window);
                if began + window <= Instant::now() {
                    (began, count) = (Instant::now(), 0);
                }
                count += 1;
                assert!(count <= quota);
            }
        });
    }

    /// What is kept never exceeds the bounds, and is what was read last.
    #[test]
    fn shared_reads_stay_within_their_bounds(
        entries in 0_usize..6,
        weight in 0_usize..40,
        asked in prop::collection::vec((0_u8..12, 0_usize..20, 0_u64..3000, any::<bool>()), 1..100),
    ) {
        paused(async {
            let reads = SharedReads::new(SharedReadsOptions::new(entries, weight));
            let mut newest = std::collections::HashMap::new();
            for (turn, (key, heavy, wait, forget)) in asked.into_iter().enumerate() {
                if forget {
                    reads.forget(|kept| *kept == key);
                    newest.remove(&key);
                }
                let made = Made { value: turn, keep: Duration::from_secs(2), weight: heavy };
                let read = || async { Ok::<_, Infallible>(made) };
                let (value, source) = reads.get(key, read).await.unwrap();
                match source {
                    clodo_resilience::Source::Kept => assert_eq!(newest.get(&key), Some(&value)),
                    _ => { newest.insert(key, value); }
                }
                let view = reads.view();
                assert!(view.entries <= entries && view.weight <= weight && view.flights == 0);
                advance(Duration::from_millis(wait)).await;
            }
        });
    }
}
