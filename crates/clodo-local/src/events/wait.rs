//! Waiting for a moment of the wall clock, which may jump.

use clodo_types::{Clock, Timestamp};
use std::time::Duration;
use tokio::time::sleep;

/// How late a jump of the clock is noticed at most.
const LOOK: Duration = Duration::from_millis(200);

/// Returns when the clock shows `moment` or later; never for `None`.
pub(super) async fn until(clock: &dyn Clock, moment: Option<Timestamp>) {
    let Some(moment) = moment else { return std::future::pending().await };
    loop {
        let left = moment.since(clock.now());
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK)).await;
    }
}
