//! Which Worker made a process hang, end, or outgrow its memory.
//!
//! A request that waits proves nothing: its Worker may wait for something slow while another one
//! loops. So whoever had a request in flight is only moved apart. A Worker is guilty when it is
//! the only one in a process that fails; whoever answers in peace returns to the others.

use super::{
    gather::Wanted,
    layout::{Apart, Group, components},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// How many groups the suspects are put into at first.
const GROUPS: usize = 4;
/// How long a suspect that answers stays apart.
const QUARANTINE: Duration = Duration::from_secs(300);

/// A process failed.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    /// All Workers that ran in it.
    pub(crate) scripts: BTreeSet<String>,
    /// Those of them that had something to do.
    pub(crate) suspects: BTreeSet<String>,
    /// What happened, for people.
    pub(crate) what: &'static str,
}

/// What is known about one Worker.
#[derive(Clone, Debug)]
struct Blame {
    group: Group,
    /// What it did when it was alone.
    proven: Option<&'static str>,
    /// The versions that did it.
    versions: Vec<String>,
    since: Instant,
}

/// What is known about the Workers of one account.
#[derive(Debug, Default)]
pub(crate) struct Blames {
    known: BTreeMap<String, Blame>,
    groups: u64,
}

impl Blames {
    /// Draws conclusions.
    pub(crate) fn add(&mut self, incident: &Incident, wanted: &BTreeMap<String, Wanted>) {
        let here: BTreeMap<String, Wanted> = wanted
            .iter()
            .filter(|(script, _)| incident.scripts.contains(*script))
            .map(|(script, one)| (script.clone(), one.clone()))
            .collect();
        let suspect = |unit: &BTreeSet<String>| !unit.is_disjoint(&incident.suspects);
        let units = components(&here, &self.apart());
        if let [unit] = &units[..] {
            self.alone(unit, incident, &here);
            return;
        }
        let suspects: Vec<_> = units.iter().filter(|unit| suspect(unit)).collect();
        let first = self.groups + 1;
        for (at, unit) in suspects.into_iter().enumerate() {
            let number = first + u64::try_from(at % GROUPS).unwrap_or(0);
            for script in unit {
                // Once cut off it stays so: it was in a group that failed.
                let cut = self.known.get(script).is_some_and(|known| known.group.cut);
                self.put(script, Group { number, cut }, None, &here);
            }
        }
    }

    /// Workers that reach each other had a process to themselves.
    fn alone(
        &mut self,
        unit: &BTreeSet<String>,
        incident: &Incident,
        here: &BTreeMap<String, Wanted>,
    ) {
        let cut: Apart = unit
            .iter()
            .filter(|script| unit.len() > 1 && incident.suspects.contains(*script))
            .map(|script| (script.clone(), Group { number: 0, cut: true }))
            .collect();
        let parts = components(here, &cut);
        if parts.len() > 1 {
            for script in cut.keys() {
                let group = Group { number: self.groups + 1, cut: true };
                self.put(script, group, None, here);
            }
            return;
        }
        // One Worker, or several that share Durable Objects and cannot be parted.
        let number = self.groups + 1;
        for script in unit {
            let cut = self.known.get(script).is_some_and(|known| known.group.cut);
            self.put(script, Group { number, cut }, Some(incident.what), here);
        }
    }

    fn put(
        &mut self,
        script: &str,
        group: Group,
        proven: Option<&'static str>,
        here: &BTreeMap<String, Wanted>,
    ) {
        self.groups = self.groups.max(group.number);
        let versions = here.get(script).map(Wanted::live_ids).unwrap_or_default();
        let proven = proven.or_else(|| self.known.get(script).and_then(|known| known.proven));
        let blame = Blame { group, proven, versions, since: Instant::now() };
        self.known.insert(script.to_owned(), blame);
    }

    /// Forgets Workers that changed or are gone, and suspects that have `answered` in peace.
    pub(crate) fn forgive(
        &mut self,
        wanted: &BTreeMap<String, Wanted>,
        answered: impl Fn(&str) -> bool,
    ) {
        self.known.retain(|script, blame| {
            let Some(now) = wanted.get(script) else { return false };
            let innocent = blame.proven.is_none()
                && blame.since.elapsed() >= QUARANTINE
                && blame.versions.iter().any(|version| answered(version));
            now.live_ids() == blame.versions && !innocent
        });
    }

    /// Who must not run with the others.
    pub(crate) fn apart(&self) -> Apart {
        self.known.iter().map(|(script, blame)| (script.clone(), blame.group)).collect()
    }

