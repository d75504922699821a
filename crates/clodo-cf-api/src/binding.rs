use clodo_types::{BindingName, BucketName, DatabaseId, NamespaceId, Secret, WorkerName};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

/// What a Worker's code reaches as `env.NAME`.
#[derive(Clone, Debug)]
pub struct Binding {
    name: String,
    /// What it is.
    pub kind: BindingKind,
}

impl Binding {
    /// A binding of this name.
    #[must_use]
    pub fn new(name: &BindingName, kind: BindingKind) -> Self {
        Self { name: name.as_str().to_owned(), kind }
    }

    /// The name. One that was read from the platform may hold characters that a
    /// [`BindingName`] refuses.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The binding as it travels, values of secrets included.
    pub(crate) fn on_the_wire(&self) -> Result<Value, serde_json::Error> {
        let mut fields = match &self.kind {
            BindingKind::Other(fields) => fields.clone(),
            BindingKind::Known(known) => match serde_json::to_value(known)? {
                Value::Object(fields) => fields,
                _ => Map::new(),
            },
        };
        self.expose_into(&mut fields)?;
        fields.insert("name".to_owned(), Value::from(self.name.as_str()));
        Ok(Value::Object(fields))
    }

    /// Secrets do not serialise; here is the one place where they travel.
    fn expose_into(&self, fields: &mut Map<String, Value>) -> Result<(), serde_json::Error> {
        match &self.kind {
            BindingKind::Known(KnownBinding::SecretText { text: Some(secret) }) => {
                fields.insert("text".to_owned(), secret.expose().into());
            }
            BindingKind::Known(KnownBinding::SecretKey { key_base64, key_jwk, .. }) => {
                if let Some(key) = key_base64 {
                    fields.insert("key_base64".to_owned(), key.expose().into());
                }
                if let Some(key) = key_jwk {
                    fields.insert("key_jwk".to_owned(), serde_json::from_str(key.expose())?);
                }
            }
            BindingKind::Known(_) | BindingKind::Other(_) => {}
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Binding {
    /// Reads any binding: a kind or a shape that is not known yet is kept as it is.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(from)?;
        let name = fields.remove("name");
        let name = name.as_ref().and_then(Value::as_str);
        let name = name.ok_or_else(|| de::Error::missing_field("name"))?.to_owned();
        let mut plain = fields.clone();
        // Some answers give a database's id under both of its names.
        if plain.contains_key("id") {
            plain.remove("database_id");
        }
        let known = KnownBinding::deserialize(Value::Object(plain));
        let kind = known.map_or(BindingKind::Other(fields), BindingKind::Known);
        Ok(Self { name, kind })
    }
}

/// What a binding is.
#[derive(Clone, Debug)]
pub enum BindingKind {
    /// One of the kinds that this crate knows.
    Known(KnownBinding),
    /// Another one, as it travels, without its name.
    Other(Map<String, Value>),
}

impl BindingKind {
    /// Cloudflare's word for the kind, such as `kv_namespace`.
    #[must_use]
    pub fn type_name(&self) -> String {
        let fields = match self {
            Self::Other(fields) => fields.get("type").cloned(),
            Self::Known(known) => {
                serde_json::to_value(known).ok().map(|known| known["type"].clone())
            }
        };
        fields.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

impl From<KnownBinding> for BindingKind {
    fn from(known: KnownBinding) -> Self {
        Self::Known(known)
    }
}

/// The kinds of bindings. Serialising one never writes the value of a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named as the API names them")]
pub enum KnownBinding {
    /// Workers AI.
    Ai,
    /// An instance of AI Search.
    AiSearch {
        instance_name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    },
    /// A namespace of AI Search.
    AiSearchNamespace { namespace: String },
    /// A dataset of Analytics Engine.
    AnalyticsEngine { dataset: String },
    /// A namespace of Artifacts.
    Artifacts { namespace: String },
    /// The Worker's static assets.
    Assets,
    /// A headless browser.
    Browser,
    /// A D1 database.
    D1 {
        #[serde(alias = "database_id")]
        id: DatabaseId,
    },
    /// Bytes, in a part of the upload.
    DataBlob { part: String },
    /// A namespace of Workers for Platforms.
    DispatchNamespace {
        namespace: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outbound: Option<Value>,
    },
    /// A class of Durable Objects.
    DurableObjectNamespace {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dispatch_namespace: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        script_name: Option<WorkerName>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace_id: Option<String>,
    },
    /// An app of Flagship.
    Flagship { app_id: String },
    /// A Hyperdrive configuration.
    Hyperdrive { id: String },
    /// Cloudflare Images.
    Images,
    /// What the latest version has under this name, or under `old_name`.
    Inherit {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old_name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version_id: Option<String>,
    },
    /// A JSON value.
    Json { json: Value },
    /// A stream of K2.
    K2 { stream: String },
    /// A KV namespace.
    KvNamespace { namespace_id: NamespaceId },
    /// Media transformations.
    Media,
    /// A namespace of Messaging.
    Messaging { namespace: String },
    /// A client certificate.
    MtlsCertificate { certificate_id: String },
    /// A pipeline.
    Pipelines { pipeline: String },
    /// Text that anyone with access to the account may read.
    PlainText { text: String },
    /// A queue to send to.
    Queue { queue_name: String },
    /// An R2 bucket.
    R2Bucket {
        bucket_name: BucketName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jurisdiction: Option<String>,
    },
    /// A rate limiter.
    Ratelimit { namespace_id: String, simple: SimpleLimit },
    /// A cryptographic key; the platform never gives its material back.
    SecretKey {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        algorithm: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
        #[serde(default)]
        usages: Vec<String>,
        /// Its material in base64, for `raw`, `pkcs8` and `spki`.
        #[serde(default, skip_serializing)]
        key_base64: Option<Secret>,
        /// Its material as the text of a JSON Web Key.
        #[serde(skip)]
        key_jwk: Option<Secret>,
    },
    /// A secret; the platform never gives its text back.
    SecretText {
        #[serde(default, skip_serializing)]
        text: Option<Secret>,
    },
    /// A secret of the Secrets Store.
    SecretsStoreSecret { store_id: String, secret_name: String },
    /// E-mail to send.
    SendEmail {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        destination_address: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allowed_destination_addresses: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        allowed_sender_addresses: Vec<String>,
    },
    /// Another Worker.
    Service {
        service: WorkerName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entrypoint: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        props: Option<Value>,
    },
    /// Text, in a part of the upload.
    TextBlob { part: String },
    /// An index of Vectorize.
    Vectorize { index_name: String },
    /// The id and the tag of the version that runs.
    VersionMetadata,
    /// A private network.
    VpcNetwork {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tunnel_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<String>,
    },
    /// A service in a private network.
    VpcService { service_id: String },
    /// A module of WebAssembly, in a part of the upload.
    WasmModule { part: String },
    /// A workflow.
    Workflow {
        workflow_name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        script_name: Option<WorkerName>,
    },
}

impl KnownBinding {
    /// A class of Durable Objects of the Worker itself.
    #[must_use]
    pub fn object_class(name: impl Into<String>) -> Self {
        Self::DurableObjectNamespace {
            class_name: Some(name.into()),
            dispatch_namespace: None,
            script_name: None,
            environment: None,
            namespace_id: None,
        }
    }
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimpleLimit {
    /// How many.
    pub limit: u64,
    /// In how many seconds: 10 or 60.
    pub period: u64,
    /// How many seconds a client is refused that exceeded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mitigation_timeout: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn survives(wire: Value) {
        let binding: Binding = serde_json::from_value(wire.clone()).unwrap();
        assert!(matches!(binding.kind, BindingKind::Known(_)), "{wire}");
        assert_eq!(binding.on_the_wire().unwrap(), wire);
        assert_eq!(binding.kind.type_name(), wire["type"]);
    }

    #[test]
    fn known_kinds_survive_the_wire() {
        let id = "018f3c5e-0000-7000-8000-000000000000";
        let hex = "0123456789abcdef0123456789abcdef";
        for wire in [
            json!({"name": "A", "type": "ai"}),
            json!({"name": "A", "type": "ai_search", "instance_name": "i", "namespace": "n"}),
            json!({"name": "A", "type": "ai_search_namespace", "namespace": "n"}),
            json!({"name": "A", "type": "analytics_engine", "dataset": "d"}),
            json!({"name": "A", "type": "artifacts", "namespace": "n"}),
            json!({"name": "A", "type": "assets"}),
            json!({"name": "A", "type": "browser"}),
            json!({"name": "A", "type": "data_blob", "part": "p"}),
            json!({"name": "A", "type": "dispatch_namespace", "namespace": "n", "outbound": {"worker": {"service": "w"}}}),
            json!({"name": "A", "type": "flagship", "app_id": "a"}),
            json!({"name": "A", "type": "hyperdrive", "id": "h"}),
            json!({"name": "A", "type": "images"}),
            json!({"name": "A", "type": "k2", "stream": "s"}),
            json!({"name": "A", "type": "media"}),
            json!({"name": "A", "type": "messaging", "namespace": "n"}),
            json!({"name": "A", "type": "mtls_certificate", "certificate_id": "c"}),
            json!({"name": "A", "type": "pipelines", "pipeline": "p"}),
            json!({"name": "A", "type": "secret_key", "algorithm": {"name": "HMAC"}, "format": "raw", "usages": ["sign"]}),
            json!({"name": "A", "type": "secrets_store_secret", "store_id": "s", "secret_name": "n"}),
            json!({"name": "A", "type": "send_email", "allowed_sender_addresses": ["a@b.test"]}),
            json!({"name": "A", "type": "text_blob", "part": "p"}),
            json!({"name": "A", "type": "vectorize", "index_name": "i"}),
            json!({"name": "A", "type": "vpc_network", "network_id": "n", "identity": "runtime-email-alpha"}),
            json!({"name": "A", "type": "vpc_service", "service_id": "s"}),
            json!({"name": "A", "type": "wasm_module", "part": "p"}),
            json!({"name": "A", "type": "d1", "id": id}),
            json!({"name": "A", "type": "durable_object_namespace", "class_name": "C"}),
            json!({"name": "A", "type": "inherit", "old_name": "B"}),
            json!({"name": "A", "type": "json", "json": {"x": [1, null]}}),
            json!({"name": "A", "type": "kv_namespace", "namespace_id": hex}),
            json!({"name": "A", "type": "plain_text", "text": "x"}),
            json!({"name": "A", "type": "queue", "queue_name": "q"}),
            json!({"name": "A", "type": "r2_bucket", "bucket_name": "b-1", "jurisdiction": "eu"}),
            json!({"name": "A", "type": "ratelimit", "namespace_id": "1", "simple": {"limit": 5, "period": 60}}),
            json!({"name": "A", "type": "secret_text"}),
            json!({"name": "A", "type": "service", "service": "w", "entrypoint": "E", "props": {"a": 1}}),
            json!({"name": "A", "type": "version_metadata"}),
            json!({"name": "A", "type": "workflow", "workflow_name": "w", "class_name": "C"}),
        ] {
            survives(wire);
        }
    }

    #[test]
    fn a_kind_or_a_shape_that_is_not_known_is_kept_as_it_is() {
        for wire in [
            json!({"name": "my-old name", "type": "teleporter", "to": {"moon": true}}),
            json!({"name": "A", "type": "kv_namespace", "namespace_id": "short"}),
            json!({"name": "A", "type": 7}),
            json!({"name": "A"}),
        ] {
            let binding: Binding = serde_json::from_value(wire.clone()).unwrap();
            assert!(matches!(binding.kind, BindingKind::Other(_)), "{wire}");
            assert_eq!(binding.on_the_wire().unwrap(), wire);
        }
    }

    #[test]
    fn both_names_of_a_database_id_are_read() {
        let id = "018f3c5e-0000-7000-8000-000000000000";
        for wire in [
            json!({"name": "A", "type": "d1", "database_id": id}),
            json!({"name": "A", "type": "d1", "database_id": id, "id": id}),
        ] {
            let binding: Binding = serde_json::from_value(wire).unwrap();
            let want = json!({"name": "A", "type": "d1", "id": id});
            assert_eq!(binding.on_the_wire().unwrap(), want);
        }
    }

    #[test]
    fn a_secret_travels_in_the_upload_and_nowhere_else() {
        let kind = KnownBinding::SecretText { text: Some(Secret::new("hunter2")) };
        let binding = Binding::new(&"KEY".parse().unwrap(), kind.clone().into());
        assert_eq!(
            binding.on_the_wire().unwrap(),
            json!({"name": "KEY", "type": "secret_text", "text": "hunter2"})
        );
        assert!(!serde_json::to_string(&kind).unwrap().contains("hunter2"));
        assert!(!format!("{binding:?}").contains("hunter2"));
        let key = KnownBinding::SecretKey {
            algorithm: Some(json!({"name": "HMAC"})),
            format: Some("jwk".to_owned()),
            usages: vec!["sign".to_owned()],
            key_base64: None,
            key_jwk: Some(Secret::new(r#"{"k":"hunter2"}"#)),
        };
        let binding = Binding::new(&"KEY".parse().unwrap(), key.into());
        assert_eq!(binding.on_the_wire().unwrap()["key_jwk"]["k"], "hunter2");
        assert!(!format!("{binding:?}").contains("hunter2"));
    }
}
