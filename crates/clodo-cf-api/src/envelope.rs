use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;

/// One of the things that an answer says: an error or a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiMessage {
    /// Cloudflare's number for it; products reuse each other's numbers.
    pub code: Option<u64>,
    /// The text.
    pub text: String,
    /// The part of the request that is meant, as a JSON pointer.
    pub pointer: Option<String>,
    /// Where it is documented.
    pub documentation_url: Option<String>,
}

/// Where a list goes on. Nothing in it is trusted alone: totals are wrong on some products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageInfo {
    pub(crate) per_page: Option<u64>,
    pub(crate) cursor: Option<String>,
    pub(crate) cursor_after: Option<String>,
}

/// The shape that all JSON answers of the v4 API share.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) success: bool,
    pub(crate) errors: Vec<ApiMessage>,
    messages: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    result_info: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    success: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    result_info: Option<&'a RawValue>,
    // A few services answer `{code, error}` instead.
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads an answer; `None` when it is no envelope. What stands in the envelope is read with
    /// patience: `errors` may be null, missing, text or objects, codes may be text.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let wire: Wire<'a> = serde_json::from_slice(body).ok()?;
        let mut errors = wire.errors.map(messages).unwrap_or_default();
        if errors.is_empty()
            && let Some(text) = wire.error.and_then(text)
        {
            errors.push(ApiMessage { code: wire.code.and_then(code), text, ..Default::default() });
        }
        if wire.success.is_none() && errors.is_empty() {
            return None;
        }
        let success = wire.success.is_some_and(|raw| raw.get() == "true");
        let Wire { messages, result, result_info, .. } = wire;
        Some(Self { success, errors, messages, result, result_info })
    }

    /// What a successful answer without a body stands for.
    pub(crate) fn empty() -> Self {
        Self { success: true, errors: Vec::new(), messages: None, result: None, result_info: None }
    }

    /// Reads `result`, or the field `within` it; a missing one counts as null.
    pub(crate) fn result<A: DeserializeOwned>(
        &self,
        within: Option<&'static str>,
    ) -> Result<A, serde_json::Error> {
        let Some(field) = within else { return serde_json::from_str(self.result_text()) };
        let fields: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(self.result_text())?;
        let found = fields.as_ref().and_then(|fields| fields.get(field));
        serde_json::from_str(found.map_or("null", |raw| raw.get()))
    }

    /// What a success says beside its result.
    pub(crate) fn messages(&self) -> Vec<ApiMessage> {
        self.messages.map(messages).unwrap_or_default()
    }

    /// The JSON text of `result`.
    pub(crate) fn result_text(&self) -> &'a str {
        self.result.map_or("null", RawValue::get)
    }

    pub(crate) fn page_info(&self) -> PageInfo {
        let info = self.result_info.and_then(value).unwrap_or_default();
        let text =
            |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        PageInfo {
            per_page: info["per_page"].as_u64(),
            cursor: text(&info["cursor"]),
            cursor_after: text(&info["cursors"]["after"]),
        }
    }
}

/// What GraphQL answers, which is no envelope.
#[derive(Debug)]
pub(crate) struct GraphQlAnswer<'a> {
    pub(crate) data: Option<&'a RawValue>,
    pub(crate) errors: Vec<ApiMessage>,
}

impl<'a> GraphQlAnswer<'a> {
    /// Reads an answer; `None` when it is none of GraphQL's.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            data: Option<&'a RawValue>,
            #[serde(borrow)]
            errors: Option<&'a RawValue>,
        }
        let Wire { data, errors } = serde_json::from_slice(body).ok()?;
        let errors = errors.map(messages).unwrap_or_default();
        (data.is_some() || !errors.is_empty()).then_some(Self { data, errors })
    }
}

fn value(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}

fn text(raw: &RawValue) -> Option<String> {
    value(raw)?.as_str().map(str::to_owned)
}

fn code(raw: &RawValue) -> Option<u64> {
    value(raw).as_ref().and_then(code_of)
}

fn code_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn messages(raw: &RawValue) -> Vec<ApiMessage> {
    let mut found = Vec::new();
    collect(&value(raw).unwrap_or_default(), &mut found);
    found
}

