//! JSON that a client spread over form fields: `metadata[bindings][][type]`, as Cloudflare's own
//! npm and Python SDKs send it.

use serde_json::{Map, Value};

/// Deeper than anything that a Worker's metadata has.
const MAX_DEPTH: usize = 12;
/// Fields whose values are no texts, which a form cannot tell.
const NOT_TEXT: [&str; 12] = [
    "cpu_ms",
    "enabled",
    "head_sampling_rate",
    "invocation_logs",
    "keep_assets",
    "limit",
    "logpush",
    "percentage",
    "period",
    "persist",
    "run_worker_first",
    "subrequests",
];

/// Puts `value` where `name` says, below the field `root`; false if the name is no such path.
pub(super) fn insert(root: &str, into: &mut Map<String, Value>, name: &str, value: &[u8]) -> bool {
    let Some(keys) = keys(root, name) else { return false };
    let text = String::from_utf8_lossy(value).into_owned();
    let last = keys.last().copied().unwrap_or_default();
    let parsed = NOT_TEXT.contains(&last).then(|| serde_json::from_str(&text).ok()).flatten();
    let leaf = parsed.filter(|v: &Value| v.is_boolean() || v.is_number());
    let slot = into.entry(keys[0].to_owned()).or_insert(Value::Null);
    place(slot, &keys[1..], leaf.unwrap_or(Value::String(text)));
    true
}

/// `["bindings", "", "type"]` of `metadata[bindings][][type]`.
fn keys<'a>(root: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let mut rest = name.strip_prefix(root)?;
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.strip_prefix('[')?.split_once(']')?;
        keys.push(key);
        rest = after;
    }
    (!keys.is_empty() && !keys[0].is_empty() && keys.len() <= MAX_DEPTH).then_some(keys)
}

fn place(at: &mut Value, keys: &[&str], leaf: Value) {
    match keys {
        [] => *at = leaf,
        ["", rest @ ..] => {
            if !at.is_array() {
                *at = Value::Array(Vec::new());
            }
            let Value::Array(items) = at else { return };
            // A field that the last element has already begins the next one.
            let goes_on = !rest.is_empty() && items.last().is_some_and(|last| !holds(last, rest));
            if !goes_on {
                items.push(Value::Null);
            }
            if let Some(last) = items.last_mut() {
                place(last, rest, leaf);
            }
        }
        [key, rest @ ..] => {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            if let Value::Object(fields) = at {
                place(fields.entry((*key).to_owned()).or_insert(Value::Null), rest, leaf);
            }
        }
    }
}

fn holds(value: &Value, keys: &[&str]) -> bool {
    match keys {
        [] => !value.is_null(),
        ["", ..] => false,
        [key, rest @ ..] => value.get(*key).is_some_and(|inner| holds(inner, rest)),
    }
}

/// The boundary of a body that is multipart whatever its content type says: the npm SDK labels it
/// `application/javascript`.
pub(super) fn boundary_of(body: &[u8]) -> Option<String> {
    let end = body.iter().take(80).position(|byte| *byte == b'\r')?;
    let boundary = body[..end].strip_prefix(b"--")?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(byte);
    let is_boundary = !boundary.is_empty() && boundary.len() <= 70 && boundary.iter().all(plain);
    let head = body[end..].strip_prefix(b"\r\n")?;
    let begins = b"content-disposition:";
    let is_part = head.get(..begins.len())?.eq_ignore_ascii_case(begins);
    (is_boundary && is_part).then(|| String::from_utf8_lossy(boundary).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};
    use serde_json::json;

    fn read(fields: &[(&str, &str)]) -> Value {
        let mut into = Map::new();
        for (name, value) in fields {
            insert("metadata", &mut into, name, value.as_bytes());
        }
        Value::Object(into)
    }

    #[test]
    fn spread_fields_become_the_json_they_were() {
        let read = read(&[
            ("metadata[main_module]", "index.js"),
            ("metadata[compatibility_flags][]", "nodejs_compat"),
            ("metadata[compatibility_flags][]", "true"),
            ("metadata[bindings][][type]", "plain_text"),
            ("metadata[bindings][][name]", "A"),
            ("metadata[bindings][][text]", "true"),
            ("metadata[bindings][][type]", "ratelimit"),
            ("metadata[bindings][][simple][limit]", "5"),
            ("metadata[bindings][][simple][period]", "60"),
            ("metadata[logpush]", "true"),
            ("metadata[]", "lost"),
            ("metadata[open", "lost"),
            ("other[x]", "lost"),
        ]);
        assert_eq!(
            read,
            json!({
                "main_module": "index.js",
                "compatibility_flags": ["nodejs_compat", "true"],
                "bindings": [
                    { "type": "plain_text", "name": "A", "text": "true" },
                    { "type": "ratelimit", "simple": { "limit": 5, "period": 60 } },
                ],
                "logpush": true,
            })
        );
    }

    #[test]
    fn a_multipart_body_is_known_by_its_first_lines() {
        let part = |line: &str| format!("{line}\r\nContent-Disposition: form-data; name=\"x\"\r\n");
        assert_eq!(boundary_of(part("--abc-1").as_bytes()).as_deref(), Some("abc-1"));
        let long = part(&format!("--{}", "x".repeat(71)));
        for no in ["", "--", "--\r\n", "--a\r\nX: y", "export default {}", "-- \r\ncontent-", &long]
        {
            assert_eq!(boundary_of(no.as_bytes()), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn no_name_of_a_field_breaks_the_reader(
            names in prop::collection::vec("metadata[\\[\\]a-z]{0,40}", 0..20),
            body in any::<Vec<u8>>(),
        ) {
            let mut into = Map::new();
            for name in &names {
                insert("metadata", &mut into, name, &body);
            }
            boundary_of(&body);
        }
    }
}
