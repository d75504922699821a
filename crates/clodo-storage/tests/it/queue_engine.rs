//! The queue engine: what it promises about every message.

use bytes::Bytes;
use clodo_storage::{
    BodyFormat, Exhaustion, NewMessage, PoolOptions, QueueErrorKind, QueueRef, QueueSettings,
    QueuedMessage, Queues, Settlement,
};
use clodo_types::{Clock, ManualClock, Timestamp};
use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_oneof, proptest};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn queue(last: char) -> QueueRef {
    QueueRef {
        account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        id: format!("0123456789abcdef0123456789abcde{last}").parse().unwrap(),
    }
}

fn text(body: &str) -> NewMessage {
    NewMessage::new(BodyFormat::Text, body.to_owned())
}

fn bodies(messages: &[QueuedMessage]) -> Vec<&str> {
    messages.iter().map(|message| std::str::from_utf8(&message.body).unwrap()).collect()
}

fn ids(messages: &[QueuedMessage]) -> Vec<String> {
    messages.iter().map(|message| message.id.clone()).collect()
}

fn keep(max_retries: u32) -> Exhaustion {
    Exhaustion { max_retries, dead_letter: None }
}

/// A folder with a queue `a` and a clock that stands still.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    queues: Queues,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::from_millis(1_800_000_000_000);
        let clock = Arc::new(ManualClock::starting_at(start));
        let queues = engine(&folder, &clock);
        queues.create(&queue('a')).await.unwrap();
        Self { folder, clock, queues }
    }

    /// The same folder, opened by a new process as it were: the old one says no good-bye.
    fn killed(&mut self) {
        self.queues = engine(&self.folder, &self.clock);
    }

    async fn send(&self, bodies: &[&str]) {
        let messages = bodies.iter().map(|body| text(body)).collect();
        self.queues.send(&queue('a'), messages, None).await.unwrap();
    }

    async fn take(&self, limit: usize) -> Vec<QueuedMessage> {
        self.queues.ready(&queue('a'), limit).await.unwrap();
        self.queues.take(&queue('a'), limit).await.unwrap()
    }

    async fn settle(&self, settlement: Settlement, exhaustion: &Exhaustion) {
        self.queues.settle(&queue('a'), settlement, exhaustion).await.unwrap();
    }

    async fn fail(&self, messages: &[QueuedMessage], exhaustion: &Exhaustion) {
        let retries = ids(messages).into_iter().map(|id| (id, Duration::ZERO)).collect();
        self.settle(Settlement { retries, ..Settlement::default() }, exhaustion).await;
    }

    async fn count(&self, last: char) -> u64 {
        self.queues.backlog(&queue(last)).await.unwrap().count
    }
}

