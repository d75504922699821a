//! A cloud in a few lines, for tests.

use crate::{
    faults::Fault,
    lifecycle::CloudError,
    limits::Limits,
    server::{CloudOptions, LocalCloud},
    state::{SeedAccount, SeedToken},
};
use clodo_sqlite::Durability;
use clodo_types::{AccountName, Clock, ZoneName};
use clodo_workerd::Outbound;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Settings of a cloud that is about to start; see [`LocalCloud::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct CloudBuilder {
    options: CloudOptions,
    state_folder: Option<PathBuf>,
}

impl CloudBuilder {
    pub(crate) fn new(workerd: &Path, clock: Arc<dyn Clock>) -> Self {
        let options = CloudOptions::new(PathBuf::new(), workerd, clock);
        Self { options, state_folder: None }
    }

    /// Keeps everything in this folder, and leaves it there. Without one, the cloud has a folder of
    /// its own that goes with it.
    pub fn state_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state_folder = Some(folder.into());
        self
    }

    /// The port; without one, any that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.options.port = Some(port);
        self
    }

    /// An account with its zones. Without any there is one, called `local`.
    pub fn account(mut self, name: AccountName, zones: impl IntoIterator<Item = ZoneName>) -> Self {
        let zones = zones.into_iter().collect();
        self.options.seed.accounts.push(SeedAccount { name, id: None, zones });
        self
    }

    /// A token besides [`LocalCloud::token`], with the permissions that it names.
    pub fn token(mut self, token: SeedToken) -> Self {
        self.options.seed.tokens.push(token);
        self
    }

    /// Limits from the first call on.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// A fault from the first call on.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.options.faults.push(fault);
        self
    }

    /// Whether an answered write of the API is on disk, or soon will be.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Whether `fetch()` of a Worker may leave this machine.
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.options.outbound = outbound;
        self
    }

    /// Listens at this address instead of 127.0.0.1; whoever reaches it can try tokens.
    pub fn listen(mut self, address: IpAddr) -> Self {
        self.options.listen = address;
        self
    }

    /// The settings in full, for what has no method here.
    pub fn change(mut self, change: impl FnOnce(&mut CloudOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Starts the cloud and returns as soon as it answers.
    ///
    /// # Errors
    /// As [`LocalCloud::start`], and when no folder can be made.
    pub async fn start(self) -> Result<LocalCloud, CloudError> {
        let Self { mut options, state_folder } = self;
        if let Some(folder) = state_folder {
            options.state_folder = folder;
            return LocalCloud::start(options).await;
        }
        let folder = tempfile::Builder::new()
            .prefix("clodo-")
            .tempdir_in(&options.temp_folder)
            .map_err(CloudError::io("make", "a folder for the state"))?;
        options.state_folder = folder.path().join("state");
        let cloud = LocalCloud::start(options).await?;
        Ok(cloud.with_folder(folder))
    }
}
