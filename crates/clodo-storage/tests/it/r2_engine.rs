//! The R2 engine against a map, and what interruptions leave.

use clodo_storage::{
    BucketRef, ByteStream, GetOptions, GetOutcome, ListObjects, ObjectKey, ObjectRange, PartEtag,
    PoolOptions, PutOptions, PutOutcome, R2, R2ErrorKind, body_of,
};
use clodo_types::{ManualClock, Timestamp};
use futures_util::{StreamExt, TryStreamExt, stream};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc};

struct World {
    folder: tempfile::TempDir,
    r2: R2,
    at: BucketRef,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let r2 = engine(&folder);
        let at = BucketRef {
            account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            name: "pictures".parse().unwrap(),
        };
        r2.create(&at).await.unwrap();
        Self { folder, r2, at }
    }

    /// As after a kill: nothing of the process is left but its files.
    async fn restart(&mut self) {
        self.r2.close().await;
        self.r2 = engine(&self.folder);
    }

    async fn put(&self, key: &str, body: ByteStream) -> Result<PutOutcome, R2ErrorKind> {
        let key = key.parse().unwrap();
        let outcome = self.r2.put(&self.at, &key, PutOptions::default(), body).await;
        outcome.map_err(|error| error.kind())
    }

    async fn get(&self, key: &str, range: Option<ObjectRange>) -> Option<Vec<u8>> {
        let options = GetOptions { range, ..GetOptions::default() };
        match self.r2.get(&self.at, &key.parse().unwrap(), options).await.unwrap() {
            GetOutcome::Found(object) => Some(read(object.body).await.unwrap()),
            _ => None,
        }
    }

    fn bucket(&self) -> PathBuf {
        let account = self.folder.path().join(self.at.account.as_str());
        account.join("r2").join(self.at.name.as_str())
    }

    fn files(&self) -> usize {
        fs::read_dir(self.bucket().join("bodies")).map_or(0, Iterator::count)
    }
}

fn engine(folder: &tempfile::TempDir) -> R2 {
    let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000));
    R2::new(folder.path(), Arc::new(clock), PoolOptions::default())
}

async fn read(body: ByteStream) -> io::Result<Vec<u8>> {
    let chunks: Vec<_> = body.try_collect().await?;
    Ok(chunks.concat())
}

fn bytes(size: usize, seed: u8) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8 ^ seed).collect()
}

fn chunked(bytes: &[u8], size: usize) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(size.max(1)).map(|c| Ok(c.to_vec().into())).collect();
    Box::pin(stream::iter(chunks))
}

#[derive(Clone, Debug)]
enum Step {
    Put { key: String, size: usize, seed: u8 },
    Parts { key: String, last: usize, seed: u8 },
    Delete(Vec<String>),
    Range { key: String, offset: u64, length: Option<u64> },
    List { prefix: String, delimiter: bool, limit: usize },
    Restart,
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[ab/]{1,4}", Just("é/\u{10ffff}".to_owned()), Just("a\0/b".to_owned())]
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![0_usize..100, Just(32 * 1024), Just(32 * 1024 + 1), Just(300_000)];
    prop_oneof![
        5 => (key(), size, any::<u8>()).prop_map(|(key, size, seed)| Step::Put { key, size, seed }),
        1 => (key(), 1_usize..1_000, any::<u8>()).prop_map(|(key, last, seed)| Step::Parts { key, last, seed }),
        2 => prop::collection::vec(key(), 1..3).prop_map(Step::Delete),
        4 => (key(), 0_u64..400, prop::option::of(1_u64..400_000))
            .prop_map(|(key, offset, length)| Step::Range { key, offset, length }),
        4 => ("[ab/]{0,2}", any::<bool>(), 1_usize..4)
            .prop_map(|(prefix, delimiter, limit)| Step::List { prefix, delimiter, limit }),
        1 => Just(Step::Restart),
    ]
}

type Model = BTreeMap<String, Vec<u8>>;

