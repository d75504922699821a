//! Runs what is fuzzed over the inputs that are kept, as an ordinary test.

use std::{fs, panic::catch_unwind, path::Path};

/// Calls `body` with each file of `fuzz/seeds/<target>`.
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut count = 0;
    for seed in seeds {
        let path = seed.unwrap().path();
        let data = fs::read(&path).unwrap();
        assert!(catch_unwind(|| body(&data)).is_ok(), "{} breaks it", path.display());
        count += 1;
    }
    assert!(count > 0, "{folder:?} is empty");
}
