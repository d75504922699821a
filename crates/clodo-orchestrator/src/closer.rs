//! A closer look at Workers that somebody else may have changed.

use crate::{
    context::DeployContext,
    desired::{Desired, DesiredTarget},
    drift::{inspect, serving},
    history::History,
    observed::{Observed, ObservedWorker},
    platform::PlatformError,
    trigger::WorkerRef,
};
use clodo_types::{DeploymentId, Finding, Severity, TargetId};
use std::collections::{BTreeMap, BTreeSet};

/// How many Workers at most are looked at only because no record says when they changed last: a
/// fleet must not cost calls that grow with it.
pub(crate) const WITHOUT_RECORD: usize = 50;

/// What a closer look came to.
#[derive(Debug, Default)]
pub(crate) struct Closer {
    /// Targets that bear the right mark while something else serves.
    pub(crate) moved: BTreeSet<TargetId>,
    /// What there is to say about them.
    pub(crate) findings: Vec<Finding>,
}

/// The mark says what Clodo deployed last, and others leave it where it is. So a Worker that changed
/// since, as a listing shows, is looked at one by one: what serves must be what the mark says.
pub(crate) async fn look_closer(
    cx: &DeployContext,
    desired: &Desired,
    observed: &Observed,
    history: &History,
) -> Result<Closer, PlatformError> {
    let mut closer = Closer::default();
    let busy: BTreeSet<WorkerRef> =
        history.unfinished().iter().flat_map(|past| past.opening.workers()).cloned().collect();
    let (mut changed, mut unknown) = (BTreeMap::new(), BTreeMap::new());
    for target in &desired.targets {
        let worker = target.worker_ref();
        let Some(live) = live(target, observed) else { continue };
        // What an interrupted deployment left is taken over as such.
        let bears_mark = live.mark().hashes == Some(target.hashes()) && !busy.contains(&worker);
        let Some(updated_on) = live.updated_on.as_deref().filter(|_| bears_mark) else { continue };
        match history.updated_on(&worker) {
            Some(known) if known == updated_on => {}
            Some(_) => drop(changed.insert(worker, target)),
            None => drop(unknown.insert(worker, target)),
        }
    }
    if unknown.len() <= WITHOUT_RECORD {
        changed.append(&mut unknown);
    } else {
        closer.findings.push(not_looked_at(unknown.len()));
    }
    let seen = inspect(cx, changed.keys().cloned()).await?;
    for (worker, target) in changed {
        let Some(seen) = seen.get(&worker) else { continue };
        let Some(stranger) = serving::stranger(seen, &target.hashes()) else { continue };
        // What another machine deploys right now, or did, is not this one's to undo unasked.
        let elsewhere =
            stranger.deployment.filter(|id| history.past.iter().all(|past| past.id != *id));
        match elsewhere {
            Some(id) => closer.findings.push(of_another_machine(target, &id)),
            None => {
                closer.moved.insert(target.id.clone());
                closer.findings.push(moved(target, stranger.version.as_deref()));
            }
        }
    }
    Ok(closer)
}

fn live<'a>(target: &DesiredTarget, observed: &'a Observed) -> Option<&'a ObservedWorker> {
    observed.accounts.get(&target.id.account)?.workers.get(&target.worker)
}

fn moved(target: &DesiredTarget, serving: Option<&str>) -> Finding {
    let message = match serving {
        Some(version) => format!("{} serves {version}, not what was deployed last", target.id),
        None => format!("no version of {} has any traffic", target.id),
    };
    note("moved-since", message, "a deployment puts back what the files say; `drift` shows both")
}

fn of_another_machine(target: &DesiredTarget, id: &DeploymentId) -> Finding {
    let message =
        format!("{} serves a version of deployment {id}, of which no record is here", target.id);
    note(
        "deployed-elsewhere",
        message,
        "a shared state in clodo.toml lets all machines know; `--redeploy` puts these files' version in its place",
    )
}

pub(crate) fn not_looked_at(count: usize) -> Finding {
    let message = format!(
        "{count} Workers are taken at their mark's word: no record here says when they changed last"
    );
    note(
        "not-looked-at",
        message,
        "`drift --deep` looks at each; a shared state in clodo.toml lets all machines know",
    )
}

fn note(rule: &str, message: String, hint: &str) -> Finding {
    let (rule, hint) = (rule.to_owned(), Some(hint.to_owned()));
    Finding { rule, severity: Severity::Note, at: None, message, hint }
}
