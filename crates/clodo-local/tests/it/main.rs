//! The crate through its public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod analytics;
mod api_assets;
mod api_data;
mod api_dns;
mod api_faults;
mod api_identity;
mod api_kv;
mod api_limits;
mod api_objects;
mod api_queues;
mod api_r2;
mod api_scripts;
mod api_support;
mod api_tokens;
mod api_transfers;
mod api_triggers;
mod api_workers;
mod bindings_d1;
mod bindings_kv;
mod bindings_more;
mod bindings_r2;
mod cloud;
mod cloud_attacks;
mod cloud_builder;
mod cloud_events;
mod disk_full;
mod objects;
mod own_network;
mod runtime_apart;
mod runtime_bindings;
mod runtime_events;
mod runtime_lazy;
mod runtime_objects;
mod runtime_observed;
mod runtime_outbound;
mod runtime_process;
#[path = "../../../clodo-storage/tests/it/small_disk.rs"]
mod small_disk;
mod support;
mod tails;
mod workflows;
