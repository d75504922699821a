//! R2's requests and answers as JSON. Numbers of 64 bits arrive as text, the largest for "absent".

use crate::{
    Checksums, Conditions, EtagMatch, HttpFields, ListObjects, ObjectMeta, ObjectPage, ObjectRange,
    PartEtag, PutOptions, SsecKey, r2::lenient,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clodo_types::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value, json};

/// A request, by its `method`.
#[derive(Deserialize)]
#[serde(tag = "method", rename_all = "camelCase")]
pub(super) enum Ask {
    Head {
        object: String,
    },
    Get(Get),
    Put(Box<Put>),
    List(List),
    Delete {
        object: Option<String>,
        #[serde(default)]
        objects: Vec<String>,
    },
    CreateMultipartUpload(Box<Put>),
    #[serde(rename_all = "camelCase")]
    UploadPart {
        object: String,
        upload_id: String,
        part_number: u32,
        #[serde(default, deserialize_with = "customer_key")]
        ssec: Option<SsecKey>,
    },
    #[serde(rename_all = "camelCase")]
    CompleteMultipartUpload {
        object: String,
        upload_id: String,
        #[serde(default)]
        parts: Vec<Part>,
    },
    #[serde(rename_all = "camelCase")]
    AbortMultipartUpload {
        object: String,
        upload_id: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Get {
    pub(super) object: String,
    range: Option<Range>,
    range_header: Option<String>,
    only_if: Option<OnlyIf>,
    #[serde(default, deserialize_with = "customer_key")]
    pub(super) ssec: Option<SsecKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Put {
    pub(super) object: String,
    #[serde(default)]
    custom_fields: Vec<Record>,
    #[serde(default)]
    http_fields: HttpFields,
    only_if: Option<OnlyIf>,
    #[serde(default, deserialize_with = "from_base64")]
    md5: Option<Vec<u8>>,
    #[serde(default, deserialize_with = "from_hex")]
    sha1: Option<Vec<u8>>,
    #[serde(default, deserialize_with = "from_hex")]
    sha256: Option<Vec<u8>>,
    #[serde(default, deserialize_with = "from_hex")]
    sha384: Option<Vec<u8>>,
    #[serde(default, deserialize_with = "from_hex")]
    sha512: Option<Vec<u8>>,
    storage_class: Option<String>,
    #[serde(default, deserialize_with = "customer_key")]
    pub(super) ssec: Option<SsecKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    limit: Option<u32>,
    #[serde(default)]
    prefix: String,
    cursor: Option<String>,
    delimiter: Option<String>,
    start_after: Option<String>,
    #[serde(default)]
    include: Vec<u16>,
    #[serde(default)]
    new_runtime: bool,
}

#[derive(Deserialize)]
pub(super) struct Part {
    etag: String,
    part: u32,
}

#[derive(Deserialize)]
struct Record {
    k: String,
    #[serde(default)]
    v: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default, deserialize_with = "lenient::number")]
    offset: Option<u64>,
    #[serde(default, deserialize_with = "lenient::number")]
    length: Option<u64>,
    #[serde(default, deserialize_with = "lenient::number")]
    suffix: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnlyIf {
    #[serde(default)]
    etag_matches: Vec<Etag>,
    #[serde(default)]
    etag_does_not_match: Vec<Etag>,
    #[serde(default, deserialize_with = "lenient::moment")]
    uploaded_before: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::moment")]
    uploaded_after: Option<Timestamp>,
    #[serde(default)]
    seconds_granularity: bool,
}

#[derive(Deserialize)]
struct Etag {
    #[serde(default)]
    value: String,
    #[serde(rename = "type")]
    kind: String,
}

impl From<Etag> for EtagMatch {
    fn from(etag: Etag) -> Self {
        match etag.kind.as_str() {
            "wildcard" => Self::Any,
            "weak" => Self::Weak(etag.value),
            _ => Self::Strong(etag.value),
        }
    }
}

fn conditions(only_if: Option<OnlyIf>) -> Conditions {
    let Some(only_if) = only_if else { return Conditions::default() };
    Conditions {
        etag_matches: only_if.etag_matches.into_iter().map(EtagMatch::from).collect(),
        etag_does_not_match: only_if.etag_does_not_match.into_iter().map(EtagMatch::from).collect(),
        uploaded_before: only_if.uploaded_before,
        uploaded_after: only_if.uploaded_after,
        seconds_granularity: only_if.seconds_granularity,
    }
}

impl Get {
    pub(super) fn into_options(self) -> crate::GetOptions {
        let range = match (self.range, self.range_header) {
            (Some(Range { suffix: Some(suffix), .. }), _) => Some(ObjectRange::Suffix(suffix)),
            (Some(Range { offset: None, length: None, .. }), _) => None,
            (Some(Range { offset, length, .. }), _) => {
                Some(ObjectRange::From { offset: offset.unwrap_or(0), length })
            }
            (None, header) => header.as_deref().and_then(range_of_header),
        };
        crate::GetOptions { range, only_if: conditions(self.only_if), ssec: self.ssec }
    }
}

/// One range of bytes. As in HTTP, a header that means nothing asks for everything.
fn range_of_header(header: &str) -> Option<ObjectRange> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => last.parse().ok().map(ObjectRange::Suffix),
        (first, "") => Some(ObjectRange::From { offset: first.parse().ok()?, length: None }),
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            let length = Some(last.checked_sub(first)?.saturating_add(1));
            Some(ObjectRange::From { offset: first, length })
        }
    }
}

