//! Steps that give a stream: its bytes lie beside the step, in pieces.

use super::{
    StepKind, WorkflowError, WorkflowErrorKind, Workflows, journal, limits,
    talk::{Asking, Told},
};
use bytes::Bytes;
use clodo_sqlite::rusqlite::{OptionalExtension, params};

/// One piece.
const CHUNK: usize = 256 * 1024;

/// Which attempt at which step gave a stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamOf {
    pub(crate) name: String,
    pub(crate) count: u32,
    pub(crate) attempt: u32,
}

impl Workflows {
    /// Keeps a piece of a stream.
    pub(crate) async fn keep_chunk(
        &self,
        asking: &Asking,
        of: &StreamOf,
        (number, body): (u32, Bytes),
    ) -> Result<Told<()>, WorkflowError> {
        let (own, of) = (asking.clone(), of.clone());
        let kept = self
            .run(&asking.at, move |tx| {
                let Some(held) = journal::held(tx, &own.instance, &own.run)? else {
                    return Ok(None);
                };
                let sql = "INSERT INTO chunk (step, attempt, number, body) \
                           SELECT seq, ?5, ?6, ?7 FROM step \
                           WHERE instance = ?1 AND kind = ?2 AND name = ?3 AND count = ?4";
                let kind = StepKind::Do.as_str();
                let StreamOf { name, count, attempt } = &of;
                let row = params![held.seq, kind, name, count, attempt, number, &body[..]];
                Ok((tx.prepare_cached(sql)?.execute(row)? == 1).then_some(()))
            })
            .await?;
        Ok(kept.map_or(Told::Over, Told::Answer))
    }

    /// A piece of a step's stream; `None` past its end.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn chunk(
        &self,
        at: &super::WorkflowRef,
        (instance, name, count): (&str, &str, u32),
        number: u32,
    ) -> Result<Option<Bytes>, WorkflowError> {
        let (instance, name) = (instance.to_owned(), name.to_owned());
        let body = self
            .run(at, move |tx| {
                let sql = "SELECT chunk.body FROM chunk, step, instance \
                           WHERE instance.id = ?1 AND step.instance = instance.seq \
                           AND step.kind = 'do' AND step.name = ?2 AND step.count = ?3 \
                           AND chunk.step = step.seq AND chunk.attempt = step.attempts \
                           AND chunk.number = ?4";
                let row = params![instance, name, count, number];
                let found = tx.prepare_cached(sql)?.query_row(row, |row| row.get::<_, Vec<u8>>(0));
                found.optional()
            })
            .await?;
        Ok(body.map(Bytes::from))
    }
}

/// Gathers what comes into pieces of one size.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    buffer: Vec<u8>,
    pub(crate) length: u64,
}

impl Pieces {
    /// Takes bytes, and gives back each piece that is full.
    ///
    /// # Errors
    /// `TooLarge` beyond what an instance may keep.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Bytes>, WorkflowError> {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.length > u64::try_from(limits::STATE).unwrap_or(u64::MAX) {
            let text = "a stream may have at most 1 GiB";
            return Err(WorkflowError::new(WorkflowErrorKind::TooLarge, text));
        }
        let mut full = Vec::new();
        while !bytes.is_empty() {
            let room = CHUNK - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == CHUNK {
                full.push(std::mem::take(&mut self.buffer).into());
            }
        }
        Ok(full)
    }

    /// What is left.
    pub(crate) fn finish(self) -> Option<Bytes> {
        (!self.buffer.is_empty()).then(|| self.buffer.into())
    }
}
