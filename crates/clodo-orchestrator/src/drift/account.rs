use super::{Drift, DriftFacts, DriftKind, DriftReport};
use crate::{desired::Desired, trigger::WorkerRef};

/// Workers that bear the portfolio's mark and that its files do not name.
pub(super) fn orphans(desired: &Desired, facts: &DriftFacts, report: &mut DriftReport) {
    let Some(named) = &facts.named else { return };
    for (account, observed) in &facts.observed.accounts {
        for (worker, live) in &observed.workers {
            let worker = WorkerRef { account: account.clone(), worker: worker.clone() };
            let mark = live.mark();
            // No file names a preview.
            let is_ours = mark.owner.as_ref() == Some(&desired.portfolio) && mark.preview.is_none();
            let is_target = desired.targets.iter().any(|target| target.worker_ref() == worker);
            if !is_ours || is_target || named.contains(&worker) {
                continue;
            }
            report.drifts.push(Drift {
                kind: DriftKind::Orphan,
                target: None,
                what: format!(
                    "worker `{}` is this portfolio's, and its files no longer name it",
                    worker.worker
                ),
                worker,
                expected: None,
                found: None,
                hint: "`clodo-deploy deploy --prune` removes it, after showing the plan".to_owned(),
            });
        }
    }
}
