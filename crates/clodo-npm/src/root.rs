use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Where Clodo's cache is, given an environment: `CLODO_CACHE_DIR`, else a folder `clodo` in the
/// user's cache as the platform has it. `None` when the environment names no home.
///
/// Reads nothing itself: a program passes `&|name| std::env::var_os(name)`.
#[must_use]
pub fn cache_root(environment: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder =
        |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative path in the XDG variables is to be ignored, as their specification says.
    let absolute = |name: &str| folder(name).filter(|path| path.is_absolute());
    if let Some(chosen) = folder("CLODO_CACHE_DIR") {
        return Some(chosen);
    }
    if let Some(xdg) = absolute("XDG_CACHE_HOME") {
        return Some(xdg.join("clodo"));
    }
    if cfg!(windows) {
        return absolute("LOCALAPPDATA").map(|data| data.join("clodo").join("cache"));
    }
    let below = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    absolute("HOME").map(|home| home.join(Path::new(below)).join("clodo"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn check(environment: &[(&str, &str)], want: Option<&str>) {
        let read = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        assert_eq!(cache_root(&read), want.map(PathBuf::from), "{environment:?}");
    }

    #[test]
    fn the_most_specific_variable_names_the_cache() {
        let home = ("HOME", "/home/ada");
        let at_home = if cfg!(target_os = "macos") {
            "/home/ada/Library/Caches/clodo"
        } else {
            "/home/ada/.cache/clodo"
        };
        check(&[("CLODO_CACHE_DIR", "/c"), ("XDG_CACHE_HOME", "/x"), home], Some("/c"));
        check(&[("CLODO_CACHE_DIR", "c")], Some("c"));
        check(&[("CLODO_CACHE_DIR", ""), ("XDG_CACHE_HOME", "/x"), home], Some("/x/clodo"));
        check(&[("XDG_CACHE_HOME", "x"), home], Some(at_home));
        check(&[home], Some(at_home));
        check(&[], None);
    }
}
