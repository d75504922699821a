//! Fires cron triggers at their minute, in UTC.

use super::{Cron, wait};
use async_trait::async_trait;
use clodo_types::{Clock, Timestamp};
use std::{fmt, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const MINUTE: i64 = 60_000;
/// How many minutes a jump may skip and still be made up for.
const LOOK_BACK: i64 = 24 * 60;

/// By account, what has cron triggers, by name, and their expressions.
pub(super) type Schedules = Vec<(String, Vec<(String, Vec<String>)>)>;

/// What happens at its time.
#[async_trait]
pub(super) trait Scheduled: fmt::Debug + Send + Sync + 'static {
    /// What is scheduled at this moment.
    fn schedules(&self) -> Schedules;
    /// Runs it once.
    async fn run(&self, account: &str, due: Due);
}

/// The task that fires.
#[derive(Debug)]
pub(super) struct Clockwork {
    pub(super) scheduled: Arc<dyn Scheduled>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: CancellationToken,
}

/// A run that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// What has the trigger.
    pub(super) name: String,
    pub(super) cron: String,
    /// Minutes since the epoch.
    minute: i64,
}

impl Due {
    /// The beginning of its minute.
    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.minute * MINUTE)
    }
}

impl Clockwork {
    /// Runs until `stop`, and until what had begun then has ended. The minute in which it starts
    /// has already begun and is not fired.
    pub(super) async fn run(self) {
        let mut runs = JoinSet::new();
        let mut last = self.minute();
        loop {
            let next = Timestamp::from_millis((last + 1) * MINUTE);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = wait::until(&*self.clock, Some(next)) => {}
                Some(_) = runs.join_next() => continue,
                () = self.set_back(last) => {
                    last = self.minute();
                    continue;
                }
            }
            let now = self.minute();
            self.fire(last, now, &mut runs);
            last = now;
        }
        while runs.join_next().await.is_some() {}
    }

    fn minute(&self) -> i64 {
        self.clock.now().as_millis().div_euclid(MINUTE)
    }

    /// Returns when the clock was set back so far that nobody wants to wait until it catches up.
    /// Up to there, minutes that were fired are not fired again.
    async fn set_back(&self, last: i64) {
        while self.minute() >= last - LOOK_BACK {
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        }
    }

    fn fire(&self, last: i64, now: i64, runs: &mut JoinSet<()>) {
        for (account, schedules) in self.scheduled.schedules() {
            for due in due(&schedules, last, now) {
                let (scheduled, account) = (Arc::clone(&self.scheduled), account.clone());
                runs.spawn(async move { scheduled.run(&account, due).await });
            }
        }
    }
}

/// What has to run after the minute `last` up to `now`. Whatever was skipped, each expression runs
/// once, for the last of its minutes.
fn due(schedules: &[(String, Vec<String>)], last: i64, now: i64) -> Vec<Due> {
    let first = (last + 1).max(now - LOOK_BACK);
    let mut found = Vec::new();
    for (name, crons) in schedules {
        for cron in crons {
            // What the API stored was checked; what it stored before it checked does not run.
            let Ok(parsed) = cron.parse::<Cron>() else { continue };
            let runs = |minute: &i64| parsed.runs_at(Timestamp::from_millis(minute * MINUTE));
            if let Some(minute) = (first..=now).rev().find(runs) {
                found.push(Due { name: name.clone(), cron: cron.clone(), minute });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_types::ManualClock;
    use std::{sync::Mutex, time::Duration};

    /// 2026-11-20T16:00:00Z, in minutes.
    const FOUR: i64 = 1_795_190_400_000 / MINUTE;

    fn shop(crons: &[&str]) -> Vec<(String, Vec<String>)> {
        vec![("shop".to_owned(), crons.iter().map(|cron| (*cron).to_owned()).collect())]
    }

    /// Two expressions, and what was run for them.
    #[derive(Debug, Default)]
    struct Notes(Mutex<Vec<Due>>);

    #[async_trait]
    impl Scheduled for Notes {
        fn schedules(&self) -> Schedules {
            vec![("main".to_owned(), shop(&["*/2 * * * *", "1 16 * * *"]))]
        }

        async fn run(&self, _account: &str, due: Due) {
            self.0.lock().unwrap().push(due);
        }
    }

    #[test]
    fn each_expression_runs_once_however_far_the_clock_jumped() {
        let minutes = |cron: &str, last: i64, now: i64| -> Vec<i64> {
            let due = due(&shop(&[cron]), FOUR + last, FOUR + now);
            due.into_iter().map(|due| due.minute - FOUR).collect()
        };
        assert_eq!(minutes("* * * * *", 0, 1), [1]);
        assert_eq!(minutes("*/5 * * * *", 0, 4), [0_i64; 0]);
        assert_eq!(minutes("*/5 * * * *", 4, 5), [5]);
        assert_eq!(minutes("*/5 * * * *", 0, 118), [115], "not twenty-three times");
        assert_eq!(minutes("* * * * *", 0, 10_000_000), [10_000_000]);
        assert_eq!(minutes("0 16 * * *", 0, 30 * 24 * 60), [30 * 24 * 60]);
        assert_eq!(minutes("* * * * *", 5, 5), [0_i64; 0]);
        assert_eq!(minutes("* * * * *", 5, 3), [0_i64; 0]);
        assert_eq!(minutes("not a cron", 0, 1), [0_i64; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn triggers_fire_at_their_minute_and_never_twice_for_it() {
        let start = Timestamp::from_millis(FOUR * MINUTE + 30_000);
        let clock = Arc::new(ManualClock::starting_at(start));
        let notes = Arc::new(Notes::default());
        let stop = CancellationToken::new();
        let clockwork = Clockwork {
            scheduled: Arc::clone(&notes) as Arc<dyn Scheduled>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            stop: stop.clone(),
        };
        let task = tokio::spawn(clockwork.run());
        // The runtime's own time is paused: waiting only lets the task look at the clock.
        let to = async |minute: i64| {
            clock.set(Timestamp::from_millis((FOUR + minute) * MINUTE + 100));
            tokio::time::sleep(Duration::from_secs(30)).await;
            let run = notes.0.lock().unwrap();
            run.iter().map(|due| due.time().as_millis() / MINUTE - FOUR).collect::<Vec<_>>()
        };
        assert_eq!(to(0).await, [0_i64; 0], "its minute had begun before the start");
        assert_eq!(to(1).await, [1]);
        assert_eq!(to(2).await, [1, 2]);
        assert_eq!(to(0).await, [1, 2], "backwards");
        assert_eq!(to(2).await, [1, 2], "and again");
        assert_eq!(to(61).await, [1, 2, 60], "a jump");
        assert_eq!(to(-10_000).await, [1, 2, 60], "far back: from there on");
        assert_eq!(to(-9_998).await, [1, 2, 60, -9_998]);
        assert_eq!(notes.0.lock().unwrap()[0].cron, "1 16 * * *");
        stop.cancel();
        task.await.unwrap();
    }
}
