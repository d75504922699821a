use std::path::{Path, PathBuf};

/// The name of the file.
pub const FILE_NAME: &str = "clodo.toml";

/// The nearest folder from `start` upwards that holds a `clodo.toml`; `start` should be absolute.
/// `exists` says whether there is a file at a path, so that this crate touches no disk.
#[must_use]
pub fn find_root(start: &Path, exists: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    start.ancestors().find(|folder| exists(&folder.join(FILE_NAME))).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_upwards_counts() {
        let there = |path: &Path| {
            path == Path::new("/a/clodo.toml") || path == Path::new("/a/b/c/clodo.toml")
        };
        for (start, expected) in
            [("/a/b/c/d", Some("/a/b/c")), ("/a/b", Some("/a")), ("/a", Some("/a")), ("/x/y", None)]
        {
            assert_eq!(find_root(Path::new(start), &there), expected.map(PathBuf::from), "{start}");
        }
    }
}
