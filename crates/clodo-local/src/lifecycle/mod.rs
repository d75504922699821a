//! A cloud's life as programs see it: run, find, start in the background, stop, forget.

pub(crate) mod control;
mod detach;
mod error;
mod find;
mod guardian;
mod record;
mod reset;
mod run_folder;
mod settings;
mod trigger;

pub use detach::{CLOUD_ENVIRONMENT, detach_command, log_path, start_detached};
pub use error::{CloudError, CloudErrorKind};
pub(crate) use find::is_locked;
pub use find::{Running, Stopped, find, stop};
pub(crate) use guardian::Guardian;
pub(crate) use record::CloudRecord;
pub use reset::{Reset, reset};
pub(crate) use run_folder::RunFolder;
pub use settings::CloudSettings;
pub use trigger::{CronRun, CronTrigger, TriggerError};

use crate::server::{CloudOptions, Ended, LocalCloud};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a cloud whose folder was deleted goes on to say so.
const GONE_PATIENCE: Duration = Duration::from_secs(2);

/// Runs a cloud until `cancel`, until somebody asks it to stop, or until its folder is deleted.
/// `ready` is called once, as soon as it answers.
///
/// # Errors
/// When it cannot be started.
pub async fn run_until_stopped(
    options: CloudOptions,
    cancel: CancellationToken,
    ready: impl FnOnce(&LocalCloud),
) -> Result<Ended, CloudError> {
    let cloud = LocalCloud::start(options).await?;
    ready(&cloud);
    let ended = tokio::select! {
        () = cancel.cancelled() => Ended::Asked,
        ended = cloud.until_asked_to_stop() => ended,
    };
    if ended == Ended::StateGone {
        let _ = tokio::time::timeout(GONE_PATIENCE, cancel.cancelled()).await;
    }
    cloud.stop().await;
    Ok(ended)
}
