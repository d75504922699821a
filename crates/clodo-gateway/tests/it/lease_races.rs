//! Many writers under leases that follow each other, at random times: at the upstream no write of
//! an older holder is under way when one of a newer holder begins, nor comes after it.

use crate::world::{asks, streamed, unshared};
use async_trait::async_trait;
use clodo_gateway::{
    BudgetCap, Caller, Gateway, GatewayWiring, LEASE_HEADER, LeaseNote, MemoryCalls,
};
use clodo_http::{Body, HttpService, Request, Response, TransportError};
use clodo_types::{ManualClock, Timestamp};
use http::Method;
use proptest::prelude::*;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// How long a write may take effect after it was given up.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
struct Plan {
    number: u64,
    /// Tenths of a second: when it comes, how long the upstream takes, when its client leaves.
    at: u64,
    takes: u64,
    leaves: Option<u64>,
    streams: bool,
    path: &'static str,
}

fn plan() -> impl Strategy<Value = Plan> {
    let path = prop::sample::select(
        &[
            "/accounts/a/workers/scripts/shop",
            "/accounts/a/d1/database/db",
            "/zones/z/workers/routes",
        ][..],
    );
    (1_u64..5, 0_u64..100, 0_u64..60, prop::option::of(0_u64..60), any::<bool>(), path).prop_map(
        |(number, at, takes, leaves, streams, path)| {
            // Later numbers tend to come later, or all but the first would be refused at once.
            Plan { number, at: at / 2 + number * 15, takes, leaves, streams, path }
        },
    )
}

/// When a write of a number may have had its effect.
#[derive(Clone, Copy, Debug)]
struct Seen {
    number: u64,
    begun: Instant,
    over: Instant,
}

/// Takes as long as the body says, in tenths of a second, and notes who was there when.
#[derive(Debug, Default)]
struct Upstream(Arc<Mutex<Vec<Seen>>>);

/// Notes the write when it ends, also when it is given up.
struct Stay {
    seen: Arc<Mutex<Vec<Seen>>>,
    number: u64,
    begun: Instant,
    over: Option<Instant>,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let Self { number, begun, over, .. } = *self;
        let over = over.unwrap_or_else(|| Instant::now() + LIMIT);
        self.seen.lock().unwrap().push(Seen { number, begun, over });
    }
}

#[async_trait]
impl HttpService for Upstream {
    async fn call(&self, request: Request) -> Result<Response, TransportError> {
        let query = request.uri().query().unwrap_or_default();
        let (number, takes) = query.split_once('-').unwrap();
        let (number, takes): (u64, u64) = (number.parse().unwrap(), takes.parse().unwrap());
        let mut stay =
            Stay { seen: Arc::clone(&self.0), number, begun: Instant::now(), over: None };
        sleep(Duration::from_millis(100 * takes)).await;
        stay.over = Some(Instant::now());
        Ok(Response::new(Body::empty()))
    }
}

fn request(plan: Plan) -> Request {
    let Plan { number, takes, path, streams, .. } = plan;
    let until = Timestamp::from_millis(1_000_000);
    let note = LeaseNote::new("deploy/shop", number, until, format!("h:{number}:1"));
    let request = asks(Method::PUT, &format!("{path}?{number}-{takes}"));
    let body = if streams { streamed("{}", false) } else { Body::from("{}") };
    request.header(LEASE_HEADER, note.to_header()).body(body).unwrap()
}

/// What the upstream saw, and how many writes were refused.
async fn run(plans: Vec<Plan>) -> (Vec<Seen>, usize) {
    let (upstream, log) = (Arc::new(Upstream::default()), Arc::new(MemoryCalls::default()));
    let seen = Arc::clone(&upstream.0);
    let wiring = GatewayWiring {
        switching: upstream.clone(),
        upstream,
        sink: log.clone(),
        clock: Arc::new(ManualClock::default()),
    };
    // A budget that makes some of them wait between their arrival and their turn.
    let budget = BudgetCap::new(2, Duration::from_secs(4)).unwrap();
    let options = unshared().with_budget(Some(budget)).with_write_limit(LIMIT);
    let gateway = Arc::new(Gateway::new(options, wiring));
    let mut all = JoinSet::new();
    for (connection, plan) in (1..).zip(plans) {
        let gateway = Arc::clone(&gateway);
        all.spawn(async move {
            sleep(Duration::from_millis(100 * plan.at)).await;
            let answer = gateway.answer(Caller { port: 1, connection }, request(plan));
            match plan.leaves {
                None => drop(answer.await),
                Some(after) => {
                    let patience = Duration::from_millis(100 * after + 1);
                    drop(tokio::time::timeout(patience, answer).await);
                }
            }
        });
    }
    all.join_all().await;
    // What was sent whole goes on without its client.
    sleep(Duration::from_secs(60)).await;
    let refused = log.lines().iter().filter(|line| line.refused.is_some()).count();
    let seen = seen.lock().unwrap().clone();
    (seen, refused)
}

fn check(seen: &[Seen]) -> Result<(), TestCaseError> {
    for older in seen {
        for newer in seen.iter().filter(|newer| older.number < newer.number) {
            prop_assert!(older.over <= newer.begun, "{older:?} meets {newer:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_older_write_is_under_way_or_comes_when_a_newer_one_has_begun(
        plans in prop::collection::vec(plan(), 2..16),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let (seen, _) = runtime.block_on(run(plans));
        check(&seen)?;
    }
}

#[tokio::test(start_paused = true)]
async fn the_writers_do_meet_and_some_are_refused() {
    let at = |number, at| Plan {
        number,
        at,
        takes: 30,
        leaves: None,
        streams: false,
        path: "/accounts/a/workers/scripts/shop",
    };
    let (seen, refused) = run(vec![at(1, 0), at(2, 10), at(1, 20), at(3, 20)]).await;
    let mut numbers: Vec<_> = seen.iter().map(|seen| (seen.number, seen.begun)).collect();
    numbers.sort_unstable_by_key(|(_, begun)| *begun);
    let numbers: Vec<_> = numbers.into_iter().map(|(number, _)| number).collect();
    // The second one learned of the third while it waited for the first.
    assert_eq!((numbers, refused), (vec![1, 3], 2));
    check(&seen).unwrap();
}
