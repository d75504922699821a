//! Decides what each process of an account runs.

use super::{
    blame::{Blames, Incident},
    durable,
    gather::{Wanted, gather},
    layout::{Layout, ShardId},
    shard::{Desired, Shard, Starter},
    view::{Account, events_key, workflows_key},
};
use crate::seams::{Directory, Generation, Objects};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// A Worker that nobody asked for during this time no longer runs.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// How often to look for those, and for suspects that proved innocent.
const TIDY: Duration = Duration::from_secs(30);
/// How long the process that gives up Durable Objects may take.
const HANDOVER: Duration = Duration::from_secs(10);

/// The task behind one [`Account`].
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) account: Arc<Account>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) starter: Starter,
    pub(crate) stop: CancellationToken,
}

/// What is known from one plan to the next.
#[derive(Debug)]
struct Plans {
    layout: Layout,
    blames: Blames,
    wanted: BTreeMap<String, Wanted>,
    shards: BTreeMap<ShardId, watch::Sender<Desired>>,
    number: u64,
    tasks: JoinSet<()>,
    incidents: mpsc::UnboundedSender<(ShardId, Incident)>,
}

impl Keeper {
    /// Runs until the cloud stops; leaves no process behind.
    pub(crate) async fn run(self) {
        let (incidents, mut reported) = mpsc::unbounded_channel();
        let mut plans = Plans {
            layout: Layout::default(),
            blames: Blames::default(),
            wanted: BTreeMap::new(),
            shards: BTreeMap::new(),
            number: 0,
            tasks: JoinSet::new(),
            incidents,
        };
        let mut tidy = interval(TIDY);
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some((shard, incident)) = reported.recv() => {
                    plans.blames.add(&incident, &plans.wanted);
                    self.show_guilty(&plans.blames);
                    self.plan(&mut plans, Some(shard)).await;
                }
                () = self.account.dirty.notified() => self.plan(&mut plans, None).await,
                _ = tidy.tick() => {
                    // Also without any idle Worker: a suspect may have served its time.
                    if self.account.forget_idle(IDLE) || !plans.blames.apart().is_empty() {
                        self.plan(&mut plans, None).await;
                    }
                }
            }
            while plans.tasks.try_join_next().is_some() {}
        }
        plans.shards.clear();
        while plans.tasks.join_next().await.is_some() {}
    }

    /// Reads the desired state and tells every process what to serve. A process that is starting
    /// hears of it when it has started: however many changes there were, only the last one counts.
    async fn plan(&self, plans: &mut Plans, must_hear: Option<ShardId>) {
        let epoch = self.account.wanted();
        let objects = self.directory.objects(&self.account.id);
        let wanted = gather(&self.account, &*self.directory, &objects).await;
        plans.blames.forgive(&wanted, |version| self.account.has_answered(version));
        let placed = plans.layout.place(&wanted, &plans.blames.apart());
        plans.number += 1;
        let number = plans.number;
        let leavers = self.leavers(plans, &wanted, &placed);
        plans.wanted = wanted;
        let mut generations: BTreeMap<ShardId, Generation> =
            placed.iter().map(|(id, scripts)| (*id, self.part(&plans.wanted, scripts))).collect();
        let places = placement(&generations);
        let changed = |plans: &Plans, id: ShardId, generation: &Generation| {
            must_hear == Some(id)
                || plans
                    .shards
                    .get(&id)
                    .is_none_or(|now| !now.borrow().generation.is_same(generation))
        };
        generations.retain(|id, generation| changed(plans, *id, generation));
        self.account.show(|view| {
            view.planned = epoch;
            view.placement = places;
            for id in generations.keys() {
                view.shards.entry(*id).or_default().given = number;
            }
        });
        // Objects leave their old process before they enter the new one.
        for id in leavers {
            match generations.remove(&id) {
                Some(generation) => self.send(plans, id, number, generation),
                None => drop(plans.shards.remove(&id)),
            }
            self.account.reached(id, number, HANDOVER).await;
        }
        for (id, generation) in generations {
            self.send(plans, id, number, generation);
        }
        // Whoever moved away is served by the old process until the new one is there.
        let gone: Vec<_> =
            plans.shards.keys().filter(|id| !placed.contains_key(id)).copied().collect();
        if !gone.is_empty() {
            for id in placed.keys() {
                self.account.shard_settled(*id, HANDOVER).await;
            }
        }
        plans.shards.retain(|id, _| placed.contains_key(id));
        self.discard(&objects, placed.keys()).await;
    }

    /// Deletes the files of Durable Objects that are gone, once no process has them open.
    async fn discard(&self, objects: &Objects, shards: impl Iterator<Item = &ShardId>) {
        let Some(folder) = &self.starter.around.durable_folder else { return };
        if durable::has_discarded(folder, &objects.deleted) {
            for id in shards {
                self.account.shard_settled(*id, HANDOVER).await;
            }
            durable::discard(folder, &objects.deleted);
        }
    }

    /// The processes that Workers with Durable Objects move away from.
    fn leavers(
        &self,
        plans: &Plans,
        wanted: &BTreeMap<String, Wanted>,
        placed: &BTreeMap<ShardId, BTreeSet<String>>,
    ) -> Vec<ShardId> {
        let before = |id: &ShardId| {
            let now = plans.shards.get(id).map(|now| Arc::clone(&now.borrow().generation));
            now.map_or_else(BTreeSet::new, |now| {
                now.versions.iter().map(|version| version.script.clone()).collect()
            })
        };
        let has_objects = |script: &String| {
            // Also those whose last class was just deleted: its files are still open.
            let both = [wanted.get(script), plans.wanted.get(script)];
            both.into_iter().flatten().any(|one| one.has_objects(script))
        };
        let none = BTreeSet::new();
        let leaves = |id: &&ShardId| {
            let after = placed.get(id).unwrap_or(&none);
            before(id).iter().any(|script| !after.contains(script) && has_objects(script))
        };
        plans.shards.keys().filter(leaves).copied().collect()
    }

    fn send(&self, plans: &mut Plans, id: ShardId, number: u64, generation: Generation) {
        let desired = Desired { number, generation: Arc::new(generation) };
        if let Some(shard) = plans.shards.get(&id) {
            shard.send_replace(desired);
            return;
        }
        let (sender, receiver) = watch::channel(Desired::default());
        sender.send_replace(desired);
        let shard = Shard {
            id,
            account: Arc::clone(&self.account),
            starter: self.starter.clone(),
            desired: receiver,
            incidents: plans.incidents.clone(),
            stop: self.stop.clone(),
        };
        plans.shards.insert(id, sender);
        plans.tasks.spawn(shard.run());
    }

    /// What one process serves.
    fn part(&self, wanted: &BTreeMap<String, Wanted>, scripts: &BTreeSet<String>) -> Generation {
        let mut generation = part(wanted, scripts);
        self.directory.describe(&self.account.id, &mut generation);
        generation
    }

    fn show_guilty(&self, blames: &Blames) {
        let proven = blames.proven();
        for (script, what) in &proven {
            tracing::error!(
                account = self.account.id,
                script,
                what,
                "this Worker runs in a process of its own until its version changes"
            );
        }
        self.account.show(|view| view.guilty = proven);
    }
}

