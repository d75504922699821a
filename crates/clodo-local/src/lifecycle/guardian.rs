//! Notices that the state folder was deleted.

use super::CloudRecord;
use std::{path::Path, time::Duration};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

const INTERVAL: Duration = Duration::from_millis(500);

/// Looks at the state folder every half second.
#[derive(Debug)]
pub(crate) struct Guardian {
    gone: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Guardian {
    pub(crate) fn watch(state_folder: &Path, record: &CloudRecord) -> Self {
        let gone = CancellationToken::new();
        let (seen, folder, record) = (gone.clone(), state_folder.to_owned(), record.clone());
        let task = tokio::spawn(async move {
            while record.is_current(&folder) {
                tokio::time::sleep(INTERVAL).await;
            }
            tracing::error!(folder = %folder.display(), "the state folder was deleted");
            seen.cancel();
        });
        Self { gone, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits until the folder is gone, or belongs to another cloud.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }
}
