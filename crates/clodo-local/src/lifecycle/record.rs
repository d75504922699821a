//! `cloud.json`: how others find a running cloud.

use super::{CloudSettings, RunFolder};
use crate::server::{CloudAccount, CloudOptions, default_account};
use clodo_types::Secret;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

const FILE: &str = "cloud.json";
const FORMAT: u32 = 1;

/// What a cloud writes about itself. Port and token outlive it: the next run takes them over.
#[derive(Clone, Debug)]
pub(crate) struct CloudRecord {
    stored: Stored,
    token: Secret,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    format: u32,
    port: u16,
    /// `None` when the cloud was stopped in good order.
    pid: Option<u32>,
    /// Unlike a process id, never used twice.
    instance: String,
    token: String,
    accounts: Vec<CloudAccount>,
    run_folder: Option<PathBuf>,
    /// `None` when an older program wrote it.
    #[serde(default)]
    settings: Option<CloudSettings>,
}

impl CloudRecord {
    /// What the last cloud, or the running one, wrote; `None` if there is nothing usable.
    pub(crate) async fn read(state_folder: &Path) -> Option<Self> {
        let path = state_folder.join(FILE);
        let text = tokio::fs::read(path).await.ok()?;
        let stored: Stored = serde_json::from_slice(&text).ok()?;
        let usable = stored.format == FORMAT && !stored.token.is_empty();
        let token = Secret::new(stored.token.clone());
        usable.then_some(Self { stored, token })
    }

    /// The record of a cloud that starts now.
    pub(crate) fn next(
        last: Option<&Self>,
        port: u16,
        options: &CloudOptions,
        run: &RunFolder,
    ) -> Self {
        let seed = &options.seed;
        let fresh = || {
            let random = || uuid::Uuid::new_v4().simple().to_string();
            format!("{}{}", random(), random())[..40].to_owned()
        };
        let token = last.map_or_else(fresh, |last| last.stored.token.clone());
        let default = [default_account()];
        let accounts = if seed.accounts.is_empty() { &default[..] } else { &seed.accounts };
        let stored = Stored {
            format: FORMAT,
            port,
            pid: Some(std::process::id()),
            instance: uuid::Uuid::new_v4().to_string(),
            token: token.clone(),
            accounts: accounts
                .iter()
                .filter_map(|account| {
                    Some(CloudAccount {
                        name: account.name.clone(),
                        id: account.id().parse().ok()?,
                    })
                })
                .collect(),
            run_folder: Some(run.path().to_owned()),
            settings: Some(CloudSettings::of(options)),
        };
        Self { stored, token: Secret::new(token) }
    }

    /// Replaces the file in one step; only this user can read it.
    pub(crate) fn write(&self, state_folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.stored)?;
        let fresh = state_folder.join(format!("{FILE}.{}", self.stored.instance));
        write_private(&fresh, &text)?;
        std::fs::rename(&fresh, state_folder.join(FILE))
    }

    /// Says that the cloud was stopped.
    pub(crate) fn clear(&self, state_folder: &Path) {
        let stopped = Stored { pid: None, run_folder: None, ..self.stored.clone() };
        let record = Self { stored: stopped, token: self.token.clone() };
        if self.is_current(state_folder)
            && let Err(error) = record.write(state_folder)
        {
            tracing::warn!(%error, "cloud.json could not be written");
        }
    }

    /// Whether the folder is still there and still this cloud's.
    pub(crate) fn is_current(&self, state_folder: &Path) -> bool {
        let text = std::fs::read(state_folder.join(FILE));
        let stored = text.ok().and_then(|text| serde_json::from_slice::<Stored>(&text).ok());
        stored.is_some_and(|stored| stored.instance == self.stored.instance)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.stored.port)
    }

    pub(crate) fn api_base_url(&self) -> String {
        format!("{}/client/v4", self.url())
    }

    pub(crate) fn port(&self) -> u16 {
        self.stored.port
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.stored.pid
    }

    pub(crate) fn instance(&self) -> &str {
        &self.stored.instance
    }

    pub(crate) fn token(&self) -> &Secret {
        &self.token
    }

    pub(crate) fn accounts(&self) -> &[CloudAccount] {
        &self.stored.accounts
    }

    pub(crate) fn settings(&self) -> Option<&CloudSettings> {
        self.stored.settings.as_ref()
    }

    pub(crate) fn run_folder(&self) -> Option<&Path> {
        self.stored.run_folder.as_deref()
    }
}

#[cfg(unix)]
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)
}

#[cfg(not(unix))]
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    std::fs::write(path, text)
}
