use super::{Data, Draft, Removal};
use crate::{
    change::Change,
    desired::DesiredTarget,
    observed::{ObservedAccount, ObservedDatabase},
    resource::ResourceRef,
};
use clodo_saga::StepId;
use clodo_types::{
    AccountName, BucketName, DatabaseName, NamespaceTitle, QueueName, Severity, WorkerName,
};
use std::collections::BTreeSet;

/// A database, namespace, bucket or queue, as the files name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Database(DatabaseName),
    Namespace(NamespaceTitle),
    Bucket(BucketName),
    Queue(QueueName),
    /// What the files name by its id, or what stands in no listing: it is not Clodo's to remove.
    Other(String),
}

impl Held {
    fn shown(&self) -> String {
        match self {
            Self::Database(name) => format!("database {name}"),
            Self::Namespace(title) => format!("KV namespace {title}"),
            Self::Bucket(name) => format!("R2 bucket {name}"),
            Self::Queue(name) => format!("queue {name}"),
            Self::Other(what) => what.clone(),
        }
    }

    fn is_there(&self, account: &ObservedAccount) -> bool {
        match self {
            Self::Database(name) => account.databases.contains_key(name),
            Self::Namespace(title) => account.namespaces.contains_key(title),
            Self::Bucket(name) => account.buckets.contains(name),
            Self::Queue(name) => {
                account.queues.as_ref().is_some_and(|queues| queues.contains_key(name))
            }
            Self::Other(_) => true,
        }
    }
}

impl Draft<'_> {
    /// Says what becomes of each database, namespace, bucket and queue of the targets that go.
    pub(super) fn data(&mut self, removal: &Removal, data: Data, removed: &[StepId]) {
        let of = |targets: &[std::sync::Arc<DesiredTarget>]| -> BTreeSet<(AccountName, Held)> {
            let each = |target: &std::sync::Arc<DesiredTarget>| {
                let account = target.id.account.clone();
                held(target).into_iter().map(move |held| (account.clone(), held))
            };
            targets.iter().flat_map(each).collect()
        };
        let shared = of(&removal.rest);
        for (account_name, held) in of(&removal.targets) {
            let Some(account) = self.observed.accounts.get(&account_name) else { continue };
            if !held.is_there(account) {
                continue;
            }
            let why = match (&held, data) {
                (Held::Other(_), _) => Some("the files name it by its id"),
                _ if shared.contains(&(account_name.clone(), held.clone())) => {
                    Some("other targets use it")
                }
                (Held::Queue(name), _)
                    if self.is_received_elsewhere(&account_name, name, removal) =>
                {
                    Some("another Worker receives from it")
                }
                (_, Data::Keep) => Some("it holds data"),
                (_, Data::Remove) => None,
            };
            match why {
                Some(why) => {
                    let message = format!("{} stays: {why}", held.shown());
                    let hint = (data == Data::Keep && why == "it holds data")
                        .then_some("`--with-data` removes it, and all that is in it");
                    self.say("data-kept", Severity::Note, message, hint);
                }
                None => self.lose(&account_name, account, &held, removed),
            }
        }
    }

    /// Whether somebody receives from a queue who does not go.
    fn is_received_elsewhere(
        &self,
        account: &AccountName,
        name: &QueueName,
        removal: &Removal,
    ) -> bool {
        let queues = self.observed.accounts.get(account).and_then(|one| one.queues.as_ref());
        let consumer = queues.and_then(|queues| queues.get(name)?.consumer.as_ref());
        let goes = |worker: &WorkerName| {
            let mut targets = removal.targets.iter();
            targets.any(|one| one.id.account == *account && one.worker == *worker)
        };
        consumer.is_some_and(|now| !goes(&now.worker))
    }

    fn lose(
        &mut self,
        name: &AccountName,
        account: &ObservedAccount,
        held: &Held,
        removed: &[StepId],
    ) {
        let (change, lost) = match held {
            Held::Database(database) => {
                let Some(known) = account.databases.get(database) else { return };
                let (account, id) = (name.clone(), known.id.clone());
                let change = Change::RemoveDatabase { account, name: database.clone(), id };
                (change, format!("all its tables and rows are lost{}", size(known)))
            }
            Held::Namespace(title) => {
                let Some(id) = account.namespaces.get(title).cloned() else { return };
                let account = name.clone();
                let change = Change::RemoveNamespace { account, title: title.clone(), id };
                (change, "all its keys and values are lost".to_owned())
            }
            Held::Bucket(bucket) => {
                let change = Change::RemoveBucket { account: name.clone(), name: bucket.clone() };
                (change, "all its objects are lost".to_owned())
            }
            Held::Queue(queue) => {
                let known = account.queues.as_ref().and_then(|queues| queues.get(queue));
                let Some(id) = known.map(|known| known.id.clone()) else { return };
                let change = Change::RemoveQueue { account: name.clone(), name: queue.clone(), id };
                (change, "all its messages are lost".to_owned())
            }
            Held::Other(_) => return,
        };
        let what = held.shown();
        self.say("data-lost", Severity::Note, format!("{what} is removed: {lost}"), None);
        let details = vec![format!("{lost}; it cannot be undone")];
        self.push(None, change, removed.to_vec(), format!("remove {what}"), details);
    }
}

fn size(known: &ObservedDatabase) -> String {
    match known.size {
        Some(bytes) => format!(" ({} KB)", bytes.div_ceil(1000)),
        None => String::new(),
    }
}

fn held(target: &DesiredTarget) -> Vec<Held> {
    let databases = target.databases.iter().map(|database| match &database.resource {
        ResourceRef::Name(name) => Held::Database(name.clone()),
        ResourceRef::Id(id) => Held::Other(format!("database {id}")),
    });
    let namespaces = target.namespaces.iter().map(|namespace| match &namespace.resource {
        ResourceRef::Name(title) => Held::Namespace(title.clone()),
        ResourceRef::Id(id) => Held::Other(format!("KV namespace {id}")),
    });
    let buckets = target.buckets.iter().map(|bucket| match &bucket.jurisdiction {
        None => Held::Bucket(bucket.name.clone()),
        Some(jurisdiction) => Held::Other(format!("R2 bucket {} ({jurisdiction})", bucket.name)),
    });
    let queues = target.queue_names().cloned().map(Held::Queue);
    databases.chain(namespaces).chain(buckets).chain(queues).collect()
}
