use crate::support::{TOKEN, account, client, client_of, json, ok, worker};
use bytes::Bytes;
use clodo_cf_api::assets::{AssetsError, Manifest, ManifestEntry};
use clodo_http::Scripted;
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

const HASHES: [&str; 3] = [
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "cccccccccccccccccccccccccccccccc",
];

fn manifest() -> Manifest {
    let entry = |hash: &str| ManifestEntry { hash: hash.to_owned(), size: 5 };
    ["/a.html", "/b.css", "/c.bin"]
        .into_iter()
        .zip(HASHES)
        .map(|(path, hash)| (path.to_owned(), entry(hash)))
        .collect()
}

async fn content(path: String) -> Result<(Bytes, Option<String>), Infallible> {
    let content_type = path.ends_with(".html").then(|| "text/html".to_owned());
    Ok((Bytes::from(path), content_type))
}

#[tokio::test]
async fn only_what_lacks_is_read_and_sent() {
    let [a, _, c] = HASHES;
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = sent.clone();
    let wire = Arc::new(Scripted::answering(move |asked| {
        if asked.uri().path().ends_with("/assets-upload-session") {
            return ok(&format!(r#"{{"jwt":"session-jwt","buckets":[["{a}"],[],["{c}"]]}}"#));
        }
        let mut sent = seen.lock().unwrap();
        sent.push(asked.clone());
        if sent.len() < 2 {
            json(202, r#"{"success":true,"result":{}}"#)
        } else {
            json(201, r#"{"success":true,"result":{"jwt":"completion-jwt"}}"#)
        }
    }));
    let read = Arc::new(Mutex::new(Vec::new()));
    let reader = read.clone();
    let token = client_of(&wire)
        .upload_assets(&account(), &worker(), &manifest(), |path| {
            reader.lock().unwrap().push(path.to_owned());
            content(path.to_owned())
        })
        .await
        .unwrap();
    assert_eq!(token.expose(), "completion-jwt");
    let mut read = read.lock().unwrap().clone();
    read.sort();
    assert_eq!(read, ["/a.html", "/c.bin"]);
    for asked in sent.lock().unwrap().iter() {
        assert_eq!(asked.headers()["authorization"], "Bearer session-jwt");
        assert_eq!(asked.uri().query(), Some("base64=true"));
        let body = String::from_utf8(asked.body().to_vec()).unwrap();
        assert!(!body.contains(TOKEN));
        let (hash, content_type, base64) = if body.contains(a) {
            (a, "text/html", "L2EuaHRtbA==")
        } else {
            (c, "application/null", "L2MuYmlu")
        };
        assert!(body.contains(&format!("name=\"{hash}\"; filename=\"{hash}\"")), "{body}");
        assert!(body.contains(&format!("Content-Type: {content_type}\r\n\r\n{base64}")), "{body}");
    }
}

#[tokio::test]
async fn when_nothing_lacks_the_session_s_token_is_the_answer() {
    for buckets in ["[]", "null", "[[]]"] {
        let (client, wire) = client([ok(&format!(r#"{{"jwt":"done","buckets":{buckets}}}"#))]);
        let token = client
            .upload_assets(&account(), &worker(), &manifest(), |path| content(path.to_owned()))
            .await
            .unwrap();
        assert_eq!(token.expose(), "done");
        let manifest =
            r#"{"manifest":{"/a.html":{"hash":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":5}"#;
        assert!(wire.asked()[0].body().starts_with(manifest.as_bytes()));
    }
}

#[tokio::test]
async fn an_upload_that_goes_wrong_says_how() {
    let (strange, _) = client([ok(r#"{"jwt":"s","buckets":[["dddd"]]}"#)]);
    let error = strange
        .upload_assets(&account(), &worker(), &manifest(), |path| content(path.to_owned()))
        .await
        .unwrap_err();
    assert!(matches!(error, AssetsError::Unknown(hash) if hash == "dddd"));

    let session = || ok(&format!(r#"{{"jwt":"s","buckets":[["{}"]]}}"#, HASHES[0]));
    let (unconfirmed, _) = client([session(), ok("{}")]);
    let error = unconfirmed
        .upload_assets(&account(), &worker(), &manifest(), |path| content(path.to_owned()))
        .await
        .unwrap_err();
    assert!(matches!(error, AssetsError::Unconfirmed));

    let (unreadable, wire) = client([session()]);
    let error = unreadable
        .upload_assets(&account(), &worker(), &manifest(), |_| async {
            Err::<(Bytes, Option<String>), _>("gone")
        })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "could not read the asset /a.html");
    assert_eq!(wire.asked().len(), 1);
}
