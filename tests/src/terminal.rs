use crate::{Sandbox, program};
use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// How long a program may take until it shows what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program at a terminal of its own, with somebody at the keys: util-linux's `script` holds
/// the terminal.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    heard: Receiver<Vec<u8>>,
    /// All that was shown so far, with what moves the cursor.
    pub shown: String,
    /// How far of it was waited for.
    seen: usize,
}

impl Terminal {
    /// Starts `clodo-deploy` with these words, none of which holds a blank or a quote.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn deploy(sandbox: &Sandbox, words: &[&str]) -> Self {
        Self::of(sandbox, "clodo-deploy", words)
    }

    /// Starts `clodo-db` so.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn db(sandbox: &Sandbox, words: &[&str]) -> Self {
        Self::of(sandbox, "clodo-db", words)
    }

    fn of(sandbox: &Sandbox, name: &str, words: &[&str]) -> Self {
        let (program, project) = (program(name), sandbox.project());
        let line = format!(
            "'{}' {} --project '{}'",
            program.display(),
            words.join(" "),
            project.display()
        );
        let mut command = Command::new("script");
        sandbox.clean(&mut command);
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("`script` of util-linux is there");
        let keys = child.stdin.take().expect("stdin is piped");
        let mut screen = child.stdout.take().expect("stdout is piped");
        let (tell, heard) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, heard, shown: String::new(), seen: 0 }
    }

    /// Waits until `text` is shown, after what was waited for before.
    ///
    /// # Panics
    /// When it is not shown in a minute.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            match self.heard.recv_timeout(PATIENCE) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!("`{text}` is not shown ({why}):\n{}", self.shown),
            }
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// When nobody is there any more.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("somebody reads the keys");
        self.keys.flush().expect("somebody reads the keys");
    }

    /// Waits for the end; gives the exit code and all that was shown.
    ///
    /// # Panics
    /// When it does not end in a minute.
    #[track_caller]
    pub fn ends(mut self) -> (Option<i32>, String) {
        loop {
            match self.heard.recv_timeout(PATIENCE) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.shown),
            }
        }
        let status = self.child.wait().expect("the child was not waited for before");
        (status.code(), std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Of one that has ended there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
