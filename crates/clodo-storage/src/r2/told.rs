//! What R2 tells its observer.

use super::{BucketRef, R2, R2Error};
use crate::observer::{Operation, R2Operation};

impl R2 {
    /// Tells of `count` objects to which `action` was done, and hands its outcome on.
    pub(super) fn told<T>(
        &self,
        (at, action, count): (&BucketRef, &'static str, usize),
        outcome: Result<T, R2Error>,
        bytes: impl FnOnce(&T) -> u64,
    ) -> Result<T, R2Error> {
        if let Some(observer) = self.watch.observer() {
            observer.operated(&Operation::R2(R2Operation {
                at,
                action,
                count: count.max(1) as u64,
                bytes: outcome.as_ref().map_or(0, bytes),
                status: outcome.as_ref().map_or_else(|error| error.kind().status(), |_| 200),
            }));
        }
        outcome
    }
}
