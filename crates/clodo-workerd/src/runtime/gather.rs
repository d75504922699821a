//! What an account must run now: what was asked for, and what that reaches.

use super::view::Account;
use crate::seams::{
    Directory, Objects, Scripts, ServedBinding, ServedNamespace, ServedVersion, ServedWorker,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// One Worker that must run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Its traffic; `None` if only a preview address of it was asked for.
    pub(crate) worker: Option<Arc<ServedWorker>>,
    /// The versions with traffic, then previews, each with its code.
    pub(crate) versions: Vec<Arc<ServedVersion>>,
    /// The Durable Objects that it implements or binds.
    pub(crate) spaces: Vec<ServedNamespace>,
}

impl Wanted {
    /// The ids of the versions with traffic: while they stay, the Worker is the same one.
    pub(crate) fn live_ids(&self) -> Vec<String> {
        let live = self.worker.iter().flat_map(|worker| &worker.live);
        live.map(|(id, _)| id.clone()).collect()
    }

    /// Whether it keeps Durable Objects' files open.
    pub(crate) fn has_objects(&self, script: &str) -> bool {
        self.spaces.iter().any(|space| space.script == script)
    }

    /// The Workers whose Durable Objects it uses: they must run in the same process.
    pub(crate) fn objects_of(&self) -> BTreeSet<&str> {
        self.spaces.iter().map(|space| space.script.as_str()).collect()
    }

    /// The Workers that it calls in other ways, and that hear of what it does: in the same process
    /// such a call can carry RPC.
    pub(crate) fn calls(&self) -> BTreeSet<&str> {
        let beside = self.worker.iter().flat_map(|worker| &worker.beside);
        self.bindings().filter_map(callee).chain(beside.map(String::as_str)).collect()
    }

    fn bindings(&self) -> impl Iterator<Item = &ServedBinding> {
        self.versions.iter().flat_map(|version| &version.bindings).map(|(_, binding)| binding)
    }
}

fn callee(binding: &ServedBinding) -> Option<&str> {
    match binding {
        ServedBinding::Service { script, .. } => Some(script),
        _ => None,
    }
}

/// Reads everything anew; versions that are known already are not read again.
pub(crate) async fn gather(
    account: &Account,
    directory: &dyn Directory,
    objects: &Objects,
) -> BTreeMap<String, Wanted> {
    let mut all = BTreeMap::new();
    let mut queue: VecDeque<String> = account.asked().into();
    queue.extend(directory.scripts(&account.id, Scripts::Awake));
    for (script, version) in account.asked_previews() {
        if let Some(version) = account.version(directory, &script, &version).await {
            let wanted: &mut Wanted = all.entry(script).or_default();
            wanted.versions.push(version);
        }
    }
    for (script, wanted) in &mut all {
        wanted.spaces = spaces(script, &wanted.versions, objects);
    }
    queue.extend(all.values().flat_map(reached));
    let mut seen = BTreeSet::new();
    while let Some(script) = queue.pop_front() {
        if !seen.insert(script.clone()) {
            continue;
        }
        let Some(worker) = directory.worker(&account.id, &script) else { continue };
        let previews = all.remove(&script).unwrap_or_default().versions;
        let mut versions = Vec::new();
        for (id, _) in &worker.live {
            versions.extend(account.version(directory, &script, id).await);
        }
        let new =
            previews.into_iter().filter(|p| worker.live.iter().all(|(id, _)| *id != p.version_id));
        versions.extend(new);
        let spaces = spaces(&script, &versions, objects);
        let wanted = Wanted { worker: Some(worker), versions, spaces };
        queue.extend(reached(&wanted));
        all.insert(script, wanted);
    }
    let kept = all.values().flat_map(|wanted| &wanted.versions);
    account.keep_only(&kept.map(|version| version.version_id.as_str()).collect());
    all
}

/// The namespaces that a Worker implements or binds.
fn spaces(
    script: &str,
    versions: &[Arc<ServedVersion>],
    objects: &Objects,
) -> Vec<ServedNamespace> {
    let bindings = || versions.iter().flat_map(|version| &version.bindings);
    let used = |space: &&ServedNamespace| {
        space.script == script || bindings().any(|(_, to)| to.is_of(space, script))
    };
    objects.namespaces.iter().filter(used).cloned().collect()
}

fn reached(wanted: &Wanted) -> Vec<String> {
    let all = wanted.calls().into_iter().chain(wanted.objects_of());
    all.map(str::to_owned).collect()
}
