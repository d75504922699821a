use clodo_resilience::{
    BreakerEvent, BreakerOptions, BreakerState, Breakers, CircuitOpen, TripRule,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::advance;

const OPEN: Duration = Duration::from_secs(30);

fn options() -> BreakerOptions {
    BreakerOptions::default().with_trip(TripRule::InARow(3)).with_open_for(OPEN)
}

fn fail(breakers: &Breakers<&'static str>, key: &'static str, times: u32) {
    for _ in 0..times {
        breakers.admit(&key).unwrap().failed();
    }
}

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_open_it_and_one_probe_closes_it() {
    let breakers = Breakers::new(options());
    fail(&breakers, "a", 2);
    breakers.admit(&"a").unwrap().succeeded();
    fail(&breakers, "a", 3);
    assert_eq!(breakers.admit(&"a").unwrap_err(), CircuitOpen { retry_in: Some(OPEN) });
    assert_eq!(breakers.state(&"b"), BreakerState::Closed, "each key has its own");
    advance(OPEN).await;
    let probe = breakers.admit(&"a").unwrap();
    assert_eq!(breakers.state(&"a"), BreakerState::HalfOpen);
    assert_eq!(breakers.admit(&"a").unwrap_err(), CircuitOpen { retry_in: None });
    probe.succeeded();
    assert_eq!(breakers.state(&"a"), BreakerState::Closed);
    fail(&breakers, "a", 2);
    assert!(breakers.admit(&"a").is_ok(), "it forgot what was before");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again() {
    let breakers = Breakers::new(options());
    fail(&breakers, "a", 3);
    advance(OPEN).await;
    fail(&breakers, "a", 1);
    assert_eq!(breakers.admit(&"a").unwrap_err(), CircuitOpen { retry_in: Some(OPEN) });
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_hands_over_to_the_next_call() {
    let breakers = Breakers::new(options());
    fail(&breakers, "a", 3);
    advance(OPEN).await;
    drop(breakers.admit(&"a").unwrap());
    let probe = breakers.admit(&"a").unwrap();
    assert!(breakers.admit(&"a").is_err(), "one probe at a time");
    probe.succeeded();
    assert_eq!(breakers.state(&"a"), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_do_not_count_in_a_later_phase() {
    let breakers = Breakers::new(options());
    let (slow, slower) = (breakers.admit(&"a").unwrap(), breakers.admit(&"a").unwrap());
    fail(&breakers, "a", 3);
    slow.succeeded();
    assert_eq!(breakers.state(&"a"), BreakerState::Open);
    advance(OPEN).await;
    let probe = breakers.admit(&"a").unwrap();
    slower.failed();
    assert_eq!(breakers.state(&"a"), BreakerState::HalfOpen);
    probe.succeeded();
    assert_eq!(breakers.state(&"a"), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn every_change_is_told_in_order_and_a_listener_may_use_the_breakers() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let own: Arc<Mutex<Option<Breakers<&'static str>>>> = Arc::default();
    let breakers = Breakers::with_listener(options(), {
        let (heard, own) = (Arc::clone(&heard), Arc::clone(&own));
        move |event| {
            heard.lock().unwrap().push(event.clone());
            let breakers = own.lock().unwrap().clone().unwrap();
            // Within the telling of `b` it makes `c` open, which must be told after it.
            if matches!(event, BreakerEvent::Opened { key: "b", .. }) {
                fail(&breakers, "c", 3);
            }
        }
    });
    *own.lock().unwrap() = Some(breakers.clone());
    fail(&breakers, "b", 3);
    advance(OPEN).await;
    breakers.admit(&"b").unwrap().succeeded();
    let opened = |key| BreakerEvent::Opened { key, retry_in: OPEN };
    let told = [
        opened("b"),
        opened("c"),
        BreakerEvent::Probed { key: "b" },
        BreakerEvent::Closed { key: "b" },
    ];
    assert_eq!(*heard.lock().unwrap(), told);
}

#[test]
fn a_listener_that_panics_does_not_silence_the_rest() {
    crate::paused(async {
        let heard = Arc::new(Mutex::new(0));
        let breakers = Breakers::with_listener(options(), {
            let heard = Arc::clone(&heard);
            move |_| {
                *heard.lock().unwrap() += 1;
                if *heard.lock().unwrap() == 1 {
                    panic!("the listener's own mistake");
                }
            }
        });
        let failing = std::panic::AssertUnwindSafe(|| fail(&breakers, "a", 3));
        assert!(std::panic::catch_unwind(failing).is_err());
        fail(&breakers, "b", 3);
        assert_eq!(*heard.lock().unwrap(), 2);
    });
}

#[tokio::test(start_paused = true)]
async fn the_number_of_keys_is_bounded_and_closed_ones_go_first() {
    let breakers = Breakers::new(options().with_keys(3));
    for key in [1_u32, 2, 3, 4, 5] {
        for _ in 0..if key == 1 { 3 } else { 1 } {
            breakers.admit(&key).unwrap().failed();
        }
    }
    assert_eq!(breakers.len(), 3);
    assert_eq!(breakers.state(&1), BreakerState::Open, "an open one is kept");
    for key in 100..10_000 {
        breakers.admit(&key).unwrap().failed();
    }
    assert_eq!(breakers.len(), 3);
}
