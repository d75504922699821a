use crate::{connect::Connection, shared_pacer::SharedPacer};
use clodo_saga::{BudgetStore, StateStore};
use clodo_types::SystemClock;
use std::sync::{Arc, Mutex, PoisonError};

/// Whose calls are to be given back when the command has ended, however it ended.
static IN_USE: Mutex<Vec<SharedPacer>> = Mutex::new(Vec::new());

/// The budget of API calls of a connection's token, which lies in the state: one for all processes
/// with the same state.
pub fn budget(to: &Connection, store: &Arc<dyn StateStore>) -> SharedPacer {
    let budgets: Arc<dyn BudgetStore> = Arc::<dyn StateStore>::clone(store);
    let pacer = SharedPacer::new(budgets, Arc::new(SystemClock), &to.token);
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner).push(pacer.clone());
    pacer
}

/// Gives back what was taken from budgets and not used, so that others need not wait for it.
pub async fn give_back() {
    let in_use = std::mem::take(&mut *IN_USE.lock().unwrap_or_else(PoisonError::into_inner));
    for pacer in in_use {
        // What is not given back is lost until its window ends, and nothing else is.
        let _ = pacer.give_back().await;
    }
}
