//! Values of Workflows as they are kept: JSON, in which what JSON lacks is an object with one
//! key that begins with `$`. `js/values.js` of clodo-workerd writes and reads the same.

use serde_json::{Map, Value, json};

/// A plain value as it is kept.
#[must_use]
pub fn kept_value(plain: &Value) -> Value {
    match plain {
        Value::Array(items) => items.iter().map(kept_value).collect(),
        Value::Object(fields) => {
            let own: Map<_, _> =
                fields.iter().map(|(key, value)| (key.clone(), kept_value(value))).collect();
            if marked(fields).is_some() { json!({ "$object": own }) } else { Value::Object(own) }
        }
        other => other.clone(),
    }
}

/// A kept value as `JSON.stringify` would write it.
#[must_use]
pub fn shown_value(kept: &Value) -> Value {
    match kept {
        Value::Array(items) => items.iter().map(shown_value).collect(),
        Value::Object(fields) => match marked(fields) {
            Some((mark, value)) => unmarked(mark, value),
            None => object(fields),
        },
        other => other.clone(),
    }
}

fn marked(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, value) = fields.iter().next().filter(|_| fields.len() == 1)?;
    key.starts_with('$').then_some((key.as_str(), value))
}

fn object(fields: &Map<String, Value>) -> Value {
    let shown = |(key, value): (&String, &Value)| {
        let dropped =
            value.as_object().and_then(marked).is_some_and(|(mark, _)| mark == "$undefined");
        (!dropped).then(|| (key.clone(), shown_value(value)))
    };
    Value::Object(fields.iter().filter_map(shown).collect())
}

fn unmarked(mark: &str, value: &Value) -> Value {
    match mark {
        "$object" => value.as_object().map_or(Value::Null, object),
        "$date" => {
            let time = value.as_i64().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
            time.map_or(Value::Null, |time| json!(format!("{time:.3}")))
        }
        "$bigint" => value.clone(),
        "$error" => json!({ "name": value[0], "message": value[1] }),
        "$map" | "$set" | "$regexp" => json!({}),
        // Bytes are many numbers; nobody reads them in a log.
        "$bytes" => json!({ "type": value[0], "base64": value[1] }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_lacks_is_shown_as_javascript_would_write_it() {
        for (kept, shown) in [
            (json!({ "a": [1, { "b": null }] }), json!({ "a": [1, { "b": null }] })),
            (json!({ "$date": 1_763_640_000_123_i64 }), json!("2025-11-20T12:00:00.123Z")),
            (json!({ "a": { "$undefined": true }, "b": 1 }), json!({ "b": 1 })),
            (json!([{ "$undefined": true }, { "$number": "NaN" }]), json!([null, null])),
            (json!({ "$bigint": "9007199254740993" }), json!("9007199254740993")),
            (json!({ "$map": [[1, 2]] }), json!({})),
            (
                json!({ "$error": ["TypeError", "no"] }),
                json!({ "name": "TypeError", "message": "no" }),
            ),
            (json!({ "$object": { "$date": 1 } }), json!({ "$date": 1 })),
            (json!({ "$date": "hostile" }), json!(null)),
        ] {
            assert_eq!(shown_value(&kept), shown, "{kept}");
        }
    }

    #[test]
    fn a_plain_value_comes_back_as_it_was() {
        for plain in [
            json!(null),
            json!("text"),
            json!({ "$date": 1 }),
            json!({ "a": { "$map": [] }, "b": [{ "$x": { "$y": 1 } }] }),
            json!({ "$a": 1, "$b": 2 }),
        ] {
            assert_eq!(shown_value(&kept_value(&plain)), plain);
        }
    }
}
