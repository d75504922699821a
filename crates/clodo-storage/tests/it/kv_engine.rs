//! The KV engine against a map, and what a kill leaves.

use clodo_storage::{
    Expiry, Kv, KvErrorKind, KvKey, KvListOptions, KvPut, NamespaceRef, PoolOptions,
};
use clodo_types::{Clock, ManualClock, Timestamp};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

fn namespace() -> NamespaceRef {
    NamespaceRef {
        account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        id: "0123456789abcdef0123456789abcdea".parse().unwrap(),
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000)))
}

#[derive(Clone, Debug)]
enum Step {
    Put { key: String, value: Vec<u8>, metadata: Option<String>, life: Option<u64> },
    Delete(Vec<String>),
    Get(String),
    List { prefix: String, limit: usize },
    Wait(u64),
    Reopen,
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab/%]{1,3}",
        prop::sample::select(vec!["\0", "a\0", "\u{10ffff}", "é", "...", "a..", " "])
            .prop_map(str::to_owned),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (key(), prop::collection::vec(any::<u8>(), 0..40), prop::option::of(Just("{\"m\":1}".to_owned())),
            prop::option::of(60_u64..200))
            .prop_map(|(key, value, metadata, life)| Step::Put { key, value, metadata, life }),
        2 => prop::collection::vec(key(), 1..4).prop_map(Step::Delete),
        3 => key().prop_map(Step::Get),
        3 => ("[ab/\u{10ffff}]{0,2}", 1_usize..5).prop_map(|(prefix, limit)| Step::List { prefix, limit }),
        1 => (1_u64..120).prop_map(Step::Wait),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<String, (Vec<u8>, Option<String>, Option<i64>)>;

async fn play(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let kv = Kv::new(folder.path(), clock.clone(), PoolOptions::default());
    let at = namespace();
    kv.create(&at).await.unwrap();
    let mut model = Model::new();
    for step in steps {
        let now = clock.now().as_millis() / 1_000;
        model.retain(|_, (_, _, end)| end.is_none_or(|end| end > now));
        match step {
            Step::Put { key, value, metadata, life } => {
                let mut put = KvPut::new(value.clone());
                put.metadata.clone_from(&metadata);
                put.expiry = life.map(|life| Expiry::After(Duration::from_secs(life)));
                kv.put(&at, key.parse().unwrap(), put).await.unwrap();
                model.insert(key, (value, metadata, life.map(|life| now + life as i64)));
            }
            Step::Delete(keys) => {
                keys.iter().for_each(|key| drop(model.remove(key)));
                let keys = keys.iter().map(|key| key.parse().unwrap()).collect();
                kv.delete(&at, keys).await.unwrap();
            }
            Step::Get(key) => {
                let found = kv.get(&at, &key.parse().unwrap()).await.unwrap();
                let found = found.map(|e| (e.value.to_vec(), e.metadata, e.expiration));
                assert_eq!(found.as_ref(), model.get(&key), "{key:?}");
            }
            Step::List { prefix, limit } => check_list(&kv, &at, &model, &prefix, limit).await,
            Step::Wait(seconds) => clock.advance(Duration::from_secs(seconds)),
            Step::Reopen => kv.close().await,
        }
    }
}

async fn check_list(kv: &Kv, at: &NamespaceRef, model: &Model, prefix: &str, limit: usize) {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let mut options = KvListOptions::default();
        options.prefix = prefix.to_owned();
        options.limit = Some(limit);
        options.cursor = cursor.take();
        let page = kv.list(at, options).await.unwrap();
        assert!(page.keys.len() <= limit);
        found.extend(page.keys.into_iter().map(|key| (key.name, key.metadata, key.expiration)));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> = model
        .iter()
        .filter(|(key, _)| key.starts_with(prefix))
        .map(|(key, (_, metadata, end))| (key.clone(), metadata.clone(), *end))
        .collect();
    assert_eq!(found, expected, "{prefix:?}");
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn a_namespace_behaves_as_a_map_does(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

#[tokio::test]
async fn limits_are_checked_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let kv = Kv::new(folder.path(), clock(), PoolOptions::default());
    let at = namespace();
    let good: KvKey = "k".parse().unwrap();
    let missing = kv.put(&at, good.clone(), KvPut::new("x")).await.unwrap_err();
    assert_eq!(missing.kind(), KvErrorKind::NotFound);
    kv.create(&at).await.unwrap();
    assert_eq!(kv.create(&at).await.unwrap_err().kind(), KvErrorKind::Exists);
    for (put, kind) in [
        (KvPut::new(vec![0; 25 * 1024 * 1024 + 1]), KvErrorKind::TooLarge),
        (KvPut::new("x").with_metadata("x".repeat(1_025)), KvErrorKind::TooLarge),
        (KvPut::new("x").with_expiry(Expiry::At(1)), KvErrorKind::Invalid),
        (KvPut::new("x").with_expiry(Expiry::After(Duration::from_secs(59))), KvErrorKind::Invalid),
    ] {
        let pairs = vec![("other".parse().unwrap(), KvPut::new("y")), (good.clone(), put)];
        assert_eq!(kv.put_many(&at, pairs).await.unwrap_err().kind(), kind);
    }
    assert!(kv.list(&at, KvListOptions::default()).await.unwrap().keys.is_empty());
    for bad in ["", ".", ".."] {
        assert_eq!(bad.parse::<KvKey>().unwrap_err().kind(), KvErrorKind::Invalid, "{bad}");
    }
    assert!("é".repeat(256).parse::<KvKey>().is_ok());
    assert!("é".repeat(257).parse::<KvKey>().is_err());
    let mut options = KvListOptions::default();
    options.cursor = Some("no cursor!".into());
    assert_eq!(kv.list(&at, options).await.unwrap_err().kind(), KvErrorKind::Invalid);
    assert!(kv.drop_namespace(&at).await.unwrap());
    assert!(!kv.drop_namespace(&at).await.unwrap());
}

#[tokio::test]
async fn a_damaged_namespace_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let kv = Kv::new(folder.path(), clock(), PoolOptions::default());
    let at = namespace();
    kv.create(&at).await.unwrap();
    let file = folder.path().join(at.account.as_str()).join("kv").join(format!("{}.sqlite", at.id));
    std::fs::write(&file, "not a database".repeat(500)).unwrap();
    let error = kv.get(&at, &"k".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), KvErrorKind::Storage);
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
}
