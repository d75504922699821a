use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::versions::{self, Caution, NewDeployment, Share, TrafficSplit};
use clodo_orchestrator::{
    Applied, Before, Inputs, Look, PlatformError, PlatformErrorKind, Traffic, TrafficShare, Undone,
    WorkerRef, traffic_before,
};
use futures_util::TryStreamExt;
use std::pin::pin;

impl CloudflarePlatform {
    pub(super) async fn look_traffic(
        &self,
        worker: &WorkerRef,
        to: &Traffic,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        let now = self.shares(worker).await?;
        let before = before(to, &now, inputs);
        let wanted = wanted(to, inputs, &before)?;
        let there = match to {
            // A version beside the others can be asked for by name, even with a share of nothing.
            Traffic::Split(_) => exactly(&now, &wanted),
            _ => same(&now, &wanted),
        };
        let applied = applied(to, &before);
        let before = Before::Traffic(before);
        Ok(if there { Look::done(before, applied) } else { Look::pending(before) })
    }

    pub(super) async fn set_traffic(
        &self,
        worker: &WorkerRef,
        to: &Traffic,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let message = format!("clodo {}", inputs.deployment);
        // Only a share of the traffic is a matter of who had it before.
        let now = match (to, &inputs.before) {
            (Traffic::Split(_), None) => self.shares(worker).await?,
            _ => Vec::new(),
        };
        let before = before(to, &now, inputs);
        self.give(worker, &wanted(to, inputs, &before)?, &message).await?;
        Ok(applied(to, &before))
    }

    pub(super) async fn undo_traffic(
        &self,
        worker: &WorkerRef,
        to: &Traffic,
        inputs: &Inputs,
        shares: &[TrafficShare],
    ) -> Result<Undone, PlatformError> {
        if shares.is_empty() {
            let why = format!("no version of `{}` had traffic before", worker.worker);
            return Ok(Undone::Kept(why));
        }
        let now = self.shares(worker).await?;
        if exactly(&now, shares) {
            return Ok(Undone::Restored);
        }
        if !is_ours(&now, to, inputs, shares) {
            let why = format!("somebody else changed the traffic of `{}` since", worker.worker);
            return Ok(Undone::Kept(why));
        }
        self.give(worker, shares, "clodo: back to what was before").await?;
        Ok(Undone::Restored)
    }

    /// Who has the traffic now.
    pub(super) async fn shares(
        &self,
        worker: &WorkerRef,
    ) -> Result<Vec<TrafficShare>, PlatformError> {
        let account = self.account(&worker.account)?;
        let deployments = versions::list_deployments(account, &worker.worker);
        let mut deployments = pin!(self.client.stream(deployments));
        let newest = deployments.try_next().await;
        let doing = format!("could not read the traffic of `{}`", worker.worker);
        let shares = newest.map_err(failed(doing))?.map(|newest| newest.versions);
        let share =
            |share: Share| TrafficShare { version: share.version_id, percentage: share.percentage };
        Ok(shares.unwrap_or_default().into_iter().map(share).collect())
    }

    async fn give(
        &self,
        worker: &WorkerRef,
        shares: &[TrafficShare],
        message: &str,
    ) -> Result<(), PlatformError> {
        let account = self.account(&worker.account)?;
        let doing = format!("could not shift the traffic of `{}`", worker.worker);
        let share = |share: &TrafficShare| Share {
            version_id: share.version.clone(),
            percentage: share.percentage,
        };
        let split = TrafficSplit::new(shares.iter().map(share).collect()).map_err(|error| {
            PlatformError::new(PlatformErrorKind::Refused, doing.clone()).with_source(error)
        })?;
        // Secrets travel with versions here, so Cloudflare's warning about changed secrets, which
        // stops a way back, does not apply.
        let new = NewDeployment {
            caution: Caution::Override,
            ..NewDeployment::new(split).with_message(message)
        };
        let deploy = versions::deploy(account, &worker.worker, &new);
        self.client.send(deploy).await.map_err(failed(doing))?;
        Ok(())
    }
}

fn wanted(
    to: &Traffic,
    inputs: &Inputs,
    before: &[TrafficShare],
) -> Result<Vec<TrafficShare>, PlatformError> {
    to.shares(inputs.version.as_ref(), before).ok_or_else(|| {
        let doing = "the version that should get the traffic is not known";
        PlatformError::new(PlatformErrorKind::Refused, doing)
    })
}

/// Who had the traffic before the deployment gave its version a share.
fn before(to: &Traffic, now: &[TrafficShare], inputs: &Inputs) -> Vec<TrafficShare> {
    match (to, &inputs.before, &inputs.version) {
        (Traffic::Split(_), Some(before), _) => before.clone(),
        (Traffic::Split(_), None, Some(uploaded)) => traffic_before(now, uploaded),
        _ => now.to_vec(),
    }
}

fn applied(to: &Traffic, before: &[TrafficShare]) -> Applied {
    match to {
        Traffic::Split(_) => Applied::Split(before.to_vec()),
        _ => Applied::Done,
    }
}

/// True unless somebody else changed the traffic since the change was made.
fn is_ours(now: &[TrafficShare], to: &Traffic, inputs: &Inputs, before: &[TrafficShare]) -> bool {
    let Some(given) = to.shares(inputs.version.as_ref(), before) else { return true };
    match to {
        // Later steps gave it more.
        Traffic::Split(_) => now.iter().all(|share| {
            let known = |other: &TrafficShare| other.version == share.version;
            before.iter().any(known) || given.iter().any(known)
        }),
        _ => same(now, &given),
    }
}

/// The order of versions does not matter, and a version without a share is as good as none.
fn same(a: &[TrafficShare], b: &[TrafficShare]) -> bool {
    let share_of = |all: &[TrafficShare], wanted: &TrafficShare| {
        all.iter()
            .find(|share| share.version == wanted.version)
            .map_or(0.0, |share| share.percentage)
    };
    let covers = |a: &[TrafficShare], b: &[TrafficShare]| {
        a.iter().all(|share| (share.percentage - share_of(b, share)).abs() < 1e-9)
    };
    !a.is_empty() && covers(a, b) && covers(b, a)
}

/// As [`same`], and no version is in one of them alone.
fn exactly(a: &[TrafficShare], b: &[TrafficShare]) -> bool {
    a.len() == b.len()
        && same(a, b)
        && a.iter().all(|share| b.iter().any(|other| other.version == share.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(rows: &[(char, f64)]) -> Vec<TrafficShare> {
        let id = |c: char| format!("018f3c5e-0000-7000-8000-00000000000{c}").parse().unwrap();
        rows.iter().map(|(c, p)| TrafficShare { version: id(*c), percentage: *p }).collect()
    }

    #[test]
    fn traffic_is_the_same_whatever_the_order() {
        let split = shares(&[('1', 90.0), ('2', 10.0)]);
        assert!(same(&split, &shares(&[('2', 10.0), ('1', 90.0)])));
        assert!(same(&shares(&[('1', 100.0), ('2', 0.0)]), &shares(&[('1', 100.0)])));
        assert!(!same(&split, &shares(&[('1', 100.0)])));
        assert!(!same(&[], &[]));
        assert!(!exactly(&shares(&[('1', 100.0), ('2', 0.0)]), &shares(&[('1', 100.0)])));
        assert!(exactly(&split, &shares(&[('2', 10.0), ('1', 90.0)])));
    }
}
