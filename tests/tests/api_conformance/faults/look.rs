//! What can be seen of a write's effect, in the same words in every cloud.

use super::{world::World, write::Write};
use clodo_tests::Request;
use serde_json::{Map, Value, json};

/// One answer, or a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    /// A JSON pointer into the result.
    part: &'static str,
    /// The field that is taken of each entry of a list.
    field: &'static str,
    /// Whose name it goes by.
    token: &'static str,
}

impl Look {
    /// A `GET`. Names in braces stand for what the world knows.
    pub(super) const fn get(path: &'static str) -> Self {
        Self { method: "GET", path, body: "", part: "", field: "", token: "token" }
    }

    /// A `POST` that only reads; the body may be the name of one that the world knows.
    pub(super) const fn post(path: &'static str, body: &'static str) -> Self {
        Self { method: "POST", body, ..Self::get(path) }
    }

    /// Only a part of the result.
    pub(super) const fn part(self, pointer: &'static str) -> Self {
        Self { part: pointer, ..self }
    }

    /// Only this of each entry.
    pub(super) const fn each(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// With another token than the world's.
    pub(super) const fn by(self, token: &'static str) -> Self {
        Self { token, ..self }
    }

    async fn seen(self, world: &World) -> Value {
        let url = format!("{}/client/v4{}", world.url(), world.filled(self.path));
        let bearer = format!("authorization: Bearer {}", world.name(self.token));
        let body = world.known(self.body).unwrap_or(self.body).to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            let (method, headers) = (self.method, [bearer.as_str()]);
            Request { method, url: &url, headers: &headers, body: &body }.send().unwrap()
        });
        let answer = answer.await.unwrap();
        if answer.status >= 400 {
            return json!({ "status": answer.status });
        }
        let Ok(value) = serde_json::from_str::<Value>(&answer.body) else {
            return json!({ "text": parts(&answer.body) });
        };
        let result = value.get("result").unwrap_or(&value);
        let part = result.pointer(self.part).cloned().unwrap_or_default();
        let part = match part {
            Value::Array(all) if !self.field.is_empty() => {
                all.into_iter().map(|mut one| one[self.field].take()).collect()
            }
            part => part,
        };
        world.told(part)
    }
}

/// The lines of a text without those that only part it.
fn parts(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("--")).collect()
}

/// Everything that the write's row looks at.
pub(super) async fn observed(world: &World, write: &Write) -> Value {
    let mut seen = Vec::new();
    for look in write.looks {
        seen.push(look.seen(world).await);
    }
    seen.into()
}

/// The same in every cloud: `known` replaces ids that have a name, other ids and times are only
/// told to be some, and the order of entries does not count.
pub(super) fn plain(value: Value, known: &dyn Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => match known(&text) {
            Some(name) => json!(name),
            None if is_id(&text) => json!("<id>"),
            None if is_moment(&text) => json!("<moment>"),
            None => json!(text),
        },
        Value::Array(all) => {
            let mut all: Vec<Value> = all.into_iter().map(|one| plain(one, known)).collect();
            all.sort_by_key(Value::to_string);
            all.into()
        }
        Value::Object(fields) => {
            let volatile = ["meta", "startup_time_ms", "etag", "timestamp_ms"];
            let fields = fields.into_iter().filter(|(key, _)| !volatile.contains(&key.as_str()));
            fields.map(|(key, value)| (key, plain(value, known))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

fn is_id(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let only = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    only && matches!((digits, text.len()), (32, 32 | 36) | (64, 64))
}

fn is_moment(text: &str) -> bool {
    let shape = text.as_bytes();
    shape.len() >= 19 && shape[4] == b'-' && shape[10] == b'T' && text[..4].parse::<u32>().is_ok()
}

#[test]
fn ids_and_moments_are_the_same_in_every_cloud() {
    let known = |text: &str| (text == "abc").then(|| "{first}".to_owned());
    let value = json!([
        { "id": "0123456789abcdef0123456789abcdef", "on": "2026-11-28T22:48:19.123Z", "etag": "x" },
        "b", "abc", "00000000-0000-4000-8000-000000000000", 7,
    ]);
    let told = json!(["<id>", "b", 7, "{first}", { "id": "<id>", "on": "<moment>" }]);
    assert_eq!(plain(value, &known), plain(told, &|_| None));
}
