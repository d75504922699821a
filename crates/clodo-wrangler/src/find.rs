use std::path::{Path, PathBuf};

/// The names that wrangler looks for, the first that exists wins.
pub const FILE_NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// The wrangler config of a folder, by wrangler's order of preference.
#[must_use]
pub fn find(folder: &Path, exists: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    FILE_NAMES.iter().map(|name| folder.join(name)).find(|path| exists(path))
}

/// The config that wrangler itself would use when it is started in `folder`: it looks for each
/// name in the folder and all above it before it looks for the next name.
#[must_use]
pub fn find_upwards(folder: &Path, exists: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let above = |name| folder.ancestors().map(|at| at.join(name)).find(|path| exists(path));
    FILE_NAMES.into_iter().find_map(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among<'a>(files: &'a [&'a str]) -> impl Fn(&Path) -> bool + 'a {
        |path| files.iter().any(|file| Path::new(file) == path)
    }

    #[test]
    fn json_comes_before_jsonc_before_toml() {
        let found = |files: &[&str]| find(Path::new("a/b"), &among(files));
        let all = ["a/b/wrangler.toml", "a/b/wrangler.jsonc", "a/b/wrangler.json"];
        assert_eq!(found(&all), Some("a/b/wrangler.json".into()));
        assert_eq!(found(&all[..2]), Some("a/b/wrangler.jsonc".into()));
        assert_eq!(found(&all[..1]), Some("a/b/wrangler.toml".into()));
        assert_eq!(found(&["a/wrangler.json"]), None);
    }

    #[test]
    fn wrangler_prefers_a_better_name_above_to_a_worse_one_here() {
        let files = ["a/b/wrangler.toml", "a/wrangler.json"];
        let found = find_upwards(Path::new("a/b"), &among(&files));
        assert_eq!(found, Some("a/wrangler.json".into()));
    }
}
