use crate::{
    budget::{BudgetReport, BudgetStore, BudgetWord, Settled},
    ledger::BudgetGrant,
};
use clodo_types::Timestamp;
use std::time::Duration;

/// Everything about budgets of calls.
pub async fn budget_store(store: &dyn BudgetStore) {
    without_a_word_of_the_server_nobody_waits(store).await;
    a_whole_window_bursts_and_then_all_wait(store).await;
    budgets_do_not_share_calls(store).await;
    a_refusal_holds_everybody_up(store).await;
    what_is_not_used_is_taken_by_others(store).await;
    a_dead_process_costs_what_it_held_until_the_window_ends(store).await;
    near_the_end_calls_wait_for_those_under_way(store).await;
    a_new_window_is_tried_with_one_call(store).await;
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

/// What a server says that has so many calls left until then.
fn word(at: i64, remaining: u64, resets_at: i64) -> BudgetWord {
    BudgetWord {
        remaining: Some(remaining),
        resets_at: Some(second(resets_at)),
        quota: Some(100),
        window: Some(Duration::from_secs(300)),
        ..BudgetWord::at(second(at))
    }
}

async fn tell(store: &dyn BudgetStore, name: &str, word: BudgetWord) {
    let report = BudgetReport { word: Some(word), ..BudgetReport::new(name, word.at) };
    store.tell(&report).await.expect("a budget can be told");
}

async fn settle(store: &dyn BudgetStore, name: &str, at: i64, settled: Settled) {
    let report = BudgetReport { settled: vec![settled], ..BudgetReport::new(name, second(at)) };
    store.tell(&report).await.expect("a budget can be told");
}

async fn take(store: &dyn BudgetStore, name: &str, at: i64, calls: u64) -> BudgetGrant {
    let report = BudgetReport::new(name, second(at));
    store.take(calls, &report).await.expect("a budget can be asked")
}

/// Calls and the number of their window.
async fn taken(store: &dyn BudgetStore, name: &str, at: i64, calls: u64) -> (u64, u64) {
    match take(store, name, at, calls).await {
        BudgetGrant::Granted { calls, window, .. } => (calls, window),
        BudgetGrant::Wait { until } => panic!("nothing is left until {until:?}"),
    }
}

async fn without_a_word_of_the_server_nobody_waits(store: &dyn BudgetStore) {
    for _ in 0..30 {
        assert_eq!(taken(store, "quiet", 0, 100).await.0, 100);
    }
    assert!(!store.view("quiet", second(0)).await.expect("it can be read").limited);
}

async fn a_whole_window_bursts_and_then_all_wait(store: &dyn BudgetStore) {
    tell(store, "burst", word(0, 100, 300)).await;
    for _ in 0..20 {
        assert_eq!(taken(store, "burst", 0, 5).await.0, 5);
    }
    // Of what is out something may come back.
    let until = second(2);
    assert_eq!(take(store, "burst", 1, 5).await, BudgetGrant::Wait { until });
    settle(store, "burst", 2, Settled { window: 1, ended: 100, ..Settled::default() }).await;
    // The server may have rounded the end of its window down to a second.
    let until = second(301);
    assert_eq!(take(store, "burst", 3, 5).await, BudgetGrant::Wait { until });
    assert_eq!(take(store, "burst", 300, 5).await, BudgetGrant::Wait { until });
    let view = store.view("burst", second(1)).await.expect("it can be read");
    assert_eq!((view.quota, view.remaining, view.out), (100, 0, 0));
    assert_eq!(view.resets_at, Some(second(300)));
    let (_, window) = taken(store, "burst", 301, 5).await;
    assert!(window > 1, "a new window");
}

async fn budgets_do_not_share_calls(store: &dyn BudgetStore) {
    tell(store, "one", word(0, 0, 300)).await;
    tell(store, "other", word(0, 7, 300)).await;
    assert!(matches!(take(store, "one", 0, 5).await, BudgetGrant::Wait { .. }));
    assert_eq!(taken(store, "other", 0, 9).await.0, 7);
}

async fn a_refusal_holds_everybody_up(store: &dyn BudgetStore) {
    let refused = BudgetWord { refused_until: Some(second(50)), ..BudgetWord::at(second(10)) };
    tell(store, "refused", refused).await;
    let until = second(50);
    assert_eq!(take(store, "refused", 49, 5).await, BudgetGrant::Wait { until });
    taken(store, "refused", 50, 5).await;
}

async fn what_is_not_used_is_taken_by_others(store: &dyn BudgetStore) {
    tell(store, "unused", word(0, 10, 300)).await;
    let (_, window) = taken(store, "unused", 0, 10).await;
    settle(store, "unused", 1, Settled { window, unused: 4, ..Settled::default() }).await;
    assert_eq!(taken(store, "unused", 1, 10).await, (4, window));
    // A window that has ended takes nothing back.
    tell(store, "unused", word(302, 100, 600)).await;
    settle(store, "unused", 303, Settled { window, unused: 4, ..Settled::default() }).await;
    let view = store.view("unused", second(303)).await.expect("it can be read");
    assert_eq!(view.remaining, 100);
}

async fn a_dead_process_costs_what_it_held_until_the_window_ends(store: &dyn BudgetStore) {
    tell(store, "dead", word(0, 20, 300)).await;
    taken(store, "dead", 0, 5).await;
    let (alive, window) = taken(store, "dead", 0, 99).await;
    assert_eq!(alive, 15);
    settle(store, "dead", 1, Settled { window, ended: 15, ..Settled::default() }).await;
    tell(store, "dead", word(1, 5, 300)).await;
    assert!(matches!(take(store, "dead", 2, 5).await, BudgetGrant::Wait { .. }));
    let (_, window) = taken(store, "dead", 301, 1).await;
    settle(store, "dead", 302, Settled { window, ended: 1, ..Settled::default() }).await;
    tell(store, "dead", word(302, 99, 601)).await;
    // A minute later nothing of the dead process's can still be on its way.
    assert_eq!(taken(store, "dead", 362, 200).await.0, 99);
}

async fn near_the_end_calls_wait_for_those_under_way(store: &dyn BudgetStore) {
    tell(store, "end", word(0, 30, 300)).await;
    let (_, window) = taken(store, "end", 0, 20).await;
    // Somebody else uses the token too: of ours the server can have counted all or none.
    tell(store, "end", word(1, 22, 300)).await;
    assert_eq!(taken(store, "end", 1, 20).await.0, 2);
    let BudgetGrant::Wait { until } = take(store, "end", 1, 20).await else {
        panic!("20 + 2 are out")
    };
    assert!(until < second(3), "soon they have ended");
    tell(store, "end", word(2, 8, 300)).await;
    settle(store, "end", 2, Settled { window, ended: 20, ..Settled::default() }).await;
    assert_eq!(taken(store, "end", 2, 20).await.0, 6);
}

async fn a_new_window_is_tried_with_one_call(store: &dyn BudgetStore) {
    tell(store, "new", word(0, 5, 300)).await;
    let (_, earlier) = taken(store, "new", 299, 4).await;
    // What the last calls of a window bring must not be taken for word of the next one.
    assert!(matches!(take(store, "new", 301, 50).await, BudgetGrant::Wait { .. }));
    settle(store, "new", 301, Settled { window: earlier, ended: 4, ..Settled::default() }).await;
    let BudgetGrant::Granted { calls, window, first, .. } = take(store, "new", 301, 50).await
    else {
        panic!("a new window")
    };
    assert!(calls == 1 && first && window > earlier);
    assert!(matches!(take(store, "new", 301, 50).await, BudgetGrant::Wait { .. }));
    settle(store, "new", 302, Settled { window, ended: 1, ..Settled::default() }).await;
    tell(store, "new", word(302, 40, 601)).await;
    assert_eq!(taken(store, "new", 302, 50).await, (40, window));
    // Without a word the rest is given out all the same.
    taken(store, "new", 602, 50).await;
    assert_eq!(taken(store, "new", 606, 200).await.0, 99);
}
