//! Backups that are kept: where, by whom, and what is in them.

mod claim;
mod dump;
mod failed;
mod file;
mod fill;
mod kept;
mod take;
mod units;
mod watched;

pub(crate) use claim::Claim;
pub(crate) use dump::Dump;
pub(crate) use failed::{of_backup, of_io, of_restore};
pub(crate) use file::{
    Rules, beside, close, fill_file, in_the_way, keep_numbers, live, moment as moment_of,
    no_others, no_remains, page_size, put, scratch, written_meanwhile,
};
pub(crate) use fill::{Saved, fill, noted, save};
pub(crate) use kept::{Found, Kept, shown};
pub(crate) use take::{Taken, take};
pub(crate) use units::{counted_rows, moment, sized};
pub(crate) use watched::Watched;