    /// The guilty, and what they did.
    pub(crate) fn proven(&self) -> BTreeMap<String, &'static str> {
        let proven = |(script, blame): (&String, &Blame)| Some((script.clone(), blame.proven?));
        self.known.iter().filter_map(proven).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{ServedBinding, ServedVersion, ServedWorker};
    use std::sync::Arc;

    /// Workers by name and version; `a>b` calls `b`.
    fn wanted(names: &[(&str, &str)]) -> BTreeMap<String, Wanted> {
        let one = |(name, id): &(&str, &str)| {
            let (script, callee) =
                name.split_once('>').map_or((*name, None), |(a, b)| (a, Some(b)));
            let call = |callee: &str| {
                let script = callee.to_owned();
                ("X".to_owned(), ServedBinding::Service { script, entrypoint: None, props: None })
            };
            let version = ServedVersion {
                script: script.into(),
                version_id: (*id).into(),
                tag: None,
                created_on: String::new(),
                main_module: None,
                modules: Vec::new(),
                compatibility_date: None,
                compatibility_flags: Vec::new(),
                bindings: callee.into_iter().map(call).collect(),
                assets: None,
                body_part: None,
            };
            let live = vec![((*id).to_owned(), 100.0)];
            let worker = ServedWorker { live, ..ServedWorker::default() };
            let wanted = Wanted {
                worker: Some(Arc::new(worker)),
                versions: vec![Arc::new(version)],
                spaces: Vec::new(),
            };
            (script.to_owned(), wanted)
        };
        names.iter().map(one).collect()
    }

    fn incident(scripts: &[&str], suspects: &[&str]) -> Incident {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Incident { scripts: names(scripts), suspects: names(suspects), what: "hung" }
    }

    fn apart(blames: &Blames) -> Vec<(String, bool)> {
        blames.apart().into_iter().map(|(script, group)| (script, group.cut)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspect_is_guilty_only_when_it_fails_alone_and_until_its_version_changes() {
        let all = wanted(&[("loops", "1"), ("slow", "2"), ("idle", "3")]);
        let mut blames = Blames::default();
        blames.add(&incident(&["loops", "slow", "idle"], &["loops", "slow"]), &all);
        assert_eq!(apart(&blames), [("loops".to_owned(), false), ("slow".to_owned(), false)]);
        let groups = blames.apart();
        assert_ne!(groups["loops"].number, groups["slow"].number);
        assert!(blames.proven().is_empty(), "a request that waits proves nothing");
        blames.add(&incident(&["loops"], &["loops"]), &all);
        assert_eq!(blames.proven(), [("loops".to_owned(), "hung")].into());
        tokio::time::advance(QUARANTINE).await;
        blames.forgive(&all, |version| version == "2");
        assert_eq!(apart(&blames), [("loops".to_owned(), false)], "the slow one answered");
        let mended = wanted(&[("loops", "1b"), ("slow", "2"), ("idle", "3")]);
        blames.forgive(&mended, |_| false);
        assert_eq!(apart(&blames), []);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_are_parted_only_when_they_fail_without_anyone_else() {
        let all = wanted(&[("a>b", "1"), ("b", "2"), ("c", "3")]);
        let mut blames = Blames::default();
        blames.add(&incident(&["a", "b", "c"], &["a"]), &all);
        assert_eq!(apart(&blames), [("a".to_owned(), false), ("b".to_owned(), false)]);
        blames.add(&incident(&["a", "b"], &["a"]), &all);
        assert_eq!(apart(&blames), [("a".to_owned(), true), ("b".to_owned(), false)]);
        blames.add(&incident(&["b"], &["b"]), &all);
        assert_eq!(blames.proven(), [("b".to_owned(), "hung")].into());
    }

    #[tokio::test(start_paused = true)]
    async fn many_suspects_are_narrowed_down_in_groups() {
        let names: Vec<String> = (0..16).map(|n| format!("w{n:02}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), n.as_str())).collect();
        let all = wanted(&pairs);
        let mut here: BTreeSet<String> = names.iter().cloned().collect();
        let mut blames = Blames::default();
        let mut failures = 0;
        while blames.proven().is_empty() {
            failures += 1;
            blames.add(
                &Incident { scripts: here.clone(), suspects: here.clone(), what: "hung" },
                &all,
            );
            let groups = blames.apart();
            let culprit = groups["w07"].number;
            here.retain(|script| groups[script].number == culprit);
        }
        assert_eq!(
            (failures, blames.proven().into_keys().collect::<Vec<_>>()),
            (3, vec!["w07".to_owned()])
        );
    }
}
