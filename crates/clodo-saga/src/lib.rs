//! Durable steps: a journal, idempotent acts and undos, resume after a crash.
