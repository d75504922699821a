//! Read clodo.toml: layers with provenance, customers, environments, domains.
