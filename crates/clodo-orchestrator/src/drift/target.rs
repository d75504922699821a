use super::{Drift, DriftFacts, DriftKind, DriftReport, LastDeployed, serving};
use crate::{
    config::differences,
    desired::{Desired, DesiredTarget},
    inspected::Inspected,
    mark::Hashes,
    observed::{AccountScope, ObservedAccount, ObservedWorker},
    trigger::{WorkerRef, WorkersDev},
};
use clodo_types::{Finding, Hostname, Severity};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const DEPLOY: &str = "`clodo-deploy deploy` mends it";
pub(super) const REDEPLOY: &str = "`clodo-deploy deploy --redeploy` mends it";

/// Compares one target with what is there.
pub(super) fn compare(
    desired: &Desired,
    target: &DesiredTarget,
    listed: &AccountScope,
    facts: &DriftFacts,
    report: &mut DriftReport,
) {
    let worker = target.worker_ref();
    let Some(account) = facts.observed.accounts.get(&worker.account) else { return };
    let last = facts.last.get(&worker).filter(|last| !last.removed);
    let Some(live) = account.workers.get(&worker.worker) else {
        gone(target, worker, last, report);
        return;
    };
    let inspected = facts.inspected.get(&worker);
    let hashes = live.mark().hashes.or(last.and_then(|last| last.hashes));
    let expected = hashes.and_then(|hashes| config(target, &worker, hashes, facts));
    let mut comparison = Comparison {
        desired,
        target,
        worker,
        listed,
        account,
        live,
        inspected,
        last,
        hashes,
        expected,
        report,
    };
    if comparison.is_comparable(facts) {
        if comparison.inspected.is_none() {
            comparison.report.believed.insert(comparison.worker.clone());
        }
        comparison.run();
    }
}

fn gone(
    target: &DesiredTarget,
    worker: WorkerRef,
    last: Option<&LastDeployed>,
    report: &mut DriftReport,
) {
    let name = &worker.worker;
    let (kind, what) = match last {
        Some(_) => (DriftKind::WorkerGone, format!("worker `{name}` was deleted")),
        None => (DriftKind::NotDeployed, format!("worker `{name}` is not deployed")),
    };
    let (target, hint) = (Some(target.id.clone()), DEPLOY.to_owned());
    report.drifts.push(Drift { kind, target, worker, what, expected: None, found: None, hint });
}

/// The configuration that has these hashes, if anybody still knows it.
pub(super) fn config(
    target: &DesiredTarget,
    worker: &WorkerRef,
    hashes: Hashes,
    facts: &DriftFacts,
) -> Option<Value> {
    let recorded = || {
        let recorded = facts.recorded.get(worker)?;
        (recorded.hashes == hashes).then(|| recorded.config.clone())
    };
    let own = target.hashes();
    let same = own.config == hashes.config && own.triggers == hashes.triggers;
    if same { Some(target.config()) } else { recorded() }
}

/// A target beside what is there.
pub(super) struct Comparison<'a> {
    pub(super) desired: &'a Desired,
    pub(super) target: &'a DesiredTarget,
    pub(super) worker: WorkerRef,
    /// What of the account was listed.
    pub(super) listed: &'a AccountScope,
    pub(super) account: &'a ObservedAccount,
    pub(super) live: &'a ObservedWorker,
    pub(super) inspected: Option<&'a Inspected>,
    pub(super) last: Option<&'a LastDeployed>,
    /// What Clodo left, by the mark or else by the record.
    pub(super) hashes: Option<Hashes>,
    /// The configuration that Clodo left.
    pub(super) expected: Option<Value>,
    pub(super) report: &'a mut DriftReport,
}

