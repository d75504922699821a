//! Notices a workerd that is busy with a Worker that loops.

use super::pool::{Load, Pool, RequestBody};
use http::Request;
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often to look whether anything was answered since.
const INTERVAL: Duration = Duration::from_millis(400);
/// How long a ping may take. With the interval and the new start this keeps neighbours of a
/// Worker that loops from waiting longer than two seconds.
const PING_PATIENCE: Duration = Duration::from_millis(1300);

/// Returns when the process has stopped turning: requests wait, none is answered, nor is a ping.
/// An idle process is not disturbed.
pub(crate) async fn lost(ping: &std::sync::Arc<Pool>, load: &Load) {
    loop {
        let answered = load.answered();
        sleep(INTERVAL).await;
        if load.in_flight() == 0 || load.answered() != answered {
            continue;
        }
        let turning = timeout(PING_PATIENCE, alive(ping)).await.is_ok();
        if !turning && load.in_flight() > 0 && load.answered() == answered {
            return;
        }
    }
}

// Any answer will do, and so will a broken connection: then the process ended, which others see.
async fn alive(ping: &std::sync::Arc<Pool>) {
    let request = Request::get("/").header("host", "ping").body(RequestBody::Empty);
    if let Ok(request) = request
        && let Ok(answer) = ping.send(request).await
    {
        let _ = answer.into_body().collect().await;
    }
}
