//! Durable steps: a journal, idempotent acts and undos, resume after a crash.

mod step;

pub use step::StepId;