impl Comparison<'_> {
    /// Looks whose Worker it is, and whether somebody is still at work on it.
    fn is_comparable(&mut self, facts: &DriftFacts) -> bool {
        let name = self.worker.worker.clone();
        if let Some(id) = facts.unfinished.get(&self.worker) {
            let what = format!("deployment {id} of `{name}` is not finished");
            let hint = "`clodo-deploy deploy` finishes it, `clodo-deploy rollback` takes it back";
            self.found(DriftKind::Unfinished, what, None, None, hint);
            return false;
        }
        let mark = self.live.mark();
        let adopt = "`clodo-deploy deploy --adopt` takes it over";
        match &mark.owner {
            Some(owner) if *owner == self.desired.portfolio => {}
            Some(owner) => {
                let what = format!("worker `{name}` belongs to portfolio `{owner}`");
                self.found(DriftKind::Owner, what, None, None, adopt);
                return false;
            }
            None if self.is_known() => {
                let what = format!("the tags by which Clodo knows `{name}` are gone");
                self.found(DriftKind::Mark, what, None, None, adopt);
            }
            None => {
                let what = format!("worker `{name}` was not deployed by Clodo");
                self.found(DriftKind::Owner, what, None, None, adopt);
                return false;
            }
        }
        if mark.owner.is_some() && mark.hashes.is_none() {
            let (kind, what) = match self.is_known() {
                true => (DriftKind::Mark, format!("the tags of `{name}` were changed")),
                false => {
                    (DriftKind::Unfinished, format!("the first deployment of `{name}` did not end"))
                }
            };
            self.found(kind, what, None, None, DEPLOY);
        }
        true
    }

    /// True when a finished deployment is known to have left the Worker.
    fn is_known(&self) -> bool {
        self.last.is_some_and(|last| last.hashes.is_some())
    }

    fn run(&mut self) {
        self.files();
        self.workers_dev();
        self.domains();
        self.settings();
        self.routes();
        self.schedules();
        self.workflows();
        serving::compare(self);
    }

    pub(super) fn found(
        &mut self,
        kind: DriftKind,
        what: impl Into<String>,
        expected: Option<String>,
        found: Option<String>,
        hint: &str,
    ) {
        let (target, worker) = (Some(self.target.id.clone()), self.worker.clone());
        let (what, hint) = (what.into(), hint.to_owned());
        self.report.drifts.push(Drift { kind, target, worker, what, expected, found, hint });
    }

    pub(super) fn note(&mut self, rule: &str, message: String, hint: &str) {
        let (rule, hint) = (rule.to_owned(), Some(hint.to_owned()));
        self.report.notes.push(Finding { rule, severity: Severity::Note, at: None, message, hint });
    }

    /// What the files say that was not deployed.
    fn files(&mut self) {
        let Some(hashes) = self.live.mark().hashes else { return };
        let own = self.target.hashes();
        let parts = [
            ("code", own.content != hashes.content),
            ("configuration", own.config != hashes.config),
            ("routes or schedules", own.triggers != hashes.triggers),
        ];
        let changed: Vec<&str> =
            parts.into_iter().filter_map(|(what, differs)| differs.then_some(what)).collect();
        // A version of exactly this that serves says that the tags were changed, not the files.
        if changed.is_empty() || serving::serves(self.inspected, &own) {
            return;
        }
        let mut what = format!("the files of `{}` have other {}", self.worker.worker, {
            changed.join(" and ")
        });
        if let Some(expected) = &self.expected {
            let lines = differences(expected, &self.target.config());
            if !lines.is_empty() {
                what += &format!(" ({})", lines.join("; "));
            }
        }
        self.found(DriftKind::NotDeployed, what, None, None, "`clodo-deploy deploy` deploys it");
    }

    fn workers_dev(&mut self) {
        let to = self.target.workers_dev;
        let Some(now) = self.live.workers_dev.filter(|now| *now != to) else { return };
        let shown = |one: WorkersDev| {
            let on = |on| if on { "on" } else { "off" };
            format!("workers.dev {}, preview URLs {}", on(one.enabled), on(one.previews))
        };
        let what = format!("workers.dev of `{}` was switched", self.worker.worker);
        self.found(DriftKind::WorkersDev, what, Some(shown(to)), Some(shown(now)), DEPLOY);
    }

    fn domains(&mut self) {
        let now = self.account.domains_of(&self.worker.worker);
        let (account, name) = (self.account, self.worker.worker.clone());
        for host in self.target.domains.iter().filter(|host| !now.contains(*host)) {
            let owner = account.domains.get(host);
            let what = match owner {
                Some(owner) => format!("{host} leads to worker `{owner}`"),
                None => format!("{host} leads to no Worker"),
            };
            let owner = owner.map(ToString::to_string);
            self.found(DriftKind::Domain, what, Some(name.to_string()), owner, DEPLOY);
        }
        let claimed = |host: &Hostname| {
            let mut targets = self.desired.targets.iter();
            targets.any(|target| {
                target.id.account == self.worker.account && target.domains.contains(host)
            })
        };
        let more: Vec<Hostname> = now.into_iter().filter(|host| !claimed(host)).collect();
        for host in more {
            let what = format!("{host} leads to `{name}`, and the files do not say so");
            self.found(DriftKind::Domain, what, None, Some(name.to_string()), DEPLOY);
        }
    }

    fn workflows(&mut self) {
        let Some(listed) = &self.account.workflows else { return };
        let Some(config) = &self.expected else { return };
        let wanted = config.get("registered_workflows").and_then(Value::as_object);
        let name = &self.worker.worker;
        let mut lost = Vec::new();
        for (workflow, row) in wanted.into_iter().flatten() {
            let class = row["class_name"].as_str().unwrap_or_default();
            let now = listed.iter().find(|(known, _)| known.as_str() == workflow);
            let runs = |class: &str, worker: &str| format!("class {class} of {worker}");
            let shown = now.map(|(_, now)| {
                let worker = now.worker.as_ref().map_or("nobody", |worker| worker.as_str());
                runs(&now.class_name, worker)
            });
            let wanted = runs(class, name.as_str());
            if shown.as_ref() != Some(&wanted) {
                let what = match shown {
                    Some(_) => format!("Workflow `{workflow}` of `{name}` runs something else"),
                    None => format!("Workflow `{workflow}` of `{name}` is not registered"),
                };
                lost.push((what, wanted, shown));
            }
        }
        for (what, wanted, shown) in lost {
            self.found(DriftKind::Workflow, what, Some(wanted), shown, DEPLOY);
        }
    }

    fn settings(&mut self) {
        let wanted = self.expected.as_ref().and_then(|config| config.get("worker_settings"));
        let wanted = wanted.and_then(Value::as_object).cloned().unwrap_or_default();
        for (key, wanted) in wanted {
            let Some(now) = self.live.settings.get(&key) else { continue };
            if !agrees(&wanted, now) {
                let what = format!("the setting `{key}` of `{}` was changed", self.worker.worker);
                let now = Some(crate::config::short(now));
                let wanted = Some(crate::config::short(&wanted));
                self.found(DriftKind::Settings, what, wanted, now, REDEPLOY);
            }
        }
    }

    fn routes(&mut self) {
        let Some(now) = self.account.routes_of(&self.worker.worker) else { return };
        let Some(config) = &self.expected else { return };
        let rows = config.get("routes").and_then(Value::as_array).into_iter().flatten();
        let patterns = rows.filter_map(|row| row["pattern"].as_str().map(str::to_owned));
        let wanted: BTreeSet<String> = patterns.collect();
        let name = self.worker.worker.clone();
        for pattern in wanted.difference(&now) {
            let owner = self.account.routes.as_ref().and_then(|routes| routes.get(pattern));
            let owner = owner.map(ToString::to_string);
            let what = format!("the route {pattern} no longer leads to `{name}`");
            self.found(DriftKind::Route, what, Some(name.to_string()), owner, REDEPLOY);
        }
        let created = self.last.is_some_and(|last| last.created);
        for pattern in now.difference(&wanted) {
            let what = format!("the route {pattern} leads to `{name}`, which Clodo did not set");
            let hint = "take it away on Cloudflare, or name it in the wrangler config";
            // A Worker that Clodo took over keeps its routes until its config names some.
            if wanted.is_empty() && !created {
                self.note("route-not-named", what, hint);
            } else {
                let hint = if wanted.is_empty() { hint } else { REDEPLOY };
                self.found(DriftKind::Route, what, None, Some(name.to_string()), hint);
            }
        }
    }

    fn schedules(&mut self) {
        let Some(inspected) = self.inspected else { return };
        let wanted = self.expected.as_ref().and_then(|config| config.get("crons"));
        let Some(wanted) = wanted.and_then(Value::as_array) else { return };
        let wanted: BTreeSet<&str> = wanted.iter().filter_map(Value::as_str).collect();
        let now: BTreeSet<&str> = inspected.schedules.iter().map(String::as_str).collect();
        if wanted != now {
            let shown = |crons: BTreeSet<&str>| match crons.is_empty() {
                true => "none".to_owned(),
                false => crons.into_iter().collect::<Vec<_>>().join(", "),
            };
            let (wanted, now) = (Some(shown(wanted)), Some(shown(now)));
            let what = format!("the schedules of `{}` were changed", self.worker.worker);
            self.found(DriftKind::Schedule, what, wanted, now, REDEPLOY);
        }
    }
}

