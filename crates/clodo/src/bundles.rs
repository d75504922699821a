//! Built code in the state store, by its hash: for runners, and for what is promoted later.

use crate::queue::QueueError;
use clodo_bundle::Bundle;
use clodo_saga::{BlobKey, StateStore, StoreErrorKind};
use clodo_types::{ContentHash, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// Puts bundles into the store that are not there; returns the keys of all of them.
///
/// # Errors
/// When a bundle cannot be packed, or the store fails.
pub async fn keep_bundles(
    store: &dyn StateStore,
    bundles: impl IntoIterator<Item = &Arc<Bundle>>,
    now: Timestamp,
) -> Result<BTreeSet<BlobKey>, QueueError> {
    let bundles: BTreeMap<BlobKey, &Arc<Bundle>> =
        bundles.into_iter().map(|bundle| (key(bundle.hash), bundle)).collect();
    let keys: BTreeSet<BlobKey> = bundles.keys().cloned().collect();
    for key in store.missing(&keys, now).await? {
        let mut packed = Vec::new();
        bundles[&key].pack(&mut packed).map_err(QueueError::Files)?;
        match store.put(&key, &packed, now).await {
            // Somebody was quicker, with other source maps, which the hash leaves out.
            Err(error) if error.kind() == StoreErrorKind::Conflict => {}
            outcome => outcome?,
        }
    }
    Ok(keys)
}

/// Takes bundles from the store. Their assets are put into `folder`, where they must stay until the
/// deployment has ended.
///
/// # Errors
/// When a bundle is missing or damaged, or the store fails.
pub async fn fetch_bundles(
    store: &dyn StateStore,
    hashes: BTreeSet<ContentHash>,
    folder: &Path,
) -> Result<BTreeMap<ContentHash, Arc<Bundle>>, QueueError> {
    let mut bundles = BTreeMap::new();
    for hash in hashes {
        let packed = store.get(&key(hash)).await?.ok_or(QueueError::Missing(hash))?;
        let bundle = Bundle::unpack(&packed[..], &folder.join(hash.to_string()));
        let bundle = bundle.map_err(|error| QueueError::Damaged(error.into()))?;
        bundles.insert(bundle.hash, Arc::new(bundle));
    }
    Ok(bundles)
}

fn key(hash: ContentHash) -> BlobKey {
    format!("bundle/{hash}").parse().expect("a hash makes a good key")
}
