//! The cache, driven with stand-ins for npm; one test with the real one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(unix)]
mod fake;

use clodo_npm::{NpmCache, NpmError, NpmErrorKind, NpmProgram, cache_root, esbuild, workerd};

fn user_cache() -> NpmCache {
    #[expect(clippy::disallowed_methods, reason = "a test may use the user's cache")]
    let root = cache_root(&|name| std::env::var_os(name)).unwrap();
    NpmCache::new(root)
}

#[tokio::test]
async fn the_real_npm_installs_programs_that_run() {
    for (pinned, flag, want) in [
        (esbuild().unwrap(), "--version", "0.28.2"),
        (workerd().unwrap(), "--version", "workerd 20"),
    ] {
        let installed = user_cache().ensure(&pinned).await.unwrap();
        let output = std::process::Command::new(installed.binary()).arg(flag).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with(want), "{said}");
    }
}

#[tokio::test]
async fn without_npm_the_error_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let cache = NpmCache::new(folder.path()).with_npm(NpmProgram::at("no-such-npm"));
    let error = cache.ensure(&workerd().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), NpmErrorKind::NpmMissing);
    assert!(error.to_string().ends_with("is needed, but `no-such-npm` was not found"), "{error}");
    assert_eq!(
        error.hint().unwrap(),
        "install Node.js 20 or newer (which brings npm), or set CLODO_WORKERD to a workerd binary"
    );
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_names_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = NpmCache::new(&file).ensure(&esbuild().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), NpmErrorKind::NotWritable);
    assert!(matches!(&error, NpmError::Cache { path, .. } if path == &file.join("npm")), "{error}");
    assert!(error.hint().unwrap().contains("CLODO_CACHE_DIR"));
}