/// True when a setting is as it was set: the platform may have added defaults of its own, and what
/// was set to nothing may read as its default.
fn agrees(wanted: &Value, now: &Value) -> bool {
    match (wanted, now) {
        (Value::Object(wanted), Value::Object(now)) => {
            wanted.iter().all(|(key, value)| agrees(value, now.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(wanted), Value::Array(now)) => {
            wanted.len() == now.len() && wanted.iter().zip(now).all(|(a, b)| agrees(a, b))
        }
        _ => wanted == now || (is_nothing(wanted) && is_nothing(now)),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => match fields.get("enabled") {
            Some(enabled) => *enabled == Value::Bool(false),
            None => fields.is_empty(),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_setting_agrees_with_its_defaults_and_with_nothing_else() {
        let on = json!({ "enabled": true, "head_sampling_rate": 1, "logs": { "enabled": true } });
        assert!(agrees(&json!({ "enabled": true }), &on));
        assert!(agrees(&Value::Null, &json!({ "enabled": false })));
        assert!(agrees(&json!([]), &Value::Null));
        assert!(agrees(&json!([{ "service": "t" }]), &json!([{ "service": "t", "x": 1 }])));
        assert!(!agrees(&Value::Null, &on));
        assert!(!agrees(&json!({ "enabled": true }), &json!({ "enabled": false })));
        assert!(!agrees(&json!({ "enabled": true, "head_sampling_rate": 0.5 }), &on));
        assert!(!agrees(&json!([{ "service": "t" }]), &json!([])));
        assert!(!agrees(&json!(false), &json!(true)));
    }
}
