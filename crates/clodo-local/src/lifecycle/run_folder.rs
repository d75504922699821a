//! Where the sockets of one run lie.

use super::{CloudError, CloudRecord};
use crate::server::CloudOptions;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A socket's path has at most 104 bytes on macOS, 108 on Linux; names take some of them.
const LONGEST: usize = 78;

/// A folder of this run alone: removed when it ends, or by the next run.
#[derive(Debug)]
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    /// Below the state folder if its path is short enough for sockets, else below the folder for
    /// temporary files. The caller holds the state's lock.
    pub(crate) fn prepare(
        options: &CloudOptions,
        last: Option<&CloudRecord>,
    ) -> Result<Self, CloudError> {
        if let Some(left) = last.and_then(CloudRecord::run_folder)
            && is_ours(left, options)
        {
            let _ = std::fs::remove_dir_all(left);
        }
        let below = std::path::absolute(options.state_folder.join("run"));
        let below = below.map_err(CloudError::io("find", "the state folder"))?;
        if below.as_os_str().len() <= LONGEST {
            clear(&below).map_err(CloudError::io("clear", "the folder for sockets"))?;
            return Ok(Self(below));
        }
        let name = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self(options.temp_folder.join(format!("clodo-{}", &name[..12]))))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// `cloud.json` is only a file: what it names is removed only if it looks like ours.
fn is_ours(folder: &Path, options: &CloudOptions) -> bool {
    let named = folder.file_name().and_then(|name| name.to_str());
    folder.parent() == Some(&options.temp_folder)
        && named.is_some_and(|name| name.len() == 18 && name.starts_with("clodo-"))
}

fn clear(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