/// What one process serves.
fn part(wanted: &BTreeMap<String, Wanted>, scripts: &BTreeSet<String>) -> Generation {
    let mut generation = Generation::default();
    for script in scripts {
        let Some(one) = wanted.get(script) else { continue };
        generation.versions.extend(one.versions.iter().cloned());
        if let Some(worker) = &one.worker {
            generation.live.insert(script.clone(), worker.live.clone());
        }
    }
    let calls = scripts.iter().filter_map(|script| wanted.get(script)).flat_map(Wanted::calls);
    let elsewhere = calls.filter(|to| {
        !scripts.contains(*to) && wanted.get(*to).is_some_and(|one| one.worker.is_some())
    });
    generation.elsewhere = elsewhere.map(str::to_owned).collect();
    let spaces = scripts.iter().filter_map(|script| wanted.get(script)).flat_map(|one| &one.spaces);
    generation.namespaces = spaces.cloned().collect();
    // Workers that share objects each name them.
    generation.namespaces.sort();
    generation.namespaces.dedup();
    generation
}

fn placement(generations: &BTreeMap<ShardId, Generation>) -> HashMap<String, ShardId> {
    let mut places = HashMap::new();
    for (id, generation) in generations {
        places.extend(generation.versions.iter().map(|v| (v.version_id.clone(), *id)));
        places.extend(generation.events.iter().map(|version| (events_key(version), *id)));
        places.extend(generation.workflows.keys().map(|version| (workflows_key(version), *id)));
    }
    places
}
