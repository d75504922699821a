use crate::support::{ID, TOKEN, account, client, json, ok, refused};
use clodo_cf_api::{
    assets::{Manifest, ManifestEntry},
    d1::{ExportOptions, ImportFile, TransferError, TransferProgress},
};
use clodo_http::{Answer, TransportKind};
use http::HeaderValue;
use std::{convert::Infallible, sync::Mutex};

const MD5_OF_SQL: &str = "52fdfb97a1cd00a2d8fe6f4e8c0f1c3b";

fn active() -> Answer {
    let body = r#"{"success":true,"type":"import","at_bookmark":"b1","messages":["working"],"status":"active"}"#;
    json(202, format!(r#"{{"success":true,"errors":[],"result":{body}}}"#))
}

fn complete() -> Answer {
    ok(r#"{"status":"complete","at_bookmark":"b2","messages":null,
        "result":{"num_queries":3,"final_bookmark":"b2","meta":{"changes":2}}}"#)
}

fn announced() -> Answer {
    ok(r#"{"filename":"f.sql","upload_url":"https://upload.test/f?signature=s"}"#)
}

fn stored(etag: &str) -> Answer {
    json(200, "").with_header("etag", HeaderValue::try_from(format!("\"{etag}\"")).unwrap())
}

fn file() -> ImportFile {
    ImportFile::from_body(MD5_OF_SQL, "select 1;".into())
}

#[tokio::test(start_paused = true)]
async fn an_import_is_announced_sent_run_and_waited_for() {
    let (client, wire) = client([announced(), stored(MD5_OF_SQL), active(), active(), complete()]);
    let seen = Mutex::new(Vec::new());
    let note = |progress| seen.lock().unwrap().push(progress);
    let done = client.import_database(&account(), &ID.parse().unwrap(), file(), &note).await;
    let done = done.unwrap();
    assert_eq!((done.num_queries, done.meta.changes), (Some(3), Some(2)));
    let bodies: Vec<_> = wire.asked().iter().map(|asked| asked.body().clone()).collect();
    assert_eq!(bodies[0], format!(r#"{{"action":"init","etag":"{MD5_OF_SQL}"}}"#));
    assert_eq!(bodies[1], "select 1;");
    assert_eq!(
        bodies[2],
        format!(r#"{{"action":"ingest","filename":"f.sql","etag":"{MD5_OF_SQL}"}}"#)
    );
    assert_eq!(bodies[4], r#"{"action":"poll","current_bookmark":"b1"}"#);
    assert!(!wire.asked()[1].headers().contains_key("authorization"));
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen[0], TransferProgress::Uploading);
    assert_eq!(seen[1], TransferProgress::Working(vec!["working".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_run_is_looked_up_not_repeated() {
    let lost = Answer::fail(TransportKind::Reset);
    let (client, wire) = client([announced(), stored(MD5_OF_SQL), lost, active(), complete()]);
    client.import_database(&account(), &ID.parse().unwrap(), file(), &|_| ()).await.unwrap();
    let runs = wire.asked().iter().filter(|a| a.body().windows(6).any(|w| w == b"ingest")).count();
    assert_eq!(runs, 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_known_is_not_sent_again() {
    let (client, wire) = client([active(), complete()]);
    client.import_database(&account(), &ID.parse().unwrap(), file(), &|_| ()).await.unwrap();
    assert_eq!(wire.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_import_that_goes_wrong_says_how() {
    let import = async |answers: Vec<Answer>| {
        let (client, _) = client(answers);
        client.import_database(&account(), &ID.parse().unwrap(), file(), &|_| ()).await.unwrap_err()
    };
    let damaged = import(vec![announced(), stored("ffff")]).await;
    assert!(matches!(damaged, TransferError::Damaged { arrived, .. } if arrived == "ffff"));
    let failed = ok(r#"{"status":"error","error":"no such table: t"}"#);
    let refusal = import(vec![announced(), stored(MD5_OF_SQL), failed]).await;
    assert_eq!(refusal.to_string(), "the database refused the transfer: no such table: t");
    assert!(matches!(import(vec![ok("{}")]).await, TransferError::Incomplete(_)));
    let endless = ok(r#"{"status":"active"}"#);
    assert!(matches!(
        import(vec![announced(), stored(MD5_OF_SQL), endless]).await,
        TransferError::Incomplete("its bookmark")
    ));
    assert!(matches!(import(vec![refused(404, 7404)]).await, TransferError::Api(_)));
}

#[tokio::test(start_paused = true)]
async fn an_export_is_asked_for_until_its_file_is_there() {
    let ready = ok(
        r#"{"status":"complete","result":{"filename":"f","signed_url":"https://d.test/f?s=1"}}"#,
    );
    let (client, wire) = client([active(), ready, json(200, "CREATE TABLE t;")]);
    let options = ExportOptions { tables: vec!["t".to_owned()], ..ExportOptions::default() };
    let database = ID.parse().unwrap();
    let file = client.export_database(&account(), &database, &options, &|_| ()).await.unwrap();
    assert_eq!(file.body.collect(99).await.unwrap(), "CREATE TABLE t;");
    let asked = wire.asked();
    assert!(!String::from_utf8_lossy(asked[0].body()).contains("current_bookmark"));
    assert!(String::from_utf8_lossy(asked[1].body()).contains(r#""current_bookmark":"b1""#));
    assert!(!asked[2].headers().contains_key("authorization"));
}

#[tokio::test]
async fn a_session_that_wants_files_one_by_one_gets_them_so() {
    // {"wrangler_single_asset_uploads":true,"edge_kv_upload_concurrency":2}
    let jwt = "h.eyJ3cmFuZ2xlcl9zaW5nbGVfYXNzZXRfdXBsb2FkcyI6dHJ1ZSwiZWRnZV9rdl91cGxvYWRfY29uY3VycmVuY3kiOjJ9.s";
    let session = format!(r#"{{"jwt":"{jwt}","buckets":[["aa","bb"]]}}"#);
    let (client, wire) = client([ok(&session), ok("{}"), ok(r#"{"jwt":"done"}"#)]);
    let entry = |hash: &str| ManifestEntry { hash: hash.to_owned(), size: 1 };
    let manifest: Manifest =
        [("/a.css".to_owned(), entry("aa")), ("/b.css".to_owned(), entry("bb"))].into();
    let read = |path: &str| {
        let path = path.to_owned();
        async { Ok::<_, Infallible>((path.into(), Some("text/css".to_owned()))) }
    };
    let worker = "web".parse().unwrap();
    let token = client.upload_assets(&account(), &worker, &manifest, read).await.unwrap();
    assert_eq!(token.expose(), "done");
    let asked = wire.asked();
    assert!(asked[1].uri().path().ends_with("/workers/assets/upload/aa"));
    assert_eq!(
        (asked[1].body().as_ref(), &asked[1].headers()["content-type"]),
        (&b"/a.css"[..], &HeaderValue::from_static("text/css"))
    );
    assert_eq!(asked[1].headers()["authorization"], format!("Bearer {jwt}"));
    assert!(!format!("{asked:?}").contains(&format!("Bearer {TOKEN}\", \"user-agent\": \"x")));
}
