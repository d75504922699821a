use std::path::PathBuf;

/// The workerd that tests run: `CLODO_WORKERD`, else the pinned one from the cache, which is
/// installed if need be.
pub(crate) async fn binary() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test is a program")]
    let environment = |name: &str| std::env::var_os(name);
    if let Some(path) = environment("CLODO_WORKERD") {
        return path.into();
    }
    let root = clodo_npm::cache_root(&environment).expect("a cache folder");
    let cache = clodo_npm::NpmCache::new(root);
    cache.ensure(&clodo_npm::workerd().unwrap()).await.unwrap().binary().to_owned()
}
