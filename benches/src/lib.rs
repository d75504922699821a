//! Placeholder for the package of benches.
