//! What makes a running cloud worse on purpose, held by the API and by whoever runs the cloud.

use crate::{
    api::{RequestCount, RequestLog},
    faults::{Fault, FaultBook},
    limits::{Budgets, Limits},
    state::State,
};
use std::sync::Arc;

/// Clones pull the same levers.
#[derive(Clone, Debug)]
pub(crate) struct Levers {
    pub(crate) state: State,
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) faults: Arc<FaultBook>,
    pub(crate) log: Arc<RequestLog>,
}

impl Levers {
    /// Puts limits in force; everybody's budget is full afterwards.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.state.set_propagation(limits.propagation);
        self.budgets.set(limits);
    }

    /// What a cloud starts with.
    pub(crate) fn set_up(&self, limits: Limits, faults: Vec<Fault>) {
        self.set_limits(limits);
        for fault in faults {
            self.add_fault(fault);
        }
    }

    pub(crate) fn add_fault(&self, fault: Fault) -> String {
        self.faults.add(fault).id
    }

    pub(crate) fn requests(&self) -> RequestCount {
        self.log.count(None)
    }
}
