//! Placeholder for the package of tests.
