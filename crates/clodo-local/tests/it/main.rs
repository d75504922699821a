//! The crate through its public API.

mod bindings_d1;
mod bindings_kv;
mod bindings_r2;
mod d1_engine;
mod runtime_bindings;
mod runtime_process;
mod support;
