use super::service::EsbuildError;
use clodo_npm::NpmCache;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Stdio,
    str::FromStr,
    sync::LazyLock,
};

/// An esbuild binary and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
}

/// A version of esbuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl Version {
    /// The service protocol has been the same since 0.17; a minor version may change it, so that
    /// one which nobody has tried is not used.
    fn is_known_to_work(self) -> bool {
        Self(0, 17, 0) <= self && self < Self(0, 29, 0)
    }
}

impl FromStr for Version {
    type Err = EsbuildError;

    fn from_str(text: &str) -> Result<Self, EsbuildError> {
        let parts: Option<Vec<u32>> =
            text.trim().split('.').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self(major, minor, patch)),
            _ => Err(EsbuildError::Version(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The esbuild that a project brings itself: of the nearest `node_modules` upwards that has a
/// usable one.
pub(crate) fn of_project(root: &Path) -> Option<Program> {
    // `node_modules/@esbuild/<platform>/bin/esbuild`, without the first folder.
    static IN_MODULES: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        Some(clodo_npm::esbuild().ok()?.required().components().skip(1).collect())
    });
    let in_modules = IN_MODULES.as_ref()?;
    root.ancestors().find_map(|folder| {
        let modules = folder.join("node_modules");
        // pnpm keeps the platform's package beside the package that needs it, behind a link.
        let real = fs::canonicalize(modules.join("esbuild")).ok();
        let nested = real.as_ref().map(|package| package.join("node_modules"));
        let beside = real.as_ref().and_then(|package| package.parent()).map(Path::to_owned);
        [nested, beside, Some(modules)]
            .into_iter()
            .flatten()
            .find_map(|modules| usable(&modules.join(in_modules)))
    })
}

/// The pinned esbuild of the cache, installed when it is not there yet.
pub(crate) async fn of_cache(cache: &NpmCache) -> Result<Program, clodo_npm::NpmError> {
    let installed = cache.ensure(&clodo_npm::esbuild()?).await?;
    let path = installed.binary().to_owned();
    let version = version_beside(&path).expect("the pin names a package with a version");
    Ok(Program { path, version })
}

/// An esbuild that the caller names.
pub(crate) async fn at(path: &Path) -> Result<Program, EsbuildError> {
    let mut command = tokio::process::Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(EsbuildError::Start)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version: Version = text.parse()?;
    if !version.is_known_to_work() {
        return Err(EsbuildError::Version(version.to_string()));
    }
    Ok(Program { path: path.to_owned(), version })
}

fn usable(path: &Path) -> Option<Program> {
    if !fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0) {
        return None;
    }
    let version = version_beside(path).filter(|version| version.is_known_to_work())?;
    Some(Program { path: path.to_owned(), version })
}

/// The version in the `package.json` of the package that holds a binary.
fn version_beside(binary: &Path) -> Option<Version> {
    // The binary is in `bin`, or on Windows in the package's own folder.
    let text = binary
        .ancestors()
        .skip(1)
        .take(2)
        .find_map(|folder| fs::read_to_string(folder.join("package.json")).ok())?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    package["version"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(modules: &Path, version: &str) -> PathBuf {
        let required = clodo_npm::esbuild().unwrap().required().to_owned();
        let binary: PathBuf = modules.join(required.components().skip(1).collect::<PathBuf>());
        fs::create_dir_all(binary.parent().unwrap()).unwrap();
        fs::write(&binary, "binary").unwrap();
        let package = modules.join(required.components().skip(1).take(2).collect::<PathBuf>());
        fs::write(package.join("package.json"), format!(r#"{{"version":"{version}"}}"#)).unwrap();
        binary
    }

    #[test]
    fn the_nearest_usable_esbuild_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("services/web");
        fs::create_dir_all(&project).unwrap();
        assert_eq!(of_project(&project), None);

        let far = put(&folder.path().join("node_modules"), "0.25.3");
        let found = of_project(&project).unwrap();
        assert_eq!((found.path, found.version), (far.clone(), Version(0, 25, 3)));

        put(&project.join("node_modules"), "0.16.9");
        assert_eq!(of_project(&project).unwrap().path, far, "too old");
        put(&project.join("node_modules"), "0.29.0");
        assert_eq!(of_project(&project).unwrap().path, far, "nobody has tried it");
        let near = put(&project.join("node_modules"), "0.17.0");
        assert_eq!(of_project(&project).unwrap().path, near);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_as_pnpm_makes_it_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("node_modules/.pnpm/esbuild@0.27.3/node_modules");
        fs::create_dir_all(store.join("esbuild")).unwrap();
        let binary = put(&store, "0.27.3");
        std::os::unix::fs::symlink(
            store.join("esbuild"),
            folder.path().join("node_modules/esbuild"),
        )
        .unwrap();
        let found = of_project(folder.path()).unwrap();
        assert_eq!(found.path, fs::canonicalize(binary).unwrap());
    }

    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!("0.28.2\n".parse::<Version>().unwrap(), Version(0, 28, 2));
        for bad in ["", "0.28", "v0.28.2", "0.28.2-beta", "a.b.c", "0.28.2.1"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
