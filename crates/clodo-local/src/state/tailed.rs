use clodo_workerd::Generation;
use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

/// The Workers that somebody listens to now: account and script.
#[derive(Debug, Default)]
pub(crate) struct Tailed(RwLock<BTreeSet<(String, String)>>);

impl Tailed {
    /// Somebody listens from now on, or nobody any more.
    pub(crate) fn set(&self, account_id: &str, script: &str, listened: bool) {
        let key = (account_id.to_owned(), script.to_owned());
        let mut tailed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if listened {
            tailed.insert(key);
        } else {
            tailed.remove(&key);
        }
    }

    /// Notes them in what the account must run.
    pub(super) fn note(&self, account_id: &str, generation: &mut Generation) {
        for (_, script) in self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(account, _)| account == account_id)
        {
            generation.tails.entry(script.clone()).or_default().observed = true;
        }
    }
}
