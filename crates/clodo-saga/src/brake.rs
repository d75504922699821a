use std::sync::Arc;
use tokio::sync::watch;

/// Holds a run up: while it is on, no further step begins. Clones are the same brake.
///
/// Steps that run go on, a cancellation is heard, and what has to be taken back is taken back.
#[derive(Clone, Debug)]
pub struct Brake(Arc<watch::Sender<bool>>);

impl Default for Brake {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Brake {
    /// Puts it on.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }

    /// Takes it off.
    pub fn release(&self) {
        self.0.send_replace(false);
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is no longer as it was.
    pub(crate) async fn turned_from(&self, was: bool) {
        // The sender lives in `self`, so the channel stays open.
        let _ = self.0.subscribe().wait_for(|is| *is != was).await;
    }
}
