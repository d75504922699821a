//! A database as text that makes the same database again, and back.

mod cell;
mod compare;
mod copy;
mod dump;
mod error;
mod fingerprint;
mod held;
mod keep;
mod layout;
mod moments;
mod order;
mod pack;
mod read;
mod restore;
mod restore_error;
mod rows;
mod seal;
mod statements;
mod store;
mod text;
mod virtuals;

pub(crate) use cell::{Cell, carried_whole};
pub use compare::{Difference, compare};
pub use copy::{
    CopyError, CopyOptions, CopyPlan, CopyProblem, CopyProblemKind, Dangling, Ends, Fake, MaskKey,
    MaskRule, Masks, MisfitError, PlannedColumn, PlannedTable, ShortKey, TableMask, copy,
    plan_copy, try_copy,
};
pub use dump::{BackupOptions, BackupReport, backup};
pub use error::BackupError;
pub(crate) use fingerprint::{Columns, Fingerprint, fingerprints};
pub use held::{HalfRestored, Held, folder_name, held};
pub use keep::{Keeper, KeptDump};
pub(crate) use layout::MARKER;
pub use moments::{Moments, Still};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use pack::unpacked;
pub use restore::{DumpSource, Existing, RestoreOptions, RestoreReport, restore};
pub use restore_error::RestoreError;
pub use seal::{Sealer, Sealing};
pub use store::{
    BACKUP_END, BackupFolder, BackupStore, BackupWriter, Retention, StoredBackup, backup_name,
    check_backup_name,
};
pub use text::{Summary, verify_text};
