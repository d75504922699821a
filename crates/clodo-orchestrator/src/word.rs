use crate::context::DeployContext;
use clodo_saga::{Brake, Signal, SignalKind, SignalStore};
use clodo_types::DeploymentId;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often a running deployment looks whether somebody said something.
const EVERY: Duration = Duration::from_millis(500);

/// What people said to the deployment, from this or another terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word {
    /// Each yes with its number, oldest first.
    pub(crate) yes: Vec<(u64, Signal)>,
    /// The first no.
    pub(crate) no: Option<Signal>,
}

/// Listens for signals for as long as it lives.
#[derive(Debug)]
pub(crate) struct Ear {
    word: watch::Receiver<Word>,
    silence: CancellationToken,
}

impl Ear {
    /// Begins to listen; a pause and an abort are obeyed at once.
    pub(crate) fn listen(cx: &DeployContext, run: &DeploymentId, brake: &Brake) -> Self {
        let (said, word) = watch::channel(Word::default());
        let silence = CancellationToken::new();
        if let Some(store) = cx.signals.clone() {
            let listener = Listener {
                store,
                run: run.clone(),
                brake: brake.clone(),
                cancel: cx.cancel.clone(),
                said,
                heard: 0,
            };
            tokio::spawn(silence.clone().run_until_cancelled_owned(listener.run()));
        }
        Self { word, silence }
    }

    /// What was said so far, and what will be.
    pub(crate) fn word(&self) -> watch::Receiver<Word> {
        self.word.clone()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.silence.cancel();
    }
}

struct Listener {
    store: Arc<dyn SignalStore>,
    run: DeploymentId,
    brake: Brake,
    cancel: CancellationToken,
    said: watch::Sender<Word>,
    heard: u64,
}

impl Listener {
    async fn run(mut self) {
        loop {
            match self.store.signals(&self.run, self.heard).await {
                Ok(signals) => {
                    for (number, signal) in signals {
                        self.heard = number;
                        self.obey(number, signal);
                    }
                }
                Err(error) => tracing::warn!(%error, "signals could not be read"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn obey(&self, number: u64, signal: Signal) {
        match signal.kind {
            SignalKind::Pause => self.brake.pull(),
            // Who continues a paused deployment has not yet said yes to what it waits for.
            SignalKind::Continue if self.brake.is_on() => self.brake.release(),
            SignalKind::Continue | SignalKind::Approve => {
                self.said.send_modify(|word| word.yes.push((number, signal)));
            }
            SignalKind::Abort => {
                self.said.send_modify(|word| word.no = Some(signal));
                self.brake.release();
                self.cancel.cancel();
            }
            SignalKind::Reject => self.said.send_modify(|word| word.no = Some(signal)),
            _ => {}
        }
    }
}
