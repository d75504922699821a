use crate::calls::{CallLine, CallSink};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

/// Lines that may wait for the disk.
const MOST_WAITING: usize = 10_000;

/// A file with one JSON object a line, written by a thread of its own. Lines are added at the end;
/// nobody but this user can read the file.
#[derive(Debug)]
pub struct LogFile {
    lines: Mutex<Option<SyncSender<String>>>,
    lost: Arc<AtomicU64>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl LogFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened for writing, or no thread can be started.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&lost);
        let thread = Builder::new().name("call-log".into());
        let writer = thread.spawn(move || write_all(file, &receiver, &count))?;
        Ok(Self { lines: Mutex::new(Some(sender)), lost, writer: Mutex::new(Some(writer)) })
    }

    /// Waits until everything is written; what comes later is lost.
    ///
    /// # Panics
    /// Never: no holder of a lock panics.
    pub fn close(&self) {
        drop(self.lines.lock().expect("no holder panics").take());
        let writer = self.writer.lock().expect("no holder panics").take();
        if let Some(writer) = writer {
            // It ends when it has written what is left.
            let _ = writer.join();
        }
    }
}

impl CallSink for LogFile {
    fn record(&self, call: &CallLine) {
        let sent = serde_json::to_string(call).ok().and_then(|line| {
            let sender = self.lines.lock().expect("no holder panics");
            sender.as_ref()?.try_send(line + "\n").ok()
        });
        if sent.is_none() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes whole lines, as many at a time as there are.
fn write_all(mut file: File, lines: &Receiver<String>, lost: &AtomicU64) {
    let mut failing = false;
    while let Ok(mut text) = lines.recv() {
        let mut count = 1;
        while let Ok(more) = lines.try_recv() {
            text += &more;
            count += 1;
        }
        match file.write_all(text.as_bytes()) {
            Ok(()) => failing = false,
            Err(error) => {
                lost.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "the log of calls cannot be written");
                }
            }
        }
    }
}
