use crate::{budget_cap::BudgetCap, upstream::UpstreamUrl};
use std::time::Duration;

/// What a [`Gateway`](crate::Gateway) is set up with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayOptions {
    /// The API behind it.
    pub upstream: UpstreamUrl,
    /// A budget for each token, besides what the API says of its own.
    pub budget: Option<BudgetCap>,
    /// How long a read is good for the next one that is equal; zero: nothing is shared at all.
    pub cache: Duration,
    /// What kept answers may take, in bytes.
    pub cache_bytes: usize,
    /// How long a call may wait for the budget; after that it is answered 429.
    pub longest_wait: Duration,
    /// Calls of one token that are under way at the same time.
    pub at_once: usize,
    /// Calls in the gateway at the same time, those that wait included; more are answered 503.
    pub most_calls: usize,
    /// A request body up to this many bytes is kept while it is sent, so that it can be sent
    /// again after a 429. Longer ones are streamed.
    pub repeatable_bytes: usize,
    /// How long the API may take for a call. A write whose client left in the middle, or whose
    /// connection broke, counts as under way for so long.
    pub write_limit: Duration,
}

impl GatewayOptions {
    /// For this upstream: no budget of our own, reads good for 2 s in 32 MiB, waits up to 4
    /// minutes (wrangler gives up after 5), 64 calls at once, 10,000 in all, 2 minutes for a write.
    #[must_use]
    pub fn new(upstream: UpstreamUrl) -> Self {
        Self {
            upstream,
            budget: None,
            cache: Duration::from_secs(2),
            cache_bytes: 32 << 20,
            longest_wait: Duration::from_secs(240),
            at_once: 64,
            most_calls: 10_000,
            repeatable_bytes: 8 << 20,
            write_limit: Duration::from_secs(120),
        }
    }

    /// Sets a budget for each token.
    #[must_use]
    pub fn with_budget(mut self, budget: Option<BudgetCap>) -> Self {
        self.budget = budget;
        self
    }

    /// Sets how long reads are good.
    #[must_use]
    pub fn with_cache(mut self, cache: Duration) -> Self {
        self.cache = cache;
        self
    }

    /// Sets how long a call may wait.
    #[must_use]
    pub fn with_longest_wait(mut self, longest_wait: Duration) -> Self {
        self.longest_wait = longest_wait;
        self
    }

    /// Sets how long a write may take.
    #[must_use]
    pub fn with_write_limit(mut self, write_limit: Duration) -> Self {
        self.write_limit = write_limit;
        self
    }
}
