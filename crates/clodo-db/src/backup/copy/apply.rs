//! What becomes of a row.

use super::{
    key::{Digest, MaskKey},
    rule::{Fake, MaskRule},
};
use crate::{
    backup::{
        cell::Cell,
        error::BackupError,
        layout::Table,
        read::{Row, piece},
    },
    database::Database,
    value::Value,
};

/// The rules of a table's columns, in the order of those.
#[derive(Clone, Copy, Debug)]
pub(in crate::backup) struct RowMask<'a> {
    pub(in crate::backup) rules: &'a [MaskRule],
    /// Where a rule needs one, there is one.
    pub(in crate::backup) key: Option<&'a MaskKey>,
}

/// So many bytes of a large value are looked at at once.
const STEP: u64 = 1_000_000;

impl RowMask<'_> {
    /// The row as it arrives.
    pub(in crate::backup) async fn apply(
        &self,
        (database, table): (&dyn Database, &Table),
        row: &Row,
    ) -> Result<Row, BackupError> {
        let mut cells = Vec::with_capacity(row.cells.len());
        for (at, cell) in row.cells.iter().enumerate() {
            let masked = match self.rules.get(at) {
                Some(MaskRule::Keep) => cell.clone(),
                // A column that came since the rules were looked at is told nothing of.
                Some(MaskRule::Null) | None => Cell::Null,
                Some(MaskRule::Constant(value)) => constant(value),
                Some(MaskRule::Hash | MaskRule::Fake(_)) if *cell == Cell::Null => Cell::Null,
                Some(MaskRule::Hash) => {
                    hashed(cell, &self.digest((database, table), (row, at)).await?)
                }
                Some(MaskRule::Fake(fake)) => {
                    faked(*fake, cell, &self.digest((database, table), (row, at)).await?)
                }
            };
            cells.push(masked);
        }
        Ok(Row { number: row.number, cells })
    }

    async fn digest(
        &self,
        (database, table): (&dyn Database, &Table),
        (row, at): (&Row, usize),
    ) -> Result<[u8; 32], BackupError> {
        let answer = || BackupError::Answer(format!("table {}", table.name));
        // Never a value without its mask.
        let key = self.key.ok_or_else(answer)?;
        let cell = &row.cells[at];
        let mut digest = key.begin(kind(cell));
        match cell {
            Cell::Null => {}
            Cell::Integer(number) => digest.update(&number.to_le_bytes()),
            Cell::Real(number) => match whole(*number) {
                Some(number) => digest.update(&number.to_le_bytes()),
                None => digest.update(&number.to_bits().to_le_bytes()),
            },
            Cell::Text(text) => digest.update(text.as_bytes()),
            Cell::Odd(bytes) => digest.update(bytes),
            Cell::Blob(text) => unhex(&mut digest, text).ok_or_else(answer)?,
            Cell::Later { bytes, .. } => {
                let mut from = 0;
                while from < *bytes {
                    let length = STEP.min(bytes - from);
                    let part = piece(database, table, (row, at), (from, length)).await?;
                    unhex(&mut digest, &part).ok_or_else(answer)?;
                    from += length;
                }
            }
        }
        Ok(digest.finish())
    }
}

fn unhex(digest: &mut Digest, text: &str) -> Option<()> {
    digest.update(&hex::decode(text).ok()?);
    Some(())
}

/// Numbers are told apart by their value, as SQLite compares them.
fn kind(cell: &Cell) -> u8 {
    match cell {
        Cell::Null => b'n',
        Cell::Integer(_) => b'i',
        Cell::Real(number) if whole(*number).is_some() => b'i',
        Cell::Real(_) => b'r',
        Cell::Text(_) | Cell::Odd(_) | Cell::Later { text: true, .. } => b't',
        Cell::Blob(_) | Cell::Later { text: false, .. } => b'b',
    }
}

/// The same number without a fraction, if there is one.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is in the range, and has no fraction")]
    (number.trunc() == number && number.abs() <= EXACT).then_some(number as i64)
}

fn hashed(cell: &Cell, digest: &[u8; 32]) -> Cell {
    let mut number = [0; 8];
    number.copy_from_slice(&digest[..8]);
    // What JSON carries, with room to count on.
    let number = u64::from_le_bytes(number) >> 12;
    match cell {
        Cell::Null => Cell::Null,
        Cell::Integer(_) => Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
        #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
        Cell::Real(_) => Cell::Real(number as f64),
        Cell::Text(_) | Cell::Odd(_) | Cell::Later { text: true, .. } => {
            Cell::Text(hex::encode(&digest[..16]))
        }
        Cell::Blob(_) | Cell::Later { text: false, .. } => {
            Cell::Blob(hex::encode_upper(&digest[..16]))
        }
    }
}

fn faked(fake: Fake, cell: &Cell, digest: &[u8; 32]) -> Cell {
    let length = match cell {
        Cell::Text(text) => text.chars().count(),
        Cell::Odd(bytes) => bytes.len(),
        Cell::Later { bytes, .. } => usize::try_from(*bytes).unwrap_or(usize::MAX),
        Cell::Blob(hex) => hex.len() / 2,
        Cell::Null | Cell::Integer(_) | Cell::Real(_) => 8,
    };
    Cell::Text(fake.text(digest, length))
}

fn constant(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Integer(number) => Cell::Integer(*number),
        Value::Real(number) => Cell::Real(*number),
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Blob(bytes) => Cell::Blob(hex::encode_upper(bytes)),
    }
}
