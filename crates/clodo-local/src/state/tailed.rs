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

    /// Notes those of them that are in the generation.
    pub(super) fn note(&self, account_id: &str, generation: &mut Generation) {
        let tailed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let here: Vec<_> = tailed
            .iter()
            .filter(|(account, script)| {
                account == account_id && generation.live.contains_key(script)
            })
            .collect();
        for (_, script) in here {
            generation.tails.entry(script.clone()).or_default().observed = true;
        }
    }
}
