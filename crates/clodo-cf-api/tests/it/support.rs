use bytes::Bytes;
use clodo_cf_api::{Client, ClientOptions, Endpoint, ListEndpoint, Repeat};
use clodo_http::{Answer, Effect, Scripted};
use clodo_types::{AccountId, Secret, WorkerName};
use http::StatusCode;
use std::sync::Arc;

pub(crate) const TOKEN: &str = "token-that-no-text-may-show";
pub(crate) const ID: &str = "018f3c5e-0000-7000-8000-000000000000";
pub(crate) const HEX: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const BASE: &str = "http://127.0.0.1:8787/client/v4";

pub(crate) fn account() -> AccountId {
    HEX.parse().unwrap()
}

pub(crate) fn worker() -> WorkerName {
    "web".parse().unwrap()
}

pub(crate) fn client_of(wire: &Arc<Scripted>) -> Client {
    Client::new(wire.clone(), ClientOptions::new(BASE, Secret::new(TOKEN))).unwrap()
}

pub(crate) fn client(answers: impl IntoIterator<Item = Answer>) -> (Client, Arc<Scripted>) {
    let wire = Arc::new(Scripted::new(answers));
    (client_of(&wire), wire)
}

pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap()
}

pub(crate) fn json(code: u16, body: impl Into<Bytes>) -> Answer {
    Answer::json(status(code), body)
}

pub(crate) fn ok(result: &str) -> Answer {
    json(200, format!(r#"{{"success":true,"errors":[],"messages":[],"result":{result}}}"#))
}

pub(crate) fn refused(code: u16, api_code: u64) -> Answer {
    let error = format!(r#"{{"code":{api_code},"message":"no"}}"#);
    json(code, format!(r#"{{"success":false,"errors":[{error}],"messages":null,"result":null}}"#))
}

/// An endpoint's method and path, with ids replaced by `H` and `U`, and whether it may be repeated.
#[track_caller]
pub(crate) fn call<A>(endpoint: Endpoint<A>, want: &str, repeat: Repeat) {
    let got = format!("{} {}", endpoint.method(), endpoint.path());
    assert_eq!(got.replace(HEX, "H").replace(ID, "U"), want);
    assert_eq!(endpoint.repeat(), repeat, "{want}");
    let reads = want.starts_with("GET") || want.ends_with("changeset");
    assert_eq!(endpoint.effect() == Effect::Read, reads, "{want}");
}

/// A list's path, with ids replaced by `H`.
#[track_caller]
pub(crate) fn list<T: serde::de::DeserializeOwned>(list: ListEndpoint<T>, want: &str) {
    assert_eq!(list.path().replace(HEX, "H"), want);
}
