//! What a program may want to have its own way.

use async_trait::async_trait;
use clodo_orchestrator::{
    Addresses, Applied, Before, Change, Check, Desired, Fate, Gate, Inputs, Inspected, Look,
    Observed, Plan, Platform, PlatformError, Scope, Undone, Verdict, Verifier, WorkerRef,
};
use clodo_types::{Finding, Severity, VersionId};
use std::sync::Arc;

/// Refuses a plan that changes more targets than this.
#[derive(Debug)]
pub(crate) struct AtMost(pub(crate) usize);

#[async_trait]
impl Gate for AtMost {
    async fn check(&self, plan: &Plan, _: &Desired) -> Vec<Finding> {
        let changed = plan.targets().iter().filter(|target| target.fate != Fate::Unchanged).count();
        let finding = Finding {
            rule: "too-many".to_owned(),
            severity: Severity::Block,
            at: None,
            message: format!("{changed} targets would change, and at most {} may", self.0),
            hint: Some("deploy fewer at a time".to_owned()),
        };
        if changed > self.0 { vec![finding] } else { Vec::new() }
    }
}

/// Asks once more before it believes that a target is ill.
#[derive(Debug)]
pub(crate) struct Patient(pub(crate) Arc<dyn Verifier>);

#[async_trait]
impl Verifier for Patient {
    async fn verify(&self, check: &Check, urls: &[String], version: Option<&VersionId>) -> Verdict {
        match self.0.verify(check, urls, version).await {
            Verdict::Failed { .. } => self.0.verify(check, urls, version).await,
            verdict => verdict,
        }
    }
}

/// Another platform that says aloud what it changes.
#[derive(Debug)]
pub(crate) struct Told(pub(crate) Arc<dyn Platform>);

#[async_trait]
impl Platform for Told {
    async fn observe(&self, scope: &Scope) -> Result<Observed, PlatformError> {
        self.0.observe(scope).await
    }

    async fn inspect(&self, worker: &WorkerRef) -> Result<Option<Inspected>, PlatformError> {
        self.0.inspect(worker).await
    }

    async fn look(&self, change: &Change, inputs: &Inputs) -> Result<Look, PlatformError> {
        self.0.look(change, inputs).await
    }

    async fn apply(&self, change: &Change, inputs: &Inputs) -> Result<Applied, PlatformError> {
        let applied = self.0.apply(change, inputs).await?;
        println!("{} {}", change.kind(), change.worker().map_or("-", |worker| worker.as_str()));
        Ok(applied)
    }

    async fn undo(
        &self,
        change: &Change,
        before: &Before,
        applied: Option<&Applied>,
        inputs: &Inputs,
    ) -> Result<Undone, PlatformError> {
        self.0.undo(change, before, applied, inputs).await
    }

    fn urls(&self, addresses: &Addresses) -> Vec<String> {
        self.0.urls(addresses)
    }
}
