use serde::Serialize;
use std::{fmt, sync::Mutex};

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerSource {
    /// The upstream, for this call alone.
    Upstream,
    /// The upstream, for an equal call that was under way.
    Shared,
    /// An equal call a moment ago.
    Cache,
    /// The gateway itself.
    Gateway,
}

/// One call, after its answer was sent. It holds no token, no id, no name, no query and no body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CallLine {
    /// When the call came, such as `2026-01-31T12:00:00.123Z`.
    pub at: String,
    /// What the client calls itself.
    pub client: String,
    /// The client's port: one connection.
    pub peer: u16,
    /// Which token, in the order of their first calls; none where it did not come to that.
    pub token: Option<u64>,
    /// The method.
    pub method: String,
    /// The path with placeholders.
    pub route: String,
    /// The status of the answer; none when the client left before there was one.
    pub status: Option<u16>,
    /// Where the answer came from.
    pub source: AnswerSource,
    /// Why the gateway answered itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<&'static str>,
    /// Milliseconds that it waited: for the budget, for an equal call, or for writes of an older
    /// holder.
    pub waited_ms: u64,
    /// Milliseconds until the upstream's answer began, all attempts together.
    pub upstream_ms: u64,
    /// How often it was sent to the upstream.
    pub attempts: u32,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Whether the answer was sent to its end.
    pub complete: bool,
}

/// Where the lines go.
///
/// # Contract
/// - `record` returns at once, whatever becomes of the line: a call never waits for its log.
/// - Lines that cannot be written are counted, and no error of the call's.
pub trait CallSink: fmt::Debug + Send + Sync + 'static {
    /// Takes one line.
    fn record(&self, call: &CallLine);

    /// How many lines were lost.
    fn lost(&self) -> u64;
}

/// Keeps every line, for tests.
#[derive(Debug, Default)]
pub struct MemoryCalls(Mutex<Vec<CallLine>>);

impl MemoryCalls {
    /// The lines so far.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    #[must_use]
    pub fn lines(&self) -> Vec<CallLine> {
        self.0.lock().expect("no holder panics").clone()
    }
}

impl CallSink for MemoryCalls {
    fn record(&self, call: &CallLine) {
        self.0.lock().expect("no holder panics").push(call.clone());
    }

    fn lost(&self) -> u64 {
        0
    }
}
