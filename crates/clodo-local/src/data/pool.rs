use std::time::Duration;

/// How many stores stay open, and for how long.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Open files at most; the one idle longest is closed first.
    pub max_open: usize,
    /// A store that nobody asked for this long is closed.
    pub idle: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { max_open: 64, idle: Duration::from_secs(30) }
    }
}
