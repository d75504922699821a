use crate::{
    error::StoreError,
    ledger::{BudgetGrant, BudgetView},
};
use async_trait::async_trait;
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Budgets of API calls that several processes and machines share: so many calls in each window of
/// time, under one name each. The name is a hash of the token, never the token.
///
/// # Contract
/// - All of a window's calls may be taken in one burst; then `take` says when to ask again.
/// - Until the server speaks of a limit, nobody waits.
/// - What the server says counts more than what was counted here, and a refusal holds everybody up.
/// - Of calls that were taken the store is told which were answered and which were never made. A
///   process that dies in between costs the others what it held, until the window ends.
/// - Each method is atomic, and does what [`BudgetLedger`](crate::BudgetLedger) does with its
///   ledger of that name.
/// - The callers' clocks count, which they keep in step to within a second.
#[async_trait]
pub trait BudgetStore: fmt::Debug + Send + Sync + 'static {
    /// Tells what happened since, and takes calls.
    ///
    /// # Errors
    /// When the store fails. That there is nothing to take now is an answer, not an error.
    async fn take(&self, calls: u64, report: &BudgetReport) -> Result<BudgetGrant, StoreError>;

    /// Only tells what happened since.
    ///
    /// # Errors
    /// When the store fails.
    async fn tell(&self, report: &BudgetReport) -> Result<(), StoreError>;

    /// How a budget stands.
    ///
    /// # Errors
    /// When the store fails.
    async fn view(&self, name: &str, now: Timestamp) -> Result<BudgetView, StoreError>;
}

/// What a process tells of the calls that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetReport {
    /// Which budget.
    pub name: String,
    /// The present moment.
    pub now: Timestamp,
    /// What became of calls that were taken.
    pub settled: Vec<Settled>,
    /// What the server said last, if it said anything.
    pub word: Option<BudgetWord>,
}

impl BudgetReport {
    /// Nothing happened.
    #[must_use]
    pub fn new(name: impl Into<String>, now: Timestamp) -> Self {
        Self { name: name.into(), now, settled: Vec::new(), word: None }
    }
}

/// What became of calls that were taken from one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The number of the window, as the grant has it.
    pub window: u64,
    /// Calls that were made and have ended, in whatever way.
    pub ended: u64,
    /// Of these, calls whose answer said nothing about the budget.
    pub silent: u64,
    /// Calls that were not made and will not be.
    pub unused: u64,
}

/// What the server's answers say about the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetWord {
    /// When the answer came.
    pub at: Timestamp,
    /// Calls that were left in the present window.
    pub remaining: Option<u64>,
    /// When the window ends.
    pub resets_at: Option<Timestamp>,
    /// Calls in a whole window.
    pub quota: Option<u64>,
    /// Length of a window.
    pub window: Option<Duration>,
    /// Everything is refused until then.
    pub refused_until: Option<Timestamp>,
}

impl BudgetWord {
    /// An answer that says nothing yet.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        let (remaining, quota) = (None, None);
        Self { at, remaining, resets_at: None, quota, window: None, refused_until: None }
    }
}
