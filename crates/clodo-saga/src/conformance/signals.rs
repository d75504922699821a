use super::journal::{closing, header, id};
use crate::{
    error::StoreErrorKind,
    journal::{Ending, JournalStore},
    signal::{Signal, SignalKind, SignalStore},
    step::StepId,
};
use clodo_types::Timestamp;

/// Everything about signals.
pub async fn signal_store<S: JournalStore + SignalStore>(store: &S) {
    signals_are_heard_in_the_order_in_which_they_were_sent(store).await;
    only_an_open_run_hears(store).await;
}

fn signal(kind: SignalKind, step: Option<&str>, second: i64) -> Signal {
    let (by, why) = ("ann@host \"x\"".into(), step.map(|_| "looks good: ü\u{0}".into()));
    let at = Timestamp::from_millis(second * 1_000);
    Signal { kind, step: step.map(StepId::new), by, why, at }
}

async fn signals_are_heard_in_the_order_in_which_they_were_sent<S: JournalStore + SignalStore>(
    store: &S,
) {
    for run in [31, 32] {
        store.open(&header(run, "signals"), None).await.expect("a new run opens");
    }
    let sent = [
        signal(SignalKind::Pause, None, 9),
        signal(SignalKind::Continue, None, 3),
        signal(SignalKind::Approve, Some("wave 2"), 5),
        signal(SignalKind::Reject, Some("wave 3"), 5),
        signal(SignalKind::Abort, None, -1),
    ];
    let mut numbers = Vec::new();
    for signal in &sent {
        numbers.push(store.send(&id(31), signal).await.expect("an open run hears"));
        store.send(&id(32), signal).await.expect("an open run hears");
    }
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers[0] > 0, "{numbers:?}");
    let heard = store.signals(&id(31), 0).await.expect("signals can be read");
    let all: Vec<_> = numbers.iter().copied().zip(sent).collect();
    assert_eq!(heard, all);
    let rest = store.signals(&id(31), numbers[2]).await.expect("signals can be read");
    assert_eq!(rest, all[3..]);
    assert_eq!(store.signals(&id(31), numbers[4]).await.expect("signals can be read"), []);
}

async fn only_an_open_run_hears<S: JournalStore + SignalStore>(store: &S) {
    let pause = signal(SignalKind::Pause, None, 0);
    let unknown = store.send(&id(999), &pause).await.expect_err("there is no such run");
    assert_eq!(unknown.kind(), StoreErrorKind::Unknown);
    store.close(&id(32), &closing(Ending::Completed), None).await.expect("an open run closes");
    let closed = store.send(&id(32), &pause).await.expect_err("it is closed");
    assert_eq!(closed.kind(), StoreErrorKind::Conflict);
    assert_eq!(store.signals(&id(32), 0).await.expect("signals can be read").len(), 5);
    assert_eq!(store.signals(&id(999), 0).await.expect("signals can be read"), []);
}
