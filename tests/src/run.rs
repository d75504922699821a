use serde_json::Value;
use std::{env, path::PathBuf, process::Output};

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed as data.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Run {
    /// Fails the test unless the program ended with `code`.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// The one JSON document on stdout.
    ///
    /// # Panics
    /// When stdout is anything else.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The path of a program of this workspace, built beside the tests.
///
/// # Panics
/// When it was not built: `cargo xtask test` builds it.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    let folder =
        test.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let path = folder
        .expect("tests lie below the profile's folder")
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "{name} is not built: run `cargo build --workspace --bins`, or `cargo xtask test`"
    );
    path
}