async fn play(steps: Vec<Step>) {
    let mut world = World::new().await;
    let mut model = Model::new();
    for step in steps {
        match step {
            Step::Put { key, size, seed } => {
                let body = bytes(size, seed);
                world.put(&key, chunked(&body, 10_000)).await.unwrap();
                model.insert(key, body);
            }
            Step::Parts { key, last, seed } => {
                let body = in_parts(&world, &key, last, seed).await;
                model.insert(key, body);
            }
            Step::Delete(keys) => {
                keys.iter().for_each(|key| drop(model.remove(key)));
                let keys = keys.iter().map(|key| key.parse().unwrap()).collect();
                world.r2.delete(&world.at, keys).await.unwrap();
            }
            Step::Range { key, offset, length } => {
                check_range(&world, &model, &key, offset, length).await
            }
            Step::List { prefix, delimiter, limit } => {
                check_list(&world, &model, &prefix, delimiter, limit).await;
            }
            Step::Restart => world.restart().await,
        }
    }
    for (key, body) in &model {
        assert_eq!(world.get(key, None).await.as_ref(), Some(body), "{key:?}");
    }
}

async fn in_parts(world: &World, key: &str, last: usize, seed: u8) -> Vec<u8> {
    let key: ObjectKey = key.parse().unwrap();
    let upload = world.r2.create_upload(&world.at, &key, PutOptions::default()).await.unwrap();
    let (first, last) = (bytes(5 * 1024 * 1024, seed), bytes(last, !seed));
    let put = |number, body: &[u8]| {
        let (key, upload, body) = (key.clone(), upload.clone(), chunked(body, 1_000_000));
        async move { world.r2.put_part(&world.at, &key, &upload, number, None, body).await.unwrap() }
    };
    let parts = vec![put(7, &last).await, put(2, &first).await];
    world.r2.complete_upload(&world.at, &key, &upload, parts).await.unwrap();
    [first, last].concat()
}

async fn check_range(world: &World, model: &Model, key: &str, offset: u64, length: Option<u64>) {
    let range = ObjectRange::From { offset, length };
    let Some(whole) = model.get(key) else {
        return assert_eq!(world.get(key, None).await, None);
    };
    if offset >= whole.len() as u64 {
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let error = world.r2.get(&world.at, &key.parse().unwrap(), options).await.unwrap_err();
        return assert_eq!(error.kind(), R2ErrorKind::InvalidRange);
    }
    let end = length.map_or(whole.len(), |length| whole.len().min((offset + length) as usize));
    let found = world.get(key, Some(range)).await;
    assert!(found.as_deref() == Some(&whole[offset as usize..end]), "{key:?} {range:?}");
}

