//! The facade: adapters that plug Clodo's crates into each other.
