use crate::{
    platform::PlatformError,
    telemetry::{Reading, Telemetry, TelemetryQuestion},
};
use async_trait::async_trait;
use clodo_judge::Arm;
use clodo_types::{TargetId, VersionId};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

/// Telemetry in memory: each time it is read, more requests have come, with as many errors as a test
/// asked for.
#[derive(Debug, Default)]
pub struct MemoryTelemetry(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    baseline: Flow,
    canary: Flow,
    readings: BTreeMap<(VersionId, VersionId), u64>,
}

/// How many requests come between two readings, and how many of them fail.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    requests: u64,
    errors: u64,
}

impl MemoryTelemetry {
    /// Sets what comes between two readings: requests and errors of the old version.
    pub fn set_baseline(&self, requests: u64, errors: u64) {
        self.state().baseline = Flow { requests, errors };
    }

    /// Sets what comes between two readings: requests and errors of the new version.
    pub fn set_canary(&self, requests: u64, errors: u64) {
        self.state().canary = Flow { requests, errors };
    }

    /// How often it was read.
    #[must_use]
    pub fn readings(&self) -> u64 {
        self.state().readings.values().sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}

impl Flow {
    fn times(self, count: u64) -> Arm {
        Arm::new(self.requests * count, self.errors * count)
    }
}

#[async_trait]
impl Telemetry for MemoryTelemetry {
    async fn read(&self, question: &TelemetryQuestion) -> Result<Reading, PlatformError> {
        let mut state = self.state();
        let versions = (question.baseline.clone(), question.canary.clone());
        let count = state.readings.entry(versions).or_default();
        *count += 1;
        let count = *count;
        let (baseline, canary) = (state.baseline.times(count), state.canary.times(count));
        Ok(Reading { baseline, canary })
    }

    fn knows_latency(&self, _: &TargetId) -> bool {
        false
    }
}