impl Put {
    pub(super) fn into_options(self) -> PutOptions {
        PutOptions {
            http: self.http_fields,
            custom: self.custom_fields.into_iter().map(|record| (record.k, record.v)).collect(),
            checksums: Checksums {
                md5: self.md5,
                sha1: self.sha1,
                sha256: self.sha256,
                sha384: self.sha384,
                sha512: self.sha512,
            },
            only_if: conditions(self.only_if),
            storage_class: self.storage_class.filter(|class| !class.is_empty()),
            ssec: self.ssec,
        }
    }
}

impl List {
    pub(super) fn options(&self) -> ListObjects {
        let mut options = ListObjects::default();
        options.prefix.clone_from(&self.prefix);
        options.delimiter.clone_from(&self.delimiter);
        options.start_after.clone_from(&self.start_after);
        options.cursor.clone_from(&self.cursor);
        let limit = self.limit.filter(|limit| *limit != u32::MAX);
        options.limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        options
    }

    /// A page; old runtimes always want the headers and the user's pairs.
    pub(super) fn page(&self, page: &ObjectPage) -> Value {
        let wants = |field: u16| !self.new_runtime || self.include.contains(&field);
        let shown = |meta: &ObjectMeta| {
            let mut object = object(meta, None);
            if let Some(fields) = object.as_object_mut() {
                fields.retain(|name, _| match name.as_str() {
                    "httpFields" => wants(0),
                    "customFields" => wants(1),
                    _ => true,
                });
            }
            object
        };
        let objects: Vec<Value> = page.objects.iter().map(shown).collect();
        let mut answer = json!({
            "objects": objects,
            "truncated": page.cursor.is_some(),
            "delimitedPrefixes": page.prefixes,
        });
        if let Some(cursor) = &page.cursor {
            answer["cursor"] = cursor.as_str().into();
        }
        answer
    }
}

impl From<Part> for PartEtag {
    fn from(part: Part) -> Self {
        Self { number: part.part, etag: part.etag }
    }
}

/// An object as every answer shows it.
pub(super) fn object(meta: &ObjectMeta, range: Option<(u64, u64)>) -> Value {
    let custom: Vec<Value> =
        meta.custom.iter().map(|(name, value)| json!({ "k": name, "v": value })).collect();
    let mut fields = Map::from_iter([
        ("name".to_owned(), meta.key.as_str().into()),
        ("version".to_owned(), meta.version.as_str().into()),
        ("size".to_owned(), meta.size.into()),
        ("etag".to_owned(), meta.etag.as_str().into()),
        ("uploaded".to_owned(), meta.uploaded.as_millis().into()),
        ("httpFields".to_owned(), json!(meta.http)),
        ("customFields".to_owned(), custom.into()),
        ("checksums".to_owned(), json!(meta.checksums)),
        ("storageClass".to_owned(), meta.storage_class.as_str().into()),
    ]);
    fields.extend(
        meta.ssec_key_md5
            .as_ref()
            .map(|md5| ("ssec".to_owned(), json!({ "algorithm": "AES256", "keyMd5": md5 }))),
    );
    fields.extend(range.map(|(offset, length)| {
        ("range".to_owned(), json!({ "offset": offset, "length": length }))
    }));
    Value::Object(fields)
}

/// `{"key": "<64 hexadecimal digits>"}`.
fn customer_key<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SsecKey>, D::Error> {
    #[derive(Deserialize)]
    struct Ssec {
        key: String,
    }
    let given = Option::<Ssec>::deserialize(from)?;
    given.map(|ssec| ssec.key.parse().map_err(D::Error::custom)).transpose()
}

fn from_hex<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(from)?.filter(|text| !text.is_empty());
    text.map(|text| hex::decode(text).map_err(D::Error::custom)).transpose()
}

fn from_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(from)?.filter(|text| !text.is_empty());
    text.map(|text| STANDARD.decode(text).map_err(D::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_headers_are_read_as_http_reads_them() {
        let from = |offset, length| Some(ObjectRange::From { offset, length });
        for (header, expected) in [
            ("bytes=0-4", from(0, Some(5))),
            ("bytes=5-", from(5, None)),
            ("bytes=-3", Some(ObjectRange::Suffix(3))),
            ("bytes=4-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(range_of_header(header), expected, "{header}");
        }
    }

    #[test]
    fn a_request_of_workerd_is_understood() {
        let text = r#"{"version":1,"method":"get","object":"k","range":{"offset":"2",
            "length":"18446744073709551615","suffix":"18446744073709551615"},
            "onlyIf":{"etagMatches":[{"value":"e","type":"strong"}],
            "uploadedBefore":"18446744073709551615"}}"#;
        let Ask::Get(get) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        let options = get.into_options();
        assert_eq!(options.range, Some(ObjectRange::From { offset: 2, length: None }));
        assert_eq!(options.only_if.etag_matches, [EtagMatch::Strong("e".into())]);
        assert_eq!(options.only_if.uploaded_before, None);
    }
}