/// Flattens chains (`error_chain`): the outermost comes first.
fn collect(value: &Value, found: &mut Vec<ApiMessage>) {
    match value {
        Value::Array(all) => all.iter().for_each(|each| collect(each, found)),
        Value::String(text) => {
            found.push(ApiMessage { text: text.clone(), ..ApiMessage::default() });
        }
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name)?.as_str().map(str::to_owned);
            let pointer = &value["source"]["pointer"];
            found.push(ApiMessage {
                code: fields.get("code").and_then(code_of),
                text: text("message").or_else(|| text("error")).unwrap_or_default(),
                pointer: pointer.as_str().map(str::to_owned),
                documentation_url: text("documentation_url"),
            });
            collect(&value["error_chain"], found);
        }
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn errors(body: &str) -> Vec<(Option<u64>, String)> {
        let envelope = Envelope::read(body.as_bytes()).unwrap();
        envelope.errors.into_iter().map(|error| (error.code, error.text)).collect()
    }

    #[test]
    fn errors_are_read_in_every_shape_seen() {
        let said = |code: Option<u64>, text: &str| vec![(code, text.to_owned())];
        for (body, want) in [
            (r#"{"success":false,"errors":null}"#, vec![]),
            (r#"{"success":false}"#, vec![]),
            (r#"{"success":false,"errors":[]}"#, vec![]),
            (r#"{"success":false,"errors":{}}"#, said(None, "")),
            (r#"{"success":false,"errors":["boom"]}"#, said(None, "boom")),
            (
                r#"{"success":false,"errors":[{"code":100402,"message":"m"}]}"#,
                said(Some(100_402), "m"),
            ),
            (
                r#"{"success":false,"errors":[{"code":8000007,"message":"m"}]}"#,
                said(Some(8_000_007), "m"),
            ),
            (
                r#"{"success":false,"errors":[{"code":"10013","message":"m"}]}"#,
                said(Some(10_013), "m"),
            ),
            (r#"{"success":false,"errors":[{"code":-1,"message":7}]}"#, said(None, "")),
            (r#"{"code":10009,"error":"key not found"}"#, said(Some(10_009), "key not found")),
        ] {
            assert_eq!(errors(body), want, "{body}");
        }
    }

    #[test]
    fn a_chain_of_errors_is_flattened() {
        let body = r#"{"success":false,"errors":[{"code":1,"message":"a","error_chain":[
            {"code":2,"message":"b"}]}]}"#;
        assert_eq!(errors(body), [(Some(1), "a".to_owned()), (Some(2), "b".to_owned())]);
    }

    #[test]
    fn what_is_no_envelope_is_not_taken_for_one() {
        for body in
            ["", "null", "[]", "{}", "<html>", r#"{"result":1}"#, r#"{"success":tr"#, "\u{feff}{}"]
        {
            assert!(Envelope::read(body.as_bytes()).is_none(), "{body}");
        }
        let odd = Envelope::read(br#"{"success":"true"}"#).unwrap();
        assert!(!odd.success, "only the word true is success");
    }

    #[test]
    fn a_cursor_is_read_from_both_places_and_an_empty_one_is_none() {
        let info = |text: &str| {
            let body = format!(r#"{{"success":true,"result_info":{text}}}"#);
            Envelope::read(body.as_bytes()).unwrap().page_info()
        };
        assert_eq!(info(r#"{"cursor":"c"}"#).cursor.as_deref(), Some("c"));
        assert_eq!(info(r#"{"cursors":{"after":"a"}}"#).cursor_after.as_deref(), Some("a"));
        assert_eq!(info(r#"{"cursor":"","cursors":{"after":""}}"#), PageInfo::default());
        assert_eq!(info(r#"{"per_page":20}"#).per_page, Some(20));
        for odd in ["null", "7", "[]", r#"{"cursor":7,"per_page":"x","cursors":[]}"#] {
            assert_eq!(info(odd), PageInfo::default(), "{odd}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let key = prop_oneof![
                Just("code".to_owned()),
                Just("message".to_owned()),
                Just("error_chain".to_owned()),
                Just("cursor".to_owned()),
                Just("cursors".to_owned()),
                ".{0,4}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_makes_reading_panic(
            success in json(), errors in json(), result in json(), info in json(), code in json(),
        ) {
            let body = serde_json::json!({
                "success": success, "errors": errors, "result": result, "result_info": info,
                "code": code, "error": errors, "new_field": info,
            });
            let body = body.to_string();
            let envelope = Envelope::read(body.as_bytes());
            if let Some(envelope) = envelope {
                let _ = envelope.page_info();
                let _ = envelope.result::<Vec<String>>(None);
                let _ = envelope.result::<Vec<String>>(Some("code"));
                prop_assert_eq!(envelope.success, success == Value::Bool(true));
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::read(&body);
        }

        #[test]
        fn a_truncated_answer_is_no_envelope(cut in 0_usize..60) {
            let body = br#"{"success":true,"errors":[],"messages":[],"result":{"id":"x"}}"#;
            prop_assert!(Envelope::read(&body[..cut.min(body.len() - 1)]).is_none());
        }
    }
}
