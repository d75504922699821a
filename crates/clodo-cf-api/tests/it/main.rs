//! The public API against a scripted service.
