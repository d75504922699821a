use super::{
    DriftKind, bindings,
    target::{Comparison, DEPLOY, REDEPLOY},
};
use crate::{
    inspected::{BoundTo, Inspected, InspectedVersion, is_clodos},
    mark::Hashes,
};
use clodo_types::DeploymentId;
use serde_json::Value;

/// What has traffic though no deployment of certain hashes gave it any.
#[derive(Debug)]
pub(crate) struct Stranger {
    /// Which version, in words; none when no version has any.
    pub(crate) version: Option<String>,
    /// The deployment of Clodo's that gave it the traffic, if one did.
    pub(crate) deployment: Option<DeploymentId>,
}

/// What has traffic though no deployment of these hashes gave it any.
pub(crate) fn stranger(inspected: &Inspected, hashes: &Hashes) -> Option<Stranger> {
    let mut serving = shares(inspected).peekable();
    if serving.peek().is_none() {
        return Some(Stranger { version: None, deployment: None });
    }
    let (version, _) = serving.find(|(version, _)| !fits(version, hashes))?;
    let by_clodo = inspected.traffic_message.as_deref().is_some_and(is_clodos);
    let deployment = version.head.of_clodo().filter(|_| by_clodo).map(|says| says.deployment);
    Some(Stranger { version: Some(shown(version)), deployment })
}

/// Whether a version with exactly these hashes has traffic.
pub(super) fn serves(inspected: Option<&Inspected>, hashes: &Hashes) -> bool {
    inspected.is_some_and(|inspected| shares(inspected).any(|(version, _)| fits(version, hashes)))
}

fn fits(version: &InspectedVersion, hashes: &Hashes) -> bool {
    version.head.of_clodo().is_some_and(|message| message.fits(hashes))
}

/// The versions that have traffic, with how much.
fn shares(inspected: &Inspected) -> impl Iterator<Item = (&InspectedVersion, f64)> {
    inspected.serving.iter().filter_map(|version| {
        let share = inspected.traffic.iter().find(|share| share.version == version.head.id)?;
        (share.percentage > 0.0).then_some((version, share.percentage))
    })
}

/// Compares the versions that serve, and the newest one, with what Clodo uploaded.
pub(super) fn compare(target: &mut Comparison<'_>) {
    let Some(inspected) = target.inspected else { return };
    let Some(hashes) = target.hashes else { return };
    if shares(inspected).next().is_none() {
        let what = format!("no version of `{}` has traffic", target.worker.worker);
        target.found(DriftKind::Traffic, what, None, None, REDEPLOY);
    }
    let own = target.target.hashes();
    let mut foreign: Option<(&InspectedVersion, f64)> = None;
    for (version, share) in shares(inspected) {
        if fits(version, &hashes) {
            resources(target, version);
            undeclared_secrets(target, version);
        } else if fits(version, &own) {
            let what = format!("the tags of `{}` were changed", target.worker.worker);
            target.found(DriftKind::Mark, what, None, None, DEPLOY);
        } else if version.head.is_clodos() {
            moved(target, version, share);
        } else if foreign.is_none_or(|(_, most)| share > most) {
            foreign = Some((version, share));
        }
    }
    if let Some((version, share)) = foreign {
        strange(target, version, share);
    }
    moved_among_equals(target, inspected, &hashes);
    newer(target, inspected);
}

fn shown(version: &InspectedVersion) -> String {
    let made_by = version.head.made_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
    format!("version {}{made_by}", version.head.id)
}

fn moved(target: &mut Comparison<'_>, version: &InspectedVersion, share: f64) {
    let name = target.worker.worker.clone();
    let what = format!("{share}% of the traffic of `{name}` goes to another version of Clodo's");
    let expected = target.last.and_then(|last| last.version.as_ref());
    let expected = expected.map(|version| format!("version {version}"));
    target.found(DriftKind::Traffic, what, expected, Some(shown(version)), REDEPLOY);
}

/// The same content and configuration, in another version than the one that was given the traffic.
fn moved_among_equals(target: &mut Comparison<'_>, inspected: &Inspected, hashes: &Hashes) {
    let by_clodo = inspected.traffic_message.as_deref().is_some_and(is_clodos);
    let last = target.last.filter(|last| last.hashes == Some(*hashes));
    let Some(given) = last.and_then(|last| last.version.clone()) else { return };
    let all_fit = shares(inspected).all(|(version, _)| fits(version, hashes));
    let serves = shares(inspected).any(|(version, _)| version.head.id == given);
    if let Some((version, share)) = shares(inspected).next()
        && all_fit
        && !serves
        && !by_clodo
    {
        let what = format!(
            "{share}% of the traffic of `{}` goes to an earlier upload of the same",
            target.worker.worker
        );
        let given = Some(format!("version {given}"));
        target.found(DriftKind::Traffic, what, given, Some(shown(version)), REDEPLOY);
    }
}

fn newer(target: &mut Comparison<'_>, inspected: &Inspected) {
    let Some(newest) = &inspected.newest else { return };
    let serves = shares(inspected).any(|(version, _)| version.head.id == newest.id);
    if serves || newest.is_clodos() {
        return;
    }
    let made_by = newest.made_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
    let what = format!(
        "a newer version of `{}` was uploaded, not by Clodo, and gets no traffic",
        target.worker.worker
    );
    let found = Some(format!("version {}{made_by}", newest.id));
    target.found(DriftKind::NewerVersion, what, None, found, REDEPLOY);
}

