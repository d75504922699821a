use super::*;
use clodo_types::{ManualClock, Secret, Timestamp};
use clodo_workerd::Handlers;
use std::collections::BTreeMap;
use worker::{Content, Deployment, Module, NewVersion, Worker};

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_763_640_000_000)))
}

fn seed() -> Seed {
    serde_json::from_value(serde_json::json!({
        "accounts": [{ "name": "main", "zones": ["acme.test"] }, { "name": "second" }],
        "tokens": [{ "token": "t0ken", "accounts": ["main"] }],
    }))
    .unwrap()
}

async fn add_worker(state: &State, account: &str, body: &str) {
    let blob = state.blobs().put(vec![body.to_owned().into()]).await.unwrap().remove(0);
    let account = account.to_owned();
    let done: Result<(), StateError> = state
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account).unwrap();
            let mut worker = Worker::new("shop", "tag".into(), now);
            worker.add_version(NewVersion {
                id: "v1".into(),
                now,
                source: "api".into(),
                etag: "e".into(),
                annotations: BTreeMap::new(),
                content: Content {
                    main_module: Some("index.js".into()),
                    modules: vec![Module {
                        name: "index.js".into(),
                        content_type: "application/javascript+module".into(),
                        blob,
                        size: 1,
                    }],
                    ..Content::default()
                },
                handlers: Handlers::default(),
            });
            worker.deploy(Deployment {
                id: "d1".into(),
                source: "api".into(),
                created_on: now,
                annotations: BTreeMap::new(),
                versions: vec![("v1".into(), 100.0)],
            });
            account.workers.insert("shop".into(), Arc::new(worker));
            Ok(())
        })
        .await;
    done.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path().join("s"), clock()).await.unwrap();
    state.seed(seed()).await.unwrap();
    let id = ids::derived(&["account", "main"]);
    add_worker(&state, &id, "export default {}").await;
    let generation = state.generation(&id);
    assert_eq!(generation.versions[0].modules[0].body, "export default {}");
    let signing_key = state.snapshot().cloud.meta.signing_key.clone();
    drop(state);

    let state = loop {
        // The old database thread lets go of nothing that matters here, but the lock file closes
        // with the last clone, which a finishing write may still hold.
        match State::open(folder.path().join("s"), clock()).await {
            Err(error) if error.kind() == StateErrorKind::InUse => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    let generation = state.generation(&id);
    assert_eq!(generation.live["shop"], [("v1".to_owned(), 100.0)]);
    assert_eq!(generation.versions[0].modules[0].body, "export default {}");
    assert_eq!(state.snapshot().cloud.meta.signing_key, signing_key);
    assert_eq!(state.snapshot().cloud.zones.len(), 1);
}

#[tokio::test]
async fn seeding_twice_changes_nothing_and_a_contradiction_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path(), clock()).await.unwrap();
    state.seed(seed()).await.unwrap();
    let before = state.snapshot();
    state.seed(seed()).await.unwrap();
    assert!(Arc::ptr_eq(&before, &state.snapshot()));
    let second = Seed {
        accounts: vec![SeedAccount {
            name: "second".parse().unwrap(),
            id: None,
            zones: vec!["acme.test".parse().unwrap()],
        }],
        tokens: vec![SeedToken::new(Secret::new("x"))],
    };
    let error = state.seed(second).await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Seed);
    assert!(Arc::ptr_eq(&before, &state.snapshot()));
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _first = State::open(folder.path(), clock()).await.unwrap();
    let error = State::open(folder.path(), clock()).await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::InUse);
}

#[tokio::test]
async fn a_write_after_the_folder_vanished_is_an_error_and_not_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path().join("s"), clock()).await.unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let error = state.seed(seed()).await.unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Gone);
    assert!(error.to_string().contains("was deleted"), "{error}");
    assert!(state.snapshot().cloud.accounts.is_empty());
}

#[tokio::test]
async fn a_token_is_never_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path(), clock()).await.unwrap();
    state.seed(seed()).await.unwrap();
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(5).any(|window| window == b"t0ken"), "{}", path.display());
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_somebody_planted_leads_nothing_elsewhere() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "precious").unwrap();
    for name in ["state.lock", "state.sqlite", "requests.jsonl", "cloud.log", "blobs"] {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join(name)).unwrap();
        let clock = Arc::new(ManualClock::default());
        let error = State::open(folder.path(), clock).await.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(crate::detach_command(Path::new("x"), ["y"], folder.path()).is_err());
    }
    assert_eq!(fs::read_to_string(outside.path()).unwrap(), "precious");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_gets_into_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let _open = State::open(&state, Arc::new(ManualClock::default())).await.unwrap();
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
}