async fn check_list(world: &World, model: &Model, prefix: &str, delimiter: bool, limit: usize) {
    let (mut objects, mut prefixes, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let mut options = ListObjects::default();
        options.prefix = prefix.to_owned();
        options.delimiter = delimiter.then(|| "/".to_owned());
        options.limit = Some(limit);
        options.cursor = cursor.take();
        let page = world.r2.list(&world.at, options).await.unwrap();
        assert!(page.objects.len() + page.prefixes.len() <= limit);
        objects.extend(page.objects.into_iter().map(|o| (o.key.as_str().to_owned(), o.size)));
        prefixes.extend(page.prefixes);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let (mut expected, mut folded) = (Vec::new(), Vec::new());
    for (key, body) in model.iter().filter(|(key, _)| key.starts_with(prefix)) {
        match key[prefix.len()..].find('/').filter(|_| delimiter) {
            Some(at) => folded.push(key[..=prefix.len() + at].to_owned()),
            None => expected.push((key.clone(), body.len() as u64)),
        }
    }
    folded.dedup();
    assert_eq!((objects, prefixes), (expected, folded), "{prefix:?} {delimiter}");
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    #[test]
    fn a_bucket_behaves_as_a_map_does(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_the_old_object_and_no_file() {
    let world = World::new().await;
    world.put("k", body_of("old")).await.unwrap();
    let broken = stream::iter([Ok(bytes(200_000, 1).into())])
        .chain(stream::iter([Err(io::Error::from(io::ErrorKind::UnexpectedEof))]));
    assert_eq!(world.put("k", Box::pin(broken)).await, Err(R2ErrorKind::BodyCutOff));
    assert_eq!(world.get("k", None).await.unwrap(), b"old");
    assert_eq!(world.files(), 0);
}

#[tokio::test]
async fn files_are_removed_with_what_they_belonged_to() {
    let world = World::new().await;
    for _ in 0..3 {
        world.put("k", chunked(&bytes(100_000, 1), 7_000)).await.unwrap();
        assert_eq!(world.files(), 1);
    }
    world.put("k", body_of("small")).await.unwrap();
    assert_eq!(world.files(), 0);
    let key: ObjectKey = "m".parse().unwrap();
    let upload = world.r2.create_upload(&world.at, &key, PutOptions::default()).await.unwrap();
    let body = || body_of("part");
    for number in [1, 1, 2] {
        world.r2.put_part(&world.at, &key, &upload, number, None, body()).await.unwrap();
    }
    assert_eq!(world.files(), 2);
    let parts = vec![PartEtag { number: 1, etag: hex::encode(md5(b"part")) }];
    world.r2.complete_upload(&world.at, &key, &upload, parts).await.unwrap();
    assert_eq!(world.files(), 1);
    assert_eq!(world.get("m", None).await.unwrap(), b"part");
    world.r2.delete(&world.at, vec![key]).await.unwrap();
    assert_eq!(world.files(), 0);
}

fn md5(bytes: &[u8]) -> Vec<u8> {
    use md5::Digest;
    md5::Md5::digest(bytes).to_vec()
}

#[tokio::test]
async fn a_reader_gets_the_object_it_asked_for_although_it_is_replaced() {
    let world = World::new().await;
    let old = bytes(2_000_000, 3);
    world.put("k", chunked(&old, 50_000)).await.unwrap();
    let outcome = world.r2.get(&world.at, &"k".parse().unwrap(), GetOptions::default()).await;
    let GetOutcome::Found(object) = outcome.unwrap() else { panic!("the object is there") };
    world.put("k", chunked(&bytes(1_000_000, 4), 50_000)).await.unwrap();
    assert!(read(object.body).await.unwrap() == old);
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_and_what_it_stored_is_kept() {
    let mut world = World::new().await;
    let body = bytes(100_000, 5);
    world.put("k", chunked(&body, 9_000)).await.unwrap();
    let bodies = world.bucket().join("bodies");
    for name in ["0123.partial", "0123456789abcdef0123456789abcdef"] {
        fs::write(bodies.join(name), "half").unwrap();
    }
    world.restart().await;
    world.put("other", body_of("x")).await.unwrap();
    assert_eq!(world.files(), 1);
    assert!(world.get("k", None).await.unwrap() == body);
}

#[tokio::test]
async fn a_damaged_body_is_an_error_that_names_the_file() {
    let world = World::new().await;
    world.put("k", chunked(&bytes(100_000, 5), 9_000)).await.unwrap();
    let entry = fs::read_dir(world.bucket().join("bodies")).unwrap().next().unwrap().unwrap();
    fs::write(entry.path(), "short").unwrap();
    let key: ObjectKey = "k".parse().unwrap();
    let error = world.r2.get(&world.at, &key, GetOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), R2ErrorKind::Storage);
    assert!(error.to_string().contains(entry.file_name().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_bucket_goes_only_when_it_is_empty() {
    let world = World::new().await;
    let kind = |error: clodo_storage::R2Error| error.kind();
    assert_eq!(world.r2.create(&world.at).await.map_err(kind), Err(R2ErrorKind::BucketExists));
    world.put("k", body_of("x")).await.unwrap();
    assert_eq!(world.r2.drop_bucket(&world.at).await.map_err(kind), Err(R2ErrorKind::NotEmpty));
    world.r2.delete(&world.at, vec!["k".parse().unwrap()]).await.unwrap();
    world.r2.drop_bucket(&world.at).await.unwrap();
    assert_eq!(world.r2.drop_bucket(&world.at).await.map_err(kind), Err(R2ErrorKind::NoBucket));
    assert_eq!(world.put("k", body_of("x")).await, Err(R2ErrorKind::NoBucket));
    world.r2.create(&world.at).await.unwrap();
    world.put("k", body_of("x")).await.unwrap();
}
