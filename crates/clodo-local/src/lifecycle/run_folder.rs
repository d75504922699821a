//! Where the sockets of one run lie.

use super::{CloudError, CloudRecord};
use crate::server::CloudOptions;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A socket's path has at most 104 bytes on macOS, 108 on Linux; names take some of them.
const LONGEST: usize = 78;
/// Where folders of runs lie below the state folder.
const BELOW: &str = "run";

/// A folder of this run alone: removed when it ends, or by the next run.
///
/// Its name is new each time, so that a cloud whose state folder was deleted, and which tidies up
/// while the next one already runs there, takes none of the next one's sockets away.
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
        let name = uuid::Uuid::new_v4().simple().to_string();
        let below = std::path::absolute(options.state_folder.join(BELOW));
        let below = below.map_err(CloudError::io("find", "the state folder"))?;
        let own = below.join(&name[..4]);
        if own.as_os_str().len() <= LONGEST {
            clear(&below).map_err(CloudError::io("clear", "the folder for sockets"))?;
            return Ok(Self(own));
        }
        Ok(Self(options.temp_folder.join(format!("clodo-{}", &name[..12]))))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_dir_all(&self.0);
        // Fails while another run has its folder beside this one, and then nothing is to be done.
        if let Some(above) = self.0.parent().filter(|above| above.ends_with(BELOW)) {
            let _ = std::fs::remove_dir(above);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_types::ManualClock;
    use std::{fs, sync::Arc};

    #[test]
    fn a_run_that_tidies_up_late_leaves_the_folder_of_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let options = CloudOptions::new(folder.path(), "workerd", clock);
        let late = RunFolder::prepare(&options, None).unwrap();
        fs::create_dir_all(late.path()).unwrap();
        let next = RunFolder::prepare(&options, None).unwrap();
        assert!(!late.path().exists(), "the next run takes what was left");
        fs::create_dir_all(next.path()).unwrap();
        late.remove();
        assert!(next.path().exists());
        next.remove();
        assert!(!folder.path().join(BELOW).exists(), "the last one leaves nothing");
    }
}
