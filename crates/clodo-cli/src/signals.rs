use crate::{exit::Exit, ui::Ui};
use std::{io, thread};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// Listens for Ctrl-C and SIGTERM until the process ends: the first one cancels `cancel`, the
/// second one exits with 130. At an open question the first one exits, too.
///
/// It listens on a thread of its own, so that a command which blocks can still be stopped.
pub(crate) fn watch(ui: &Ui, cancel: &CancellationToken) -> io::Result<()> {
    let (ui, cancel) = (ui.clone(), cancel.clone());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async move {
            signals.next().await;
            if ui.is_asking() {
                exit_now(&ui);
            }
            cancel.cancel();
            ui.say("\ninterrupted: ending in good order; once more to stop at once");
            signals.next().await;
            exit_now(&ui);
        });
    })?;
    Ok(())
}

#[expect(clippy::exit, reason = "the user asked twice, or nothing had begun")]
fn exit_now(ui: &Ui) {
    // A list that was open has hidden the cursor.
    ui.write_talk(if ui.is_interactive() { "\x1b[?25h\n" } else { "\n" });
    std::process::exit(i32::from(Exit::Interrupted.code()));
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
