use crate::BackupStore;
use std::io::{self, Read as _, Write as _};

/// What every [`BackupStore`] must pass. It is given an empty store, and leaves it empty.
pub async fn backup_store(store: &dyn BackupStore) {
    let write = async |name: &str, bytes: &[u8]| {
        let mut writer = store.begin(name).await?;
        writer.write_all(bytes)?;
        writer.finish().await
    };
    let read = async |name: &str| {
        let mut all = Vec::new();
        store.open(name).await?.read_to_end(&mut all)?;
        Ok::<_, io::Error>(all)
    };
    let names = async || {
        let all = store.list().await.expect("it can be listed");
        all.into_iter().map(|one| (one.name, one.bytes)).collect::<Vec<_>>()
    };
    assert_eq!(names().await, [], "it is empty at first");

    let long: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    write("b.sql.zst", &long).await.expect("it is kept");
    write("a-1_x.sql.zst", b"whole").await.expect("it is kept");
    write("empty", b"").await.expect("it is kept");
    let all = [("a-1_x.sql.zst", 5), ("b.sql.zst", 400_000), ("empty", 0)];
    assert_eq!(names().await, all.map(|(name, bytes)| (name.to_owned(), bytes)));
    assert!(read("b.sql.zst").await.expect("it is there") == long, "it comes back as it was");
    assert_eq!(read("empty").await.expect("it is there"), b"");

    let taken = write("b.sql.zst", b"other").await.expect_err("no backup is written over");
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    let mut given_up = store.begin("c").await.expect("it can be begun");
    given_up.write_all(&long).expect("it can be written");
    drop(given_up);
    assert_eq!(names().await.len(), 3, "what was not finished is not there");
    let missing = read("c").await.expect_err("it is not there");
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);

    for name in ["", ".", "..", "../x", "a/b", ".hidden", "x.partial", "a\0b", "ü"] {
        let refused = store.begin(name).await.map(drop).expect_err("it is no plain name");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        assert!(store.open(name).await.is_err() && store.remove(name).await.is_err(), "{name:?}");
    }
    for (name, _) in all {
        store.remove(name).await.expect("it can be removed");
        store.remove(name).await.expect("it is fine when it is gone");
    }
    assert_eq!(names().await, []);
    write("b.sql.zst", b"again").await.expect("its name is free again");
    assert_eq!(read("b.sql.zst").await.expect("it is there"), b"again");
    store.remove("b.sql.zst").await.expect("it can be removed");
}
