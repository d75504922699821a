//! What a cloud was started with and keeps until it ends.

use crate::server::CloudOptions;
use clodo_sqlite::Durability;
use clodo_workerd::Outbound;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Settings that nothing changes while a cloud runs; limits and faults are none of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CloudSettings {
    /// Whether `fetch()` of a Worker may leave this machine.
    pub internet: bool,
    /// Whether an answered write is on disk.
    pub durable: bool,
    /// Whether every Worker has a port of its own.
    pub port_per_worker: bool,
    /// The address that is listened at.
    pub listen: IpAddr,
    /// Names that reach the API.
    pub hosts: Vec<String>,
    /// What `fetch()` may reach of this machine and its network.
    pub allow_private: Vec<String>,
}

impl CloudSettings {
    pub(crate) fn of(options: &CloudOptions) -> Self {
        Self {
            internet: options.outbound == Outbound::Internet,
            durable: options.durability == Durability::Full,
            port_per_worker: options.port_per_worker,
            listen: options.listen,
            hosts: options.hosts.clone(),
            allow_private: options.allow_private.iter().map(ToString::to_string).collect(),
        }
    }
}
