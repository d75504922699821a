use crate::{NpmError, Pinned, Platform};

const WORKERD: &str = "1.20261117.1";
// The newest that the registry has for macOS and Windows.
const WORKERD_ELSEWHERE: &str = "1.20261023.1";
const ESBUILD: &str = "0.28.2";

/// The Workers runtime for the platform of this program.
///
/// # Errors
/// When there is no workerd for this platform.
pub fn workerd() -> Result<Pinned, NpmError> {
    workerd_for(Platform::current())
}

/// The Workers runtime for a platform.
///
/// # Errors
/// When there is no workerd for it.
pub fn workerd_for(platform: Platform) -> Result<Pinned, NpmError> {
    let alternative = "set CLODO_WORKERD to a workerd binary";
    let package = match (platform.os, platform.arch) {
        ("linux", "x86_64") => "workerd-linux-64",
        ("linux", "aarch64") => "workerd-linux-arm64",
        ("macos", "x86_64") => "workerd-darwin-64",
        ("macos", "aarch64") => "workerd-darwin-arm64",
        // Windows on ARM runs programs for x86-64.
        ("windows", "x86_64" | "aarch64") => "workerd-windows-64",
        _ => {
            let alternative = Some(alternative);
            return Err(NpmError::Unsupported { package: "workerd", platform, alternative });
        }
    };
    let version = if platform.os == "linux" { WORKERD } else { WORKERD_ELSEWHERE };
    let manifest = include_str!("../pins/workerd/package.json");
    let lock = include_str!("../pins/workerd/package-lock.json");
    let binary = platform.executable("workerd");
    let path = format!("node_modules/@cloudflare/{package}/bin/{binary}");
    let pinned = Pinned::new(&format!("workerd-{version}"), manifest, lock, path)
        .expect("a test reads the pins of this crate");
    Ok(pinned.with_alternative(alternative))
}

/// The bundler for the platform of this program.
///
/// # Errors
/// When there is no esbuild for this platform.
pub fn esbuild() -> Result<Pinned, NpmError> {
    esbuild_for(Platform::current())
}

/// The bundler for a platform.
///
/// # Errors
/// When there is no esbuild for it.
pub fn esbuild_for(platform: Platform) -> Result<Pinned, NpmError> {
    let package = match (platform.os, platform.arch) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "x86") => "linux-ia32",
        ("linux", "aarch64") => "linux-arm64",
        ("linux", "arm") => "linux-arm",
        ("linux", "powerpc64") => "linux-ppc64",
        ("linux", "riscv64") => "linux-riscv64",
        ("linux", "s390x") => "linux-s390x",
        ("linux", "loongarch64") => "linux-loong64",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        ("windows", "x86_64") => "win32-x64",
        ("windows", "x86") => "win32-ia32",
        ("windows", "aarch64") => "win32-arm64",
        ("freebsd", "x86_64") => "freebsd-x64",
        ("freebsd", "aarch64") => "freebsd-arm64",
        _ => {
            return Err(NpmError::Unsupported { package: "esbuild", platform, alternative: None });
        }
    };
    // Of esbuild, the Windows packages alone have no `bin` folder.
    let folder = if platform.os == "windows" { "" } else { "bin/" };
    let binary = platform.executable("esbuild");
    let path = format!("node_modules/@esbuild/{package}/{folder}{binary}");
    let manifest = include_str!("../pins/esbuild/package.json");
    let lock = include_str!("../pins/esbuild/package-lock.json");
    Ok(Pinned::new(&format!("esbuild-{ESBUILD}"), manifest, lock, path)
        .expect("a test reads the pins of this crate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OSES: [&str; 4] = ["linux", "macos", "windows", "freebsd"];
    const ARCHES: [&str; 5] = ["x86_64", "aarch64", "arm", "riscv64", "mips"];

    /// The package that holds the required file.
    fn package(pinned: &Pinned) -> String {
        let path = pinned.required().to_str().unwrap().replace('\\', "/");
        path.split('/').take(3).collect::<Vec<_>>().join("/")
    }

    fn check(pinned: &Pinned, version: &str) {
        let lock: serde_json::Value = serde_json::from_str(pinned.lock()).unwrap();
        let entry = &lock["packages"][package(pinned)];
        assert_eq!(entry["version"], version, "{}", package(pinned));
        assert!(entry["integrity"].as_str().unwrap().starts_with("sha512-"));
        assert!(pinned.label().ends_with(version), "{}", pinned.label());
    }

    #[test]
    fn every_supported_platform_has_a_hash_in_the_lock_file() {
        for (os, arch) in OSES.iter().flat_map(|os| ARCHES.map(|arch| (*os, arch))) {
            let platform = Platform { os, arch };
            if let Ok(pinned) = workerd_for(platform) {
                check(&pinned, if os == "linux" { WORKERD } else { WORKERD_ELSEWHERE });
            }
            if let Ok(pinned) = esbuild_for(platform) {
                check(&pinned, ESBUILD);
            }
        }
    }

    #[test]
    fn binaries_have_the_names_their_packages_give_them() {
        let workerd = |os, arch| workerd_for(Platform { os, arch }).unwrap().required().to_owned();
        let esbuild = |os, arch| esbuild_for(Platform { os, arch }).unwrap().required().to_owned();
        let check = |path: std::path::PathBuf, want: &str| {
            assert_eq!(path.to_str().unwrap().replace('\\', "/"), want);
        };
        check(workerd("linux", "x86_64"), "node_modules/@cloudflare/workerd-linux-64/bin/workerd");
        check(
            workerd("windows", "aarch64"),
            "node_modules/@cloudflare/workerd-windows-64/bin/workerd.exe",
        );
        check(esbuild("macos", "aarch64"), "node_modules/@esbuild/darwin-arm64/bin/esbuild");
        check(esbuild("windows", "x86_64"), "node_modules/@esbuild/win32-x64/esbuild.exe");
    }

    #[test]
    fn a_platform_without_workerd_is_told_what_to_set() {
        let error = workerd_for(Platform { os: "freebsd", arch: "x86_64" }).unwrap_err();
        assert_eq!(error.to_string(), "workerd does not exist for freebsd on x86_64");
        assert_eq!(error.hint().unwrap(), "set CLODO_WORKERD to a workerd binary");
    }

    #[test]
    fn lock_files_name_no_registry() {
        for pinned in [workerd(), esbuild()] {
            let pinned = pinned.unwrap();
            assert!(!pinned.lock().contains("resolved"), "{}", pinned.label());
            assert!(!pinned.lock().contains("://"), "{}", pinned.label());
        }
    }
}
