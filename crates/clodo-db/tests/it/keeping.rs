//! Backups in a store: whole or not there.

use async_trait::async_trait;
use clodo_db::{
    BackupError, BackupFolder, BackupOptions, BackupStore, BackupWriter, Database as _, Keeper,
    RestoreError, RestoreOptions, Sealer, Sealing, SqliteDatabase, StoredBackup, compare,
    conformance, restore,
};
use std::io::{self, Read, Write};

async fn database() -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let sql = "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
               INSERT INTO t SELECT hex(randomblob(100)) FROM n;";
    database.script(sql).await.unwrap();
    database
}

/// Seals with a number that is added to each byte, and ends with it.
#[derive(Debug)]
struct Added(u8, &'static str);

struct Adding<'w>(u8, Box<dyn Write + Send + 'w>);

impl Sealer for Added {
    fn identity(&self) -> &str {
        self.1
    }

    fn seal<'w>(&self, out: Box<dyn Write + Send + 'w>) -> io::Result<Box<dyn Sealing + 'w>> {
        Ok(Box::new(Adding(self.0, out)))
    }

    fn open<'r>(
        &self,
        mut input: Box<dyn Read + Send + 'r>,
    ) -> io::Result<Box<dyn Read + Send + 'r>> {
        let mut all = Vec::new();
        input.read_to_end(&mut all)?;
        if all.pop() != Some(self.0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "sealed for another, or cut"));
        }
        all.iter_mut().for_each(|byte| *byte = byte.wrapping_sub(self.0));
        Ok(Box::new(io::Cursor::new(all)))
    }
}

impl Write for Adding<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sealed: Vec<u8> = bytes.iter().map(|byte| byte.wrapping_add(self.0)).collect();
        self.1.write_all(&sealed)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

impl Sealing for Adding<'_> {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.1.write_all(&[self.0])?;
        self.1.flush()
    }
}

#[tokio::test]
async fn backups_are_kept_compressed_and_sealed_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = BackupFolder::open(folder.path().join("new/backups")).unwrap();
    let database = database().await;
    let sealer = Added(7, "seven");
    for keeper in [Keeper::new(&store), Keeper::new(&store).with_sealer(&sealer)] {
        let options = BackupOptions::default();
        let report = keeper.back_up(&database, &database, "a.sql.zst", &options).await.unwrap();
        let again = SqliteDatabase::in_memory().await.unwrap();
        let done = restore(&again, &keeper.dump("a.sql.zst"), &RestoreOptions::default()).await;
        assert_eq!(done.unwrap().summary, report.summary);
        assert_eq!(compare(&database, &again).await.unwrap(), []);
    }
    let kept: Vec<String> = store.list().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(kept, ["a.sql.zst", "a.sql.zst.seven"]);
    let other = Added(8, "seven");
    let wrong = Keeper::new(&store).with_sealer(&other).dump("a.sql.zst");
    let into = SqliteDatabase::in_memory().await.unwrap();
    let refused = restore(&into, &wrong, &RestoreOptions::default()).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Read(_)), "{refused:?}");
    let path = store.path("a.sql.zst").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // A file of the store, as anybody may hand it over; and cut.
    restore(&into, &path, &RestoreOptions::default()).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    for end in [0, 1, 10, whole.len() / 2, whole.len() - 1] {
        let cut = folder.path().join("cut");
        std::fs::write(&cut, &whole[..end]).unwrap();
        let refused = restore(&into, &cut, &RestoreOptions::default()).await.unwrap_err();
        let known =
            matches!(refused, RestoreError::Read(_) | RestoreError::Cut | RestoreError::NoDump);
        assert!(known, "{end}: {refused:?}");
    }
}

#[tokio::test]
async fn a_folder_keeps_what_a_store_promises() {
    let folder = tempfile::tempdir().unwrap();
    let store = BackupFolder::open(folder.path().join("store")).unwrap();
    conformance::backup_store(&store).await;
    assert_eq!(std::fs::read_dir(folder.path().join("store")).unwrap().count(), 0);
}

#[tokio::test]
async fn of_two_backups_of_one_name_one_is_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = BackupFolder::open(folder.path()).unwrap();
    let write = async |name: &str, text: &str| {
        let mut writer = store.begin(name).await?;
        writer.write_all(text.as_bytes())?;
        writer.finish().await
    };
    write("one", "1").await.unwrap();
    assert_eq!(write("one", "2").await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    let early = store.begin("two").await.unwrap();
    let late = store.begin("three").await.unwrap();
    drop(early);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "what was dropped is gone");
    let mut first = store.begin("two").await.unwrap();
    let mut second = store.begin("two").await.unwrap();
    first.write_all(b"whole").unwrap();
    second.write_all(b"half").unwrap();
    first.finish().await.unwrap();
    assert_eq!(second.finish().await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(folder.path().join("two")).unwrap(), b"whole");
    late.finish().await.unwrap();
    let names: Vec<String> = store.list().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["one", "three", "two"]);
}

/// A folder on a disk that is full after so many bytes.
#[derive(Debug)]
struct Full<'a>(&'a BackupFolder, usize);

struct Filling(Box<dyn BackupWriter>, usize);

#[async_trait]
impl BackupStore for Full<'_> {
    async fn begin(&self, name: &str) -> io::Result<Box<dyn BackupWriter>> {
        Ok(Box::new(Filling(self.0.begin(name).await?, self.1)))
    }

    async fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        self.0.open(name).await
    }

    async fn list(&self) -> io::Result<Vec<StoredBackup>> {
        self.0.list().await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name).await
    }
}

impl Write for Filling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = self.1.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[async_trait]
impl BackupWriter for Filling {
    async fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.finish().await
    }
}

#[tokio::test]
async fn a_full_disk_leaves_no_backup_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = BackupFolder::open(folder.path()).unwrap();
    let database = database().await;
    let mut refused = 0;
    for room in (0..1_000_000).step_by(7_001) {
        let full = Full(&store, room);
        let (keeper, options) = (Keeper::new(&full), BackupOptions::default());
        match keeper.back_up(&database, &database, "a", &options).await {
            Err(BackupError::Write(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
            Err(other) => panic!("{other:?}"),
            Ok(_) => break,
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "with {room} bytes");
        refused += 1;
    }
    assert!(refused > 5 && store.list().await.unwrap().len() == 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_device_without_room_is_told_as_such() {
    let database = database().await;
    let mut full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let outcome =
        clodo_db::backup(&database, &database, &mut full, &BackupOptions::default()).await;
    let error = outcome.unwrap_err();
    assert!(
        matches!(&error, BackupError::Write(error) if error.kind() == io::ErrorKind::StorageFull)
    );
    assert!(error.hint().contains("make room"));
}
