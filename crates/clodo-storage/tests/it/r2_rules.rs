//! What a bucket does by its settings: lifecycle, locks, notifications; and customers' keys.

use clodo_storage::{
    BucketRef, BucketSettings, Data, GetOptions, GetOutcome, ListObjects, ObjectKey, PartEtag,
    PutOptions, PutOutcome, QueueRef, R2Error, R2ErrorKind, SsecKey, body_of,
};
use clodo_types::{Clock, ManualClock, Timestamp};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 3600);

struct World {
    _folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    data: Data,
    at: BucketRef,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // 2026-11-20T00:00:00Z
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_795_132_800_000)));
        let data = Data::at(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>);
        let at = BucketRef {
            account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            name: "pictures".parse().unwrap(),
        };
        data.r2.create(&at).await.unwrap();
        Self { _folder: folder, clock, data, at }
    }

    async fn rules(&self, rules: Value) {
        let settings: BucketSettings = serde_json::from_value(rules).unwrap();
        self.data.r2.change_settings(&self.at, move |now| *now = settings).await.unwrap();
    }

    async fn put(&self, key: &str) -> Result<(), R2ErrorKind> {
        let key = key.parse().unwrap();
        let put = self.data.r2.put(&self.at, &key, PutOptions::default(), body_of("body")).await;
        put.map(drop).map_err(|error| error.kind())
    }

    async fn delete(&self, keys: &[&str]) -> Result<(), R2ErrorKind> {
        let keys = keys.iter().map(|key| key.parse().unwrap()).collect();
        self.data.r2.delete(&self.at, keys).await.map_err(|error| error.kind())
    }

    async fn keys(&self) -> Vec<String> {
        let page = self.data.r2.list(&self.at, ListObjects::default()).await.unwrap();
        page.objects.iter().map(|object| object.key.to_string()).collect()
    }
}

// conformance: r2 | lifecycle rules delete objects, abort uploads and change storage classes by the clock | documented
#[tokio::test]
async fn a_lifecycle_acts_by_the_clock() {
    let world = World::new().await;
    world
        .rules(json!({ "lifecycle": [
            { "id": "logs", "enabled": true, "conditions": { "prefix": "logs/" },
              "deleteObjectsTransition": { "condition": { "type": "Age", "maxAge": 86_400 } },
              "abortMultipartUploadsTransition": { "condition": { "type": "Age", "maxAge": 86_400 } } },
            { "id": "cold", "enabled": true, "conditions": { "prefix": "cold/" }, "storageClassTransitions": [
                { "condition": { "type": "Date", "date": "2026-11-22" }, "storageClass": "InfrequentAccess" }] },
            { "id": "off", "enabled": false, "conditions": { "prefix": "" },
              "deleteObjectsTransition": { "condition": { "type": "Age", "maxAge": 1 } } },
        ] }))
        .await;
    for key in ["logs/a", "logs", "cold/a", "keep"] {
        world.put(key).await.unwrap();
    }
    let key: ObjectKey = "logs/parts".parse().unwrap();
    let upload = world.data.r2.create_upload(&world.at, &key, PutOptions::default()).await.unwrap();
    let part = |body| world.data.r2.put_part(&world.at, &key, &upload, 1, None, body);
    part(body_of("part")).await.unwrap();
    world.clock.advance(DAY - Duration::from_secs(61));
    assert_eq!(world.keys().await, ["cold/a", "keep", "logs", "logs/a"]);
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.keys().await, ["cold/a", "keep", "logs"]);
    let gone: R2Error = part(body_of("part")).await.unwrap_err();
    assert_eq!(gone.kind(), R2ErrorKind::NoUpload);
    let class = || async {
        let found = world.data.r2.head(&world.at, &"cold/a".parse().unwrap()).await.unwrap();
        found.unwrap().storage_class
    };
    assert_eq!(class().await, "Standard");
    world.clock.advance(DAY);
    assert_eq!(class().await, "InfrequentAccess");
    let totals = world.data.r2.totals(&world.at).await.unwrap();
    let seen: Vec<_> =
        totals.iter().map(|t| (t.storage_class.as_str(), t.objects, t.payload)).collect();
    assert_eq!(seen, [("InfrequentAccess", 1, 4), ("Standard", 2, 8)]);
}

// conformance: r2 | bucket locks forbid to overwrite and to delete | documented
#[tokio::test]
async fn a_locked_object_can_neither_be_overwritten_nor_deleted() {
    let world = World::new().await;
    world
        .rules(json!({
            "locks": [
                { "id": "a", "enabled": true, "prefix": "week/",
                  "condition": { "type": "Age", "maxAgeSeconds": 604_800 } },
                { "id": "b", "enabled": true, "prefix": "date/",
                  "condition": { "type": "Date", "date": "2026-11-22" } },
                { "id": "c", "enabled": true, "prefix": "ever/", "condition": { "type": "Indefinite" } },
                { "id": "d", "enabled": false, "condition": { "type": "Indefinite" } },
            ],
            "lifecycle": [{ "id": "all", "enabled": true, "conditions": {},
                "deleteObjectsTransition": { "condition": { "type": "Age", "maxAge": 86_400 } } }],
        }))
        .await;
    for key in ["week/a", "date/a", "ever/a", "free"] {
        world.put(key).await.unwrap();
    }
    for key in ["week/a", "date/a", "ever/a"] {
        assert_eq!(world.put(key).await, Err(R2ErrorKind::Locked), "{key}");
        assert_eq!(world.delete(&["free", key]).await, Err(R2ErrorKind::Locked), "{key}");
    }
    assert_eq!(world.keys().await.len(), 4, "a refused delete deletes nothing");
    world.clock.advance(DAY * 2);
    assert_eq!(world.keys().await, ["ever/a", "week/a"]);
    world.clock.advance(DAY * 5);
    assert_eq!(world.keys().await, ["ever/a"]);
    world.data.close().await;
    assert_eq!(world.delete(&["ever/a"]).await, Err(R2ErrorKind::Locked));
    world.rules(json!({})).await;
    world.delete(&["ever/a"]).await.unwrap();
}

