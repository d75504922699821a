//! Rows of one database for another one, changed on their way by rules.

mod apply;
mod check;
mod fake;
mod key;
mod plan;
mod problem;
mod rule;
#[cfg(test)]
mod tests;
mod trial;
mod write;

pub use key::{MaskKey, ShortKey};
pub use plan::{CopyOptions, CopyPlan, PlannedColumn, PlannedTable, plan_copy};
pub use problem::{CopyError, CopyProblem, CopyProblemKind, Dangling, MisfitError};
pub use rule::{Fake, MaskRule, Masks, TableMask};
pub use trial::try_copy;
pub(super) use write::{Blend, Origin, copy_to};
pub use write::{Ends, copy};
