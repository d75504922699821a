//! The crate through its public API.

mod d1_engine;