// conformance: r2 | event notifications reach their queue | documented
#[tokio::test]
async fn a_queue_hears_what_happens_to_objects() {
    let world = World::new().await;
    let queue = QueueRef {
        account: world.at.account.clone(),
        id: "00112233445566778899aabbccddeeff".parse().unwrap(),
    };
    world.data.queues.create(&queue).await.unwrap();
    let all = ["PutObject", "CompleteMultipartUpload", "DeleteObject", "LifecycleDeletion"];
    world
        .rules(json!({
            "notifications": [
                { "queueId": queue.id, "rules": [{ "prefix": "in/", "suffix": ".png", "actions": all }] },
                { "queueId": "ffffffffffffffffffffffffffffffff", "rules": [{ "actions": all }] },
            ],
            "lifecycle": [{ "id": "all", "enabled": true, "conditions": {},
                "deleteObjectsTransition": { "condition": { "type": "Age", "maxAge": 86_400 } } }],
        }))
        .await;
    for key in ["in/a.png", "in/a.txt", "out/a.png", "in/b.png"] {
        world.put(key).await.unwrap();
    }
    world.delete(&["in/a.png", "in/none.png"]).await.unwrap();
    world.clock.advance(DAY);
    assert!(world.keys().await.is_empty());
    let messages = world.data.queues.peek(&queue, 10).await.unwrap();
    let seen: Vec<Value> =
        messages.iter().map(|message| serde_json::from_slice(&message.body).unwrap()).collect();
    let told: Vec<_> =
        seen.iter().map(|m| (m["action"].clone(), m["object"]["key"].clone())).collect();
    assert_eq!(
        told,
        [
            (json!("PutObject"), json!("in/a.png")),
            (json!("PutObject"), json!("in/b.png")),
            (json!("DeleteObject"), json!("in/a.png")),
            (json!("LifecycleDeletion"), json!("in/b.png")),
        ]
    );
    let expected = json!({
        "account": world.at.account, "action": "PutObject", "bucket": "pictures",
        "object": { "key": "in/a.png", "size": 4, "eTag": "841a2d689ad86bd1611447453c22c6fc" },
        "eventTime": "2026-11-20T00:00:00.000Z",
    });
    assert_eq!(seen[0], expected);
}

// conformance: r2 | SSE-C: an object that was stored with a key is read only with it | documented
#[tokio::test]
async fn what_was_stored_with_a_key_is_read_only_with_it() {
    let world = World::new().await;
    let (good, other): (SsecKey, SsecKey) =
        ("11".repeat(32).parse().unwrap(), "22".repeat(32).parse().unwrap());
    for bad in ["", "11", &"zz".repeat(32), &"11".repeat(33)] {
        assert_eq!(bad.parse::<SsecKey>().unwrap_err().kind(), R2ErrorKind::BadSsecKey);
    }
    let r2 = &world.data.r2;
    let (one, parts): (ObjectKey, ObjectKey) = ("one".parse().unwrap(), "parts".parse().unwrap());
    let options = PutOptions { ssec: Some(good.clone()), ..PutOptions::default() };
    let put = r2.put(&world.at, &one, options.clone(), body_of("secret")).await.unwrap();
    let PutOutcome::Stored(meta) = put else { panic!("it was not stored") };
    assert_eq!(meta.ssec_key_md5.as_deref(), Some(good.md5()));
    let upload = r2.create_upload(&world.at, &parts, options).await.unwrap();
    let part = |key| r2.put_part(&world.at, &parts, &upload, 1, key, body_of("part"));
    assert_eq!(part(None).await.unwrap_err().kind(), R2ErrorKind::NeedsSsecKey);
    assert_eq!(part(Some(other.clone())).await.unwrap_err().kind(), R2ErrorKind::BadSsecKey);
    let PartEtag { number, etag } = part(Some(good.clone())).await.unwrap();
    let named = vec![PartEtag { number, etag }];
    r2.complete_upload(&world.at, &parts, &upload, named).await.unwrap();
    for key in [&one, &parts] {
        let get = |ssec| r2.get(&world.at, key, GetOptions { ssec, ..GetOptions::default() });
        assert_eq!(get(None).await.unwrap_err().kind(), R2ErrorKind::NeedsSsecKey);
        assert_eq!(get(Some(other.clone())).await.unwrap_err().kind(), R2ErrorKind::BadSsecKey);
        assert!(matches!(get(Some(good.clone())).await, Ok(GetOutcome::Found(_))));
        assert!(r2.head(&world.at, key).await.unwrap().is_some());
    }
    assert!(!format!("{good:?}").contains("11"));
}