/// A version serves that Clodo did not upload: says so, and what is different about it.
fn strange(target: &mut Comparison<'_>, version: &InspectedVersion, share: f64) {
    let name = target.worker.worker.clone();
    let what =
        format!("{share}% of the traffic of `{name}` goes to a version that Clodo did not upload");
    let expected = target.last.and_then(|last| last.version.as_ref());
    let expected = expected.map(|version| format!("version {version}"));
    target.found(DriftKind::Version, what, expected, Some(shown(version)), REDEPLOY);
    let Some(config) = target.expected.clone() else { return };
    compatibility(target, version, &config);
    let mut wanted = bindings::expected(&config, target.account);
    let mut now = bindings::found(version, &target.worker, target.account);
    for name in wanted.keys().chain(now.keys()).cloned().collect::<Vec<_>>() {
        let (wanted, now) = (wanted.remove(&name), now.remove(&name));
        if wanted != now {
            binding(target, &name, wanted, now);
        }
    }
}

fn binding(target: &mut Comparison<'_>, name: &str, wanted: Option<String>, now: Option<String>) {
    let worker = target.worker.worker.clone();
    let is_secret = |text: &Option<String>| text.as_deref() == Some(bindings::SECRET);
    let kind = match is_secret(&wanted) || is_secret(&now) {
        true => DriftKind::Secret,
        false => DriftKind::Binding,
    };
    let (what, hint) = match (&wanted, &now) {
        (None, Some(_)) if kind == DriftKind::Secret => (
            format!("secret {name} of `{worker}` is set, and the files do not declare it"),
            "declare it in clodo.toml, or remove it with `wrangler secret delete`",
        ),
        (Some(_), None) if kind == DriftKind::Secret => (
            format!("secret {name} of `{worker}` is missing"),
            "`clodo-deploy deploy --redeploy` sets it, given its value",
        ),
        (None, Some(_)) => {
            (format!("`{worker}` has a binding {name} that nobody declared"), REDEPLOY)
        }
        (Some(_), None) => (format!("the binding {name} of `{worker}` is missing"), REDEPLOY),
        _ => (format!("the binding {name} of `{worker}` was changed"), REDEPLOY),
    };
    target.found(kind, what, wanted, now, hint);
}

fn compatibility(target: &mut Comparison<'_>, version: &InspectedVersion, config: &Value) {
    let name = target.worker.worker.clone();
    let date = config.get("compatibility_date").and_then(Value::as_str).map(str::to_owned);
    let now = version.compatibility_date.clone().filter(|date| !date.is_empty());
    if date.is_some() && date != now {
        let what = format!("the compatibility date of `{name}` was changed");
        target.found(DriftKind::Compatibility, what, date, now, REDEPLOY);
    }
    let flags = config.get("compatibility_flags").and_then(Value::as_array);
    let flags = flags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let (mut flags, mut now) = (flags.collect::<Vec<_>>(), version.compatibility_flags.clone());
    flags.sort();
    now.sort();
    if flags != now {
        let what = format!("the compatibility flags of `{name}` were changed");
        let (flags, now) = (Some(flags.join(" ")), Some(now.join(" ")));
        target.found(DriftKind::Compatibility, what, flags, now, REDEPLOY);
    }
}

/// A version of Clodo's carries over the secrets that somebody set by other means.
fn undeclared_secrets(target: &mut Comparison<'_>, version: &InspectedVersion) {
    let Some(config) = &target.expected else { return };
    let declared = bindings::expected(config, target.account);
    let secrets = version.bindings.iter().filter(|(_, bound)| **bound == BoundTo::Secret);
    let secrets = secrets.map(|(name, _)| name).filter(|name| !declared.contains_key(*name));
    let names: Vec<String> = secrets.cloned().collect();
    for name in names {
        let message = format!(
            "{} has a secret {name} that its files do not declare; deployments carry it over",
            target.target.id
        );
        let hint = "declare it in clodo.toml, or remove it with `wrangler secret delete`";
        target.note("secret-not-declared", message, hint);
    }
}

/// What the version is bound to by an id or a name that nothing has any more.
fn resources(target: &mut Comparison<'_>, version: &InspectedVersion) {
    for (name, bound) in &version.bindings {
        let (account, listed) = (target.account, target.listed);
        let missing = match bound {
            BoundTo::Database(id) if listed.databases => {
                account.database_by_id(id).is_none().then(|| format!("database {id}"))
            }
            BoundTo::Namespace(id) if listed.namespaces => {
                let known = account.namespaces.values().any(|known| known == id);
                (!known).then(|| format!("KV namespace {id}"))
            }
            BoundTo::Bucket { name, jurisdiction: None } if listed.buckets => {
                (!account.buckets.contains(name)).then(|| format!("bucket {name}"))
            }
            BoundTo::Worker { worker, .. }
            | BoundTo::DurableObject { worker: Some(worker), .. } => {
                (!account.workers.contains_key(worker)).then(|| format!("worker {worker}"))
            }
            _ => None,
        };
        let Some(missing) = missing else { continue };
        let hint = match bound {
            BoundTo::Worker { .. } | BoundTo::DurableObject { .. } => {
                "`clodo-deploy deploy` of that service brings it back"
            }
            _ => {
                "restore it from a backup if its data matters; `clodo-deploy deploy --redeploy` \
                 makes an empty one in its place and binds it"
            }
        };
        let what = format!("what `{}` is bound to as {name} is gone", target.worker.worker);
        target.found(DriftKind::Resource, what, Some(missing), None, hint);
    }
}
