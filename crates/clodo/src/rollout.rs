//! From what `clodo.toml` says about roll-outs to what the orchestrator carries out.

use crate::load_error::{LoadError, LoadErrorKind};
use clodo_config::{
    self as config, CanarySettings, Portfolio, Protection, RolloutSettings, TargetSpec,
};
use clodo_judge::{Judge, JudgeOptions};
use clodo_orchestrator::{
    Approval, BatchSize, BlueGreen, Canary, CanaryStep, Inconclusive, Rolling, Rollout, Strategy,
    Wave,
};
use clodo_types::{EnvironmentName, TargetId};
use std::num::{NonZeroU32, NonZeroUsize};

/// How a new version of the target takes over.
pub(crate) fn strategy(spec: &TargetSpec) -> Result<Strategy, LoadError> {
    let settings = &spec.rollout;
    Ok(match spec.strategy.value {
        config::Strategy::AllAtOnce => Strategy::AllAtOnce,
        config::Strategy::Rolling => Strategy::Rolling(rolling(settings)),
        config::Strategy::Canary => {
            Strategy::Canary(canary(&settings.canary).map_err(|error| {
                let message = format!("the canary of {} cannot be judged: {error}", spec.id);
                LoadError::new(LoadErrorKind::Config, message)
                    .with_hint("change it in a table `canary` of clodo.toml")
            })?)
        }
        config::Strategy::BlueGreen => {
            let mut blue_green = BlueGreen::default();
            blue_green.bake = settings.blue_green.bake.unwrap_or(blue_green.bake);
            Strategy::BlueGreen(blue_green)
        }
    })
}

/// In which order groups of the selected targets come.
pub(crate) fn rollout(portfolio: &Portfolio, specs: &[TargetSpec]) -> Rollout {
    let mut rollout = Rollout::default();
    if specs.iter().any(|spec| spec.protection == Protection::Approve) {
        rollout.approval = Some(Approval::SomebodyElse);
    }
    for described in portfolio.waves() {
        let members = specs.iter().map(|spec| &spec.id).filter(|id| described.has(id));
        let mut wave = Wave::new(described.name.clone(), members.cloned());
        // Of a wave that this deployment has no part in, nothing is waited for.
        if wave.targets.is_empty() {
            continue;
        }
        wave.bake = described.bake;
        wave.approval = described.approval.map(|approval| match approval {
            config::Approval::Anybody => Approval::Anybody,
            config::Approval::SomebodyElse => Approval::SomebodyElse,
        });
        rollout.waves.push(wave);
    }
    let by_environment = one_after_the_other(specs, &rollout.waves);
    rollout.waves.extend(by_environment);
    rollout
}

/// Environments that were selected together come in the order in which they were named, but for
/// targets of which the file says when they come. The last one needs no wave: it is the rest.
fn one_after_the_other(specs: &[TargetSpec], described: &[Wave]) -> Vec<Wave> {
    let mut environments: Vec<&EnvironmentName> = Vec::new();
    for spec in specs {
        if !environments.contains(&&spec.id.environment) {
            environments.push(&spec.id.environment);
        }
    }
    environments.pop();
    let is_free = |id: &TargetId| described.iter().all(|wave| !wave.targets.contains(id));
    let wave = |environment: &EnvironmentName| {
        let members = specs.iter().map(|spec| &spec.id).filter(|id| id.environment == *environment);
        Wave::new(environment.to_string(), members.filter(|id| is_free(id)).cloned())
    };
    environments.into_iter().map(wave).filter(|wave| !wave.targets.is_empty()).collect()
}

fn rolling(settings: &RolloutSettings) -> Rolling {
    let settings = &settings.rolling;
    let mut rolling = Rolling::default();
    match settings.batch {
        Some(config::Batch::Count(count)) => rolling.batch = BatchSize::Count(size(count)),
        Some(config::Batch::Percent(part)) => rolling.batch = BatchSize::Percent(part),
        None => {}
    }
    rolling.max_unavailable = settings.max_unavailable.map(size);
    rolling.bake = settings.bake.unwrap_or(rolling.bake);
    rolling
}

fn size(count: NonZeroU32) -> NonZeroUsize {
    NonZeroUsize::try_from(count).unwrap_or(NonZeroUsize::MAX)
}

fn canary(settings: &CanarySettings) -> Result<Canary, clodo_judge::OptionsError> {
    let mut canary = Canary::default();
    if let Some(steps) = &settings.steps {
        let step = |step: &config::CanaryStep| {
            let shared = CanaryStep::new(step.percentage);
            step.bake.map_or(shared, |bake| shared.with_bake(bake))
        };
        canary.steps = steps.iter().map(step).collect();
    }
    canary.bake = settings.bake.unwrap_or(canary.bake);
    canary.limit = settings.limit.unwrap_or(canary.limit);
    canary.interval = settings.interval.unwrap_or(canary.interval);
    canary.inconclusive = match settings.inconclusive {
        Some(config::Inconclusive::Hold) => Inconclusive::Hold,
        Some(config::Inconclusive::RollBack) => Inconclusive::RollBack,
        Some(config::Inconclusive::Ask) => Inconclusive::Ask,
        None => canary.inconclusive,
    };
    canary.judge = judge(settings);
    Judge::new(canary.judge.clone())?;
    Ok(canary)
}

fn judge(settings: &CanarySettings) -> JudgeOptions {
    let mut judge = JudgeOptions::default();
    let numbers = [
        (&mut judge.alpha_worse, settings.alpha_worse),
        (&mut judge.alpha_promote, settings.alpha_promote),
        (&mut judge.error_tolerance, settings.error_tolerance),
        (&mut judge.error_margin.absolute, settings.error_margin),
        (&mut judge.error_margin.relative, settings.error_margin_relative),
        (&mut judge.latency_tolerance, settings.latency_tolerance),
        (&mut judge.latency_margin, settings.latency_margin),
    ];
    for (usual, given) in numbers {
        *usual = given.unwrap_or(*usual);
    }
    if let Some(quantiles) = &settings.latency {
        let quantiles = quantiles.iter().filter_map(|quantile| quantile.to_string().parse().ok());
        judge.quantiles = quantiles.collect();
    }
    let requests = settings.minimum_requests.map(|count| u64::from(count.get()));
    judge.minimum_requests = requests.unwrap_or(judge.minimum_requests);
    judge
}
