//! What rows hold, whatever their order and the names of their tables.

use super::{
    cell::Cell,
    error::BackupError,
    layout::{Layout, Table},
    read::{Pages, Row, WHOLE, piece},
};
use crate::database::Database;
use sha2::{Digest as _, Sha256};

/// How much of a table one answer may hold, in bytes.
const PAGE: u64 = 2 << 20;

/// Some columns of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) table: String,
    pub(crate) names: Vec<String>,
}

/// What the rows of some columns hold: how many there are, and the sum of what each hashes to, which no
/// order changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) rows: u64,
    sum: [u64; 4],
}

impl Fingerprint {
    fn add(&mut self, digest: &[u8]) {
        self.rows += 1;
        // Each part by itself: as good a sum as one of 256 bits, for rows that nobody chose to collide.
        for (part, bytes) in self.sum.iter_mut().zip(digest.chunks_exact(8)) {
            let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            *part = part.wrapping_add(number);
        }
    }
}

/// The fingerprints of these columns; none for a table or a column that is not there.
pub(crate) async fn fingerprints(
    database: &dyn Database,
    wanted: impl IntoIterator<Item = &Columns>,
) -> Result<Vec<Option<Fingerprint>>, BackupError> {
    let layout = Layout::read(database).await?;
    let mut found = Vec::new();
    for columns in wanted {
        let is_it = |table: &&Table| table.name.eq_ignore_ascii_case(&columns.table);
        let table = layout.tables.iter().find(is_it);
        found.push(match table.and_then(|table| Some((table, places(table, columns)?))) {
            Some((table, places)) => Some(of(database, table, &places).await?),
            None => None,
        });
    }
    Ok(found)
}

fn places(table: &Table, columns: &Columns) -> Option<Vec<usize>> {
    let place = |name: &String| table.columns.iter().position(|one| one.eq_ignore_ascii_case(name));
    columns.names.iter().map(place).collect()
}

async fn of(
    database: &dyn Database,
    table: &Table,
    places: &[usize],
) -> Result<Fingerprint, BackupError> {
    let mut found = Fingerprint::default();
    let mut pages = Pages::new(database, table, PAGE);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            return Ok(found);
        }
        for row in &page {
            let mut hash = Sha256::new();
            for at in places {
                value(database, table, (row, *at), &mut hash).await?;
            }
            found.add(&hash.finalize());
        }
    }
}

/// Hashes a value with its type and its length, so that no two rows look alike.
async fn value(
    database: &dyn Database,
    table: &Table,
    (row, at): (&Row, usize),
    hash: &mut Sha256,
) -> Result<(), BackupError> {
    let mut put = |kind: u8, length: u64, bytes: &[u8]| {
        hash.update([kind]);
        hash.update(length.to_be_bytes());
        hash.update(bytes);
    };
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    match &row.cells[at] {
        Cell::Null => put(b'n', 0, &[]),
        Cell::Integer(number) => put(b'i', 8, &number.to_be_bytes()),
        Cell::Real(number) => put(b'r', 8, &number.to_bits().to_be_bytes()),
        Cell::Text(text) => put(b't', length(text.as_bytes()), text.as_bytes()),
        Cell::Odd(bytes) => put(b't', length(bytes), bytes),
        Cell::Blob(digits) => {
            let bytes = hex::decode(digits).map_err(|_| BackupError::Answer(table.name.clone()))?;
            put(b'b', length(&bytes), &bytes);
        }
        Cell::Later { bytes, text } => {
            put(if *text { b't' } else { b'b' }, *bytes, &[]);
            let mut from = 0;
            while from < *bytes {
                let part = WHOLE.min(*bytes - from);
                let digits = piece(database, table, (row, at), (from, part)).await?;
                let part_bytes =
                    hex::decode(digits).map_err(|_| BackupError::Answer(table.name.clone()))?;
                hash.update(part_bytes);
                from += part;
            }
        }
    }
    Ok(())
}
