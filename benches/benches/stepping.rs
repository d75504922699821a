//! What the saga adds to each step of a deployment: a journal on disk, durable, under a lease.
//! `cargo bench -p clodo-benches --bench stepping`

#![allow(missing_docs, reason = "criterion's macros make public items")]

use async_trait::async_trait;
use clodo_saga::{
    Earlier, Ending, Holder, LeaseGuard, LeaseOptions, Look, Outputs, RunContext, RunHeader,
    SqliteStore, Step, StepError, StepId, Undo, run,
};
use clodo_types::{Clock, DeploymentId, SystemClock};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use std::{num::NonZeroUsize, sync::Arc};

const STEPS: usize = 200;

/// A step that costs nothing itself.
#[derive(Debug)]
struct Idle {
    id: StepId,
    needs: Vec<StepId>,
}

#[async_trait]
impl Step for Idle {
    fn id(&self) -> &StepId {
        &self.id
    }

    fn needs(&self) -> &[StepId] {
        &self.needs
    }

    async fn look(&self, _: &Outputs) -> Result<Look, StepError> {
        Ok(Look { before: Value::Null, already: None })
    }

    async fn act(&self, _: &Outputs) -> Result<Value, StepError> {
        Ok(Value::Null)
    }

    async fn undo(&self, _: &Value, _: Option<&Value>, _: &Outputs) -> Result<Undo, StepError> {
        Ok(Undo::Undone)
    }
}

/// One after the other, or all at once.
fn steps(chain: bool) -> Vec<Arc<dyn Step>> {
    let id = |at: usize| StepId::new(format!("step {at}"));
    let step = |at: usize| {
        let needs = if chain && at > 0 { vec![id(at - 1)] } else { Vec::new() };
        Arc::new(Idle { id: id(at), needs }) as Arc<dyn Step>
    };
    (0..STEPS).map(step).collect()
}

fn id(number: u64) -> DeploymentId {
    format!("00000000-0000-7000-8000-{number:012x}").parse().expect("this is a UUID")
}

async fn carry_out(store: &Arc<SqliteStore>, number: u64, chain: bool) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = LeaseOptions::new("deploy/bench", Holder::new("here", 1, "0"));
    let lease = LeaseGuard::acquire(Arc::clone(store) as _, Arc::clone(&clock), options);
    let lease = Arc::new(lease.await.expect("nobody else wants it"));
    let header = RunHeader {
        id: id(number),
        scope: "bench".to_owned(),
        started_at: clock.now(),
        data: Value::Null,
    };
    let mut cx = RunContext::new(Arc::clone(store) as _, clock);
    cx.lease = Some(Arc::clone(&lease));
    cx.concurrency = NonZeroUsize::new(6).expect("6 is not 0");
    let report = run(steps(chain), header, Earlier::default(), &cx, |_| Value::Null).await;
    assert_eq!(report.expect("it runs").ending, Ending::Completed);
    drop(cx);
    Arc::into_inner(lease).expect("nobody else has it").release().await.expect("it is given back");
}

fn stepping(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = runtime.block_on(SqliteStore::open(folder.path().join("state.sqlite")));
    let store = Arc::new(store.expect("a store"));
    let mut group = c.benchmark_group("saga on SQLite, durable: per step of a run of 200");
    group.sample_size(20).throughput(Throughput::Elements(STEPS as u64));
    let mut number = 0;
    for (name, chain) in [("one after the other", true), ("six side by side", false)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                number += 1;
                runtime.block_on(carry_out(&store, number, chain));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, stepping);
criterion_main!(benches);
