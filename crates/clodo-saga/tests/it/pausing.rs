use crate::world::{Fault, World, header, memory, no_data, steps};
use clodo_saga::{Brake, Earlier, Ending, Event, Listener, RunContext, RunReport, StepId, run};
use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    time::Duration,
};

const CHAIN: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["b"])];

/// Pulls the brake when a step begins.
struct Foot {
    at: &'static str,
    brake: Brake,
    heard: Mutex<Vec<Event>>,
}

impl fmt::Debug for Foot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foot")
    }
}

impl Listener for Foot {
    fn hear(&self, event: &Event) {
        if *event == Event::StepStarted(StepId::new(self.at)) {
            self.brake.pull();
        }
        self.heard.lock().unwrap().push(event.clone());
    }
}

fn braking_at(at: &'static str) -> (Arc<World>, RunContext, Arc<Foot>) {
    let (_, mut cx) = memory();
    let foot = Arc::new(Foot { at, brake: cx.brake.clone(), heard: Mutex::default() });
    cx.listener = Arc::<Foot>::clone(&foot);
    (Arc::default(), cx, foot)
}

async fn carry_out(world: &Arc<World>, cx: &RunContext) -> RunReport {
    run(steps(world, CHAIN), header(1), Earlier::default(), cx, no_data).await.unwrap()
}

/// Lets a run go on until nothing but the brake keeps it.
async fn stands(running: &mut Pin<&mut impl Future<Output = RunReport>>) {
    let ended = tokio::time::timeout(Duration::from_secs(600), running).await;
    assert!(ended.is_err(), "the brake is on: {ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_stands_while_the_brake_is_on_and_then_goes_on() {
    let (world, cx, foot) = braking_at("a");
    let mut running = pin!(carry_out(&world, &cx));
    stands(&mut running).await;
    assert_eq!(world.log(), ["act a"], "what ran was finished, and nothing more was begun");
    cx.brake.release();
    let report = running.await;
    assert_eq!((report.ending, report.cancelled), (Ending::Completed, false));
    assert_eq!(world.things(), ["a", "b", "c"]);
    let heard = foot.heard.lock().unwrap();
    let place = |event: &Event| heard.iter().position(|heard| heard == event).unwrap();
    assert!(place(&Event::Paused) < place(&Event::Resumed));
    assert!(place(&Event::Resumed) < place(&Event::StepStarted(StepId::new("b"))));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_with_the_brake_on_begins_nothing() {
    let (world, cx, _) = braking_at("nowhere");
    cx.brake.pull();
    let mut running = pin!(carry_out(&world, &cx));
    stands(&mut running).await;
    assert!(world.log().is_empty());
    cx.brake.release();
    assert_eq!(running.await.ending, Ending::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stands_can_be_cancelled() {
    let (world, cx, _) = braking_at("b");
    let mut running = pin!(carry_out(&world, &cx));
    stands(&mut running).await;
    cx.cancel.cancel();
    let report = running.await;
    assert_eq!((report.ending, report.cancelled), (Ending::Unwound, true));
    assert!(cx.brake.is_on() && world.is_empty(), "{:?}", world.things());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_taken_back_although_the_brake_is_on() {
    let (world, cx, _) = braking_at("b");
    world.break_at("b", Fault::Act);
    let report = carry_out(&world, &cx).await;
    assert_eq!(report.ending, Ending::Unwound);
    assert!(cx.brake.is_on() && world.is_empty(), "{:?}", world.things());
}

#[tokio::test(start_paused = true)]
async fn the_brake_holds_nothing_up_when_no_step_is_left() {
    let (world, cx, _) = braking_at("c");
    let report = carry_out(&world, &cx).await;
    assert_eq!(report.ending, Ending::Completed);
    assert!(cx.brake.is_on());
}
