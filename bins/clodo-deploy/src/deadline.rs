use clodo_orchestrator::{DeployEvent, DeployListener};
use clodo_saga::Event;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// Ends a deployment that takes too long, as Ctrl-C would: the time that planning and questions take
/// does not count.
#[derive(Debug)]
pub(crate) struct Deadline {
    inner: Arc<dyn DeployListener>,
    after: Duration,
    cancel: CancellationToken,
    passed: Arc<AtomicBool>,
    waiting: Mutex<Option<AbortHandle>>,
}

impl Deadline {
    /// Passes events on to `inner`; cancels `cancel` when the time has `passed`.
    pub(crate) fn new(
        inner: Arc<dyn DeployListener>,
        after: Duration,
        cancel: CancellationToken,
        passed: Arc<AtomicBool>,
    ) -> Self {
        Self { inner, after, cancel, passed, waiting: Mutex::default() }
    }

    fn begin(&self) {
        let (after, cancel, passed) = (self.after, self.cancel.clone(), Arc::clone(&self.passed));
        let waiting = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            passed.store(true, Ordering::Release);
            cancel.cancel();
        });
        self.replace(Some(waiting.abort_handle()));
    }

    fn replace(&self, waiting: Option<AbortHandle>) {
        let mut now = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *now, waiting) {
            before.abort();
        }
    }
}

impl DeployListener for Deadline {
    fn hear(&self, event: &DeployEvent) {
        match event {
            DeployEvent::Run(Event::RunOpened(_)) => self.begin(),
            // What is being taken back takes its time.
            DeployEvent::Run(Event::UnwindingBegan | Event::RunClosed(_)) => self.replace(None),
            _ => {}
        }
        self.inner.hear(event);
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.replace(None);
    }
}
