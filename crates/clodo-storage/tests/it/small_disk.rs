//! A disk of some megabytes that a test may fill: a tmpfs in a mount namespace of its own.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// Names the disk in the process that has it.
const MARK: &str = "CLODO_TEST_SMALL_DISK";

/// Runs the calling test once more, in a process with a disk of so many bytes. Where the system
/// does not let us mount one, says so, and the test proves nothing.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn on_a_disk_of(bytes: u32, body: impl FnOnce(SmallDisk)) {
    #[expect(clippy::disallowed_methods, reason = "a test is a program")]
    let given = std::env::var_os(MARK);
    if let Some(folder) = given {
        return body(SmallDisk::at(Path::new(&folder), bytes as usize / 2));
    }
    let name = thread::current().name().expect("a test's thread has its name").to_owned();
    let folder = tempfile::Builder::new().prefix("cl").tempdir().unwrap();
    let mount =
        format!("mount -t tmpfs -o size={bytes} none \"${MARK}\" || exit 77; exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    // Whoever is not root may be it in a namespace of users.
    if !is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", &mount]);
    command.arg(std::env::current_exe().unwrap()).args([&name, "--exact", "--nocapture"]);
    // What the test makes for itself lies there, too.
    match command.env(MARK, folder.path()).env("TMPDIR", folder.path()).output() {
        Ok(run) if run.status.code() == Some(77) || !started(&run.stdout) => {
            eprintln!(
                "skipped: no disk can be mounted here: {}",
                String::from_utf8_lossy(&run.stderr)
            );
        }
        Ok(run) => {
            let (said, error) = (&run.stdout, &run.stderr);
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            assert!(run.status.success(), "{}\n{}", text(said), text(error));
        }
        Err(error) => eprintln!("skipped: there is no `unshare` here: {error}"),
    }
}

fn started(stdout: &[u8]) -> bool {
    String::from_utf8_lossy(stdout).contains("running 1 test")
}

#[cfg(target_os = "linux")]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_root() -> bool {
    true
}

/// The disk.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Half of it is kept back until [`SmallDisk::free`].
    pub(crate) fn at(folder: &Path, reserve: usize) -> Self {
        fs::write(folder.join("reserve"), vec![b'x'; reserve]).unwrap();
        Self { folder: folder.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Leaves room for nothing.
    pub(crate) fn fill(&self) {
        let mut file = fs::OpenOptions::new();
        let mut file = file.create(true).append(true).open(self.filler()).unwrap();
        for block in [64 * 1024, 4096, 1] {
            let block = vec![b'x'; block];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// There is room again.
    pub(crate) fn free(&self) {
        for file in [self.filler(), self.folder.join("reserve")] {
            let _ = fs::remove_file(file);
        }
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}
