//! Desired and observed state become a plan; a plan becomes a saga.