fn engine(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> Queues {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Queues::new(folder.path(), clock, PoolOptions::default())
}

#[tokio::test]
async fn messages_come_in_order_and_go_when_they_are_acknowledged() {
    let world = World::new().await;
    world.send(&["a", "b"]).await;
    world.send(&["c"]).await;
    let taken = world.take(2).await;
    assert_eq!(bodies(&taken), ["a", "b"]);
    assert!(taken.iter().all(|message| message.attempts == 1 && message.id.len() == 32));
    assert_eq!(bodies(&world.take(10).await), ["c"], "what is taken is out of sight");
    let acks = ids(&taken);
    world.settle(Settlement { acks, ..Settlement::default() }, &keep(3)).await;
    let backlog = world.queues.backlog(&queue('a')).await.unwrap();
    assert_eq!((backlog.count, backlog.bytes, backlog.oldest), (1, 1, Some(world.clock.now())));
}

#[tokio::test]
async fn a_delay_is_that_of_the_message_else_of_the_batch_else_of_the_queue() {
    let world = World::new().await;
    let delivery_delay = Duration::from_secs(30);
    let settings = QueueSettings { delivery_delay, ..QueueSettings::default() };
    world.queues.configure(&queue('a'), settings);
    let own = NewMessage { delay: Some(SECOND), ..text("own") };
    let batch = Some(Duration::from_secs(10));
    world.queues.send(&queue('a'), vec![text("batch"), own], batch).await.unwrap();
    let none = NewMessage { delay: Some(Duration::ZERO), ..text("none") };
    world.queues.send(&queue('a'), vec![text("queue"), none], None).await.unwrap();
    let mut seen = Vec::new();
    for seconds in 0..=30 {
        let taken = world.take(10).await;
        seen.extend(bodies(&taken).into_iter().map(|body| (seconds, body.to_owned())));
        world.clock.advance(SECOND);
    }
    let expected = [(0, "none"), (1, "own"), (10, "batch"), (30, "queue")];
    assert_eq!(seen, expected.map(|(seconds, body)| (seconds, body.to_owned())));
}

#[tokio::test]
async fn the_next_delivery_is_announced_with_its_moment() {
    let world = World::new().await;
    let later = NewMessage { delay: Some(SECOND), ..text("later") };
    world.queues.send(&queue('a'), vec![text("now"), later], None).await.unwrap();
    let ready = world.queues.ready(&queue('a'), 100).await.unwrap();
    assert_eq!(ready.count, 1);
    assert_eq!(ready.next.unwrap().since(world.clock.now()), SECOND);
    let woken = world.queues.arrivals(&queue('a'));
    world.send(&["more"]).await;
    woken.notified().await;
}

#[tokio::test]
async fn a_failed_message_comes_again_and_then_goes_to_the_dead_letter_queue() {
    let world = World::new().await;
    world.queues.create(&queue('d')).await.unwrap();
    let exhaustion = Exhaustion { max_retries: 2, dead_letter: Some(queue('d')) };
    world.send(&["x"]).await;
    let mut id = String::new();
    for attempt in 1..=3 {
        let taken = world.take(1).await;
        assert_eq!(taken[0].attempts, attempt);
        id.clone_from(&taken[0].id);
        world.fail(&taken, &exhaustion).await;
    }
    assert_eq!((world.count('a').await, world.count('d').await), (0, 1));
    let dead = world.queues.take(&queue('d'), 1).await.unwrap();
    assert_eq!((dead[0].id.as_str(), dead[0].attempts), (id.as_str(), 1));
}

#[tokio::test]
async fn without_a_dead_letter_queue_an_exhausted_message_is_dropped() {
    let world = World::new().await;
    let gone = Exhaustion { max_retries: 0, dead_letter: Some(queue('e')) };
    for exhaustion in [keep(0), gone] {
        world.send(&["x"]).await;
        let retries = vec![(world.take(1).await[0].id.clone(), Duration::ZERO)];
        let settlement = Settlement { retries, ..Settlement::default() };
        let settled = world.queues.settle(&queue('a'), settlement, &exhaustion).await.unwrap();
        assert_eq!((settled.dropped, settled.dead_lettered), (1, 0));
        assert_eq!(world.count('a').await, 0);
    }
}

#[tokio::test]
async fn after_a_kill_what_was_on_its_way_comes_again_as_if_it_had_not_been_taken() {
    let mut world = World::new().await;
    world.send(&["a", "b"]).await;
    let first = world.take(1).await;
    world.killed();
    let again = world.take(10).await;
    assert_eq!(bodies(&again), ["a", "b"]);
    assert!(again.iter().all(|message| message.attempts == 1));
    // The dead process's view of things does not count.
    let stale = Settlement { acks: ids(&first), ..Settlement::default() };
    world.killed();
    world.settle(stale, &keep(3)).await;
    assert_eq!(world.count('a').await, 2);
}

#[tokio::test]
async fn a_released_message_does_not_count_as_delivered() {
    let world = World::new().await;
    world.send(&["a"]).await;
    for _ in 0..5 {
        let taken = world.take(1).await;
        assert_eq!(taken[0].attempts, 1);
        let releases = vec![(taken[0].id.clone(), Duration::ZERO)];
        world.settle(Settlement { releases, ..Settlement::default() }, &keep(0)).await;
    }
}

#[tokio::test]
async fn messages_are_kept_as_long_as_the_queue_says() {
    let world = World::new().await;
    world.send(&["old"]).await;
    world.clock.advance(Duration::from_secs(4 * 24 * 3600 - 1));
    assert_eq!(world.count('a').await, 1);
    world.send(&["new"]).await;
    world.clock.advance(SECOND);
    assert_eq!(world.count('a').await, 1);
    let settings = QueueSettings { retention: SECOND, ..QueueSettings::default() };
    world.queues.configure(&queue('a'), settings);
    assert_eq!(world.count('a').await, 0);
}

#[tokio::test]
async fn every_limit_is_refused_with_its_own_code_and_nothing_is_stored() {
    let world = World::new().await;
    let sized = |size: usize| NewMessage::new(BodyFormat::Bytes, Bytes::from(vec![0; size]));
    let day = Duration::from_secs(86_401);
    let cases = [
        (vec![], None, 10206),
        (vec![text("x"); 101], None, 10206),
        (vec![sized(128_001)], None, 10204),
        (vec![sized(128_000), sized(128_000), sized(1)], None, 10205),
        (vec![text("x")], Some(day), 10202),
        (vec![NewMessage { delay: Some(day), ..text("x") }], None, 10203),
    ];
    for (messages, delay, code) in cases {
        let error = world.queues.send(&queue('a'), messages, delay).await.unwrap_err();
        assert_eq!(error.kind().code(), code, "{error}");
    }
    assert_eq!(world.count('a').await, 0);
    let most = vec![sized(2_560); 100];
    let longest = Some(Duration::from_secs(86_400));
    assert_eq!(world.queues.send(&queue('a'), most, longest).await.unwrap().count, 100);
}

#[tokio::test]
async fn a_batch_holds_as_many_messages_as_fit() {
    let world = World::new().await;
    let large = || NewMessage::new(BodyFormat::Bytes, Bytes::from(vec![0; 100_000]));
    for _ in 0..3 {
        world.queues.send(&queue('a'), vec![large()], None).await.unwrap();
    }
    assert_eq!(world.take(100).await.len(), 2);
    assert_eq!(world.take(100).await.len(), 1);
}

#[tokio::test]
async fn what_is_pulled_is_leased_until_it_is_acknowledged_or_the_lease_ends() {
    let mut world = World::new().await;
    let at = queue('a');
    let minute = Duration::from_secs(60);
    world.send(&["a", "b", "c"]).await;
    let pulled = world.queues.pull(&at, 2, minute, &keep(3)).await.unwrap();
    assert_eq!(pulled.iter().map(|one| one.message.attempts).collect::<Vec<_>>(), [1, 1]);
    world.killed();
    assert_eq!(world.queues.pull(&at, 10, minute, &keep(3)).await.unwrap().len(), 1);
    let acks = vec![pulled[0].lease.clone(), "nobody's".to_owned()];
    let retries = vec![(pulled[1].lease.clone(), SECOND)];
    let ended = world.queues.end_leases(&at, acks.clone(), retries, &keep(3)).await.unwrap();
    assert_eq!((ended.acked, ended.retried, ended.warnings.len()), (1, 1, 1));
    let twice = world.queues.end_leases(&at, acks, Vec::new(), &keep(3)).await.unwrap();
    assert_eq!((twice.acked, twice.warnings.len()), (0, 2));
    world.clock.advance(SECOND);
    let again = world.queues.pull(&at, 10, minute, &keep(3)).await.unwrap();
    assert_eq!((again.len(), again[0].message.attempts), (1, 2));
    world.clock.advance(minute);
    let over = vec![again[0].lease.clone()];
    let late = world.queues.end_leases(&at, over, Vec::new(), &keep(3)).await.unwrap();
    assert_eq!((late.acked, late.warnings.len()), (0, 1));
    assert_eq!(world.queues.pull(&at, 10, minute, &keep(3)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_message_that_is_pulled_for_ever_is_buried() {
    let world = World::new().await;
    let at = queue('a');
    world.queues.create(&queue('d')).await.unwrap();
    let exhaustion = Exhaustion { max_retries: 1, dead_letter: Some(queue('d')) };
    world.send(&["silent", "refused"]).await;
    for _ in 0..2 {
        let pulled = world.queues.pull(&at, 10, SECOND, &exhaustion).await.unwrap();
        assert_eq!(pulled.len(), 2);
        let refused = vec![(pulled[1].lease.clone(), SECOND)];
        world.queues.end_leases(&at, Vec::new(), refused, &exhaustion).await.unwrap();
        world.clock.advance(SECOND);
    }
    assert!(world.queues.pull(&at, 10, SECOND, &exhaustion).await.unwrap().is_empty());
    assert_eq!((world.count('a').await, world.count('d').await), (0, 2));
}

#[tokio::test]
async fn a_queue_can_be_looked_into_purged_and_deleted() {
    let world = World::new().await;
    let at = queue('a');
    world.send(&["a", "b"]).await;
    let seen = world.queues.peek(&at, 1).await.unwrap();
    assert_eq!((bodies(&seen), seen[0].attempts), (vec!["a"], 0));
    let unknown = "f".repeat(32);
    let missing = world.queues.remove(&at, vec![seen[0].id.clone(), unknown.clone()]).await;
    assert_eq!(missing.unwrap(), [unknown]);
    assert_eq!(world.queues.purge(&at).await.unwrap(), 1);
    assert_eq!(world.count('a').await, 0);
    assert!(world.queues.drop_queue(&at).await.unwrap());
    assert!(!world.queues.drop_queue(&at).await.unwrap());
    let error = world.queues.send(&at, vec![text("x")], None).await.unwrap_err();
    assert_eq!(error.kind(), QueueErrorKind::NotFound);
}

#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Take(usize),
    Ack,
    Fail,
    Release,
    Kill,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1_u8..5).prop_map(Step::Send),
        (1_usize..6).prop_map(Step::Take),
        Just(Step::Ack),
        Just(Step::Fail),
        Just(Step::Release),
        Just(Step::Kill),
        (1_u64..90).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    // Every message that was sent is acknowledged, in one of the two queues, or nothing at all was
    // lost; and none is given out more often than it may be.
    #[test]
    fn no_message_is_lost_and_none_is_delivered_for_ever(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}

async fn run(steps: Vec<Step>) {
    let mut world = World::new().await;
    world.queues.create(&queue('d')).await.unwrap();
    let exhaustion = Exhaustion { max_retries: 2, dead_letter: Some(queue('d')) };
    let (mut sent, mut acked) = (BTreeSet::new(), BTreeSet::new());
    let mut failures: BTreeMap<String, u32> = BTreeMap::new();
    let mut out: Vec<QueuedMessage> = Vec::new();
    for step in steps {
        match step {
            Step::Send(count) => {
                let bodies: Vec<String> =
                    (0..count).map(|n| format!("{}", sent.len() + usize::from(n))).collect();
                world.send(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
                sent.extend(bodies);
            }
            Step::Take(limit) => out.extend(world.take(limit).await),
            Step::Ack => {
                let acks = ids(&out);
                acked.extend(bodies(&out).into_iter().map(str::to_owned));
                world.settle(Settlement { acks, ..Settlement::default() }, &exhaustion).await;
                out.clear();
            }
            Step::Fail => {
                for message in &out {
                    let count = failures.entry(message.id.clone()).or_default();
                    *count += 1;
                    assert!(*count <= 3, "delivered once more than allowed");
                    assert_eq!(message.attempts, *count);
                }
                world.fail(&out, &exhaustion).await;
                out.clear();
            }
            Step::Release => {
                let releases = ids(&out).into_iter().map(|id| (id, SECOND)).collect();
                let settlement = Settlement { releases, ..Settlement::default() };
                world.settle(settlement, &exhaustion).await;
                out.clear();
            }
            Step::Kill => {
                world.killed();
                out.clear();
            }
            Step::Wait(seconds) => world.clock.advance(Duration::from_secs(seconds)),
        }
    }
    let mut kept = BTreeSet::new();
    for last in ['a', 'd'] {
        let messages = world.queues.peek(&queue(last), 1000).await.unwrap();
        kept.extend(bodies(&messages).into_iter().map(str::to_owned));
    }
    let found: BTreeSet<String> = kept.union(&acked).cloned().collect();
    assert_eq!(found, sent);
}
