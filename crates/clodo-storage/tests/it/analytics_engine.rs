use clodo_storage::{Analytics, AnalyticsErrorKind, DataPoint, DatasetRef, PoolOptions};
use clodo_types::{AccountId, ManualClock, Timestamp};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

struct World {
    _folder: tempfile::TempDir,
    analytics: Analytics,
    account: AccountId,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // 2026-11-20T12:00:00Z
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_795_176_000_000)));
        let analytics = Analytics::new(folder.path(), clock.clone(), PoolOptions::default());
        let account = "0123456789abcdef0123456789abcdef".parse().unwrap();
        Self { _folder: folder, analytics, account, clock }
    }

    async fn write(&self, dataset: &str, point: Value) {
        let at = DatasetRef { account: self.account.clone(), name: dataset.parse().unwrap() };
        let point: DataPoint = serde_json::from_value(point).unwrap();
        self.analytics.write(&at, point).await.unwrap();
    }

    async fn ask(&self, question: &str) -> Value {
        let answer = self.analytics.query(&self.account, question).await.unwrap();
        serde_json::from_str(&answer.body()).unwrap()
    }
}

#[tokio::test]
async fn data_points_are_found_by_time_and_grouped() {
    let world = World::new();
    world
        .write("visits", json!({ "indexes": ["u"], "blobs": ["tea", "x"], "doubles": [1.5] }))
        .await;
    world.clock.advance(Duration::from_secs(3600));
    for _ in 0..2 {
        world.write("visits", json!({ "blobs": ["salt"], "doubles": [2.0, 3.0] })).await;
    }
    world.write("other", json!({})).await;
    let answer = world
        .ask(
            "SELECT blob1, SUM(_sample_interval) AS n, SUM(double1) AS total FROM visits \
             WHERE timestamp > NOW() - INTERVAL '1' DAY GROUP BY blob1 ORDER BY n DESC FORMAT JSON",
        )
        .await;
    assert_eq!(
        answer["data"],
        json!([{ "blob1": "salt", "n": "2", "total": 4.0 }, { "blob1": "tea", "n": "1", "total": 1.5 }])
    );
    assert_eq!(answer["rows"], 2);
    assert_eq!(answer["meta"][1], json!({ "name": "n", "type": "UInt64" }));
    let recent = world
        .ask("SELECT count() AS n FROM visits WHERE timestamp > NOW() - INTERVAL '30' MINUTE")
        .await;
    assert_eq!(recent["data"][0]["n"], "2");
    let first = world.ask("SELECT timestamp, index1, blob2, blob20, double2 FROM visits ORDER BY timestamp LIMIT 1").await;
    let expected = json!({ "timestamp": "2026-11-20 12:00:00", "index1": "u", "blob2": "x", "blob20": "", "double2": 0.0 });
    assert_eq!(first["data"][0], expected);
    let slots = world.ask("SELECT toStartOfInterval(timestamp, INTERVAL '1' HOUR) AS slot, count() AS n FROM visits GROUP BY slot ORDER BY slot").await;
    assert_eq!(slots["rows"], 2);
    let since = world
        .ask("SELECT count() AS n FROM visits WHERE timestamp >= toDateTime('2026-11-20 13:00:00')")
        .await;
    assert_eq!(since["data"][0]["n"], "2");
    let tables = world.ask("SHOW TABLES").await;
    assert_eq!(tables["data"], json!([{ "dataset": "other" }, { "dataset": "visits" }]));
}

#[tokio::test]
async fn a_question_reads_datasets_and_does_nothing_else() {
    let world = World::new();
    world.write("visits", json!({ "blobs": ["it's"] })).await;
    for bad in [
        "DELETE FROM point",
        "SELECT 1; DELETE FROM point",
        "SELECT * FROM nothing",
        "SELECT load_extension('x')",
        "SELECT * FROM pragma_table_info('point')",
        "SELECT sql FROM sqlite_master",
        "SELECT intDiv(1, 0)",
        "SELECT toDateTime('never')",
        "WITH x AS (SELECT 1) INSERT INTO point SELECT 1",
        "",
        "SELECT 'open",
    ] {
        let error = world.analytics.query(&world.account, bad).await.unwrap_err();
        assert_eq!(error.kind(), AnalyticsErrorKind::Invalid, "{bad}");
    }
    let kept = world.ask("SELECT blob1 FROM visits WHERE blob1 = 'it''s'").await;
    assert_eq!(kept["rows"], 1);
    let many = DataPoint::default();
    let at = DatasetRef { account: world.account.clone(), name: "d".parse().unwrap() };
    let point: DataPoint = serde_json::from_value(json!({ "doubles": vec![0; 21] })).unwrap();
    assert_eq!(
        world.analytics.write(&at, point).await.unwrap_err().kind(),
        AnalyticsErrorKind::Invalid
    );
    world.analytics.write(&at, many).await.unwrap();
    world.analytics.close().await;
}
