mod build;
mod parts;

pub use parts::{
    AssetsConfig, Limits, MigrationStep, Migrations, ModuleKind, Observability, Placement,
    RenamedClass, RunWorkerFirst, TailConsumer, TransferredClass, UploadAssets, UploadModule,
};

use crate::{
    binding::Binding,
    multipart::{EncodedForm, FormError, Part, encode_form},
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where a Worker's code begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// The name of the module whose default export handles events.
    MainModule(String),
    /// The name of the part that is a script in the service-worker format.
    BodyPart(String),
    /// There is no code: the Worker only serves assets.
    #[default]
    AssetsOnly,
}

/// Everything that makes a version of a Worker.
///
/// Secrets travel in it as bindings, so that no version ever serves without its secrets.
#[derive(Clone, Debug, Default)]
pub struct WorkerUpload {
    /// Where the code begins.
    pub entry: Entry,
    /// All files of the code, the entry and source maps included.
    pub modules: Vec<UploadModule>,
    /// What the code reaches as `env.NAME`.
    pub bindings: Vec<Binding>,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags of the runtime, such as `nodejs_compat`.
    pub compatibility_flags: Vec<String>,
    /// Kinds of bindings that are carried over from the latest version although they are not
    /// named here, such as `secret_text`.
    pub keep_bindings: Vec<String>,
    /// Static assets.
    pub assets: Option<UploadAssets>,
    /// Carry the latest version's assets over.
    pub keep_assets: bool,
    /// `workers/message`: what a person reads about the version.
    pub message: Option<String>,
    /// `workers/tag`: a name for the version, such as a revision.
    pub tag: Option<String>,
    /// `workers/alias`: a name for its preview URL.
    pub alias: Option<String>,
    /// The Worker's tags; not every kind of upload sets them.
    pub tags: Option<Vec<String>>,
    /// Migrations of Durable Objects, as they travel; only a full upload takes them.
    pub migrations: Option<Value>,
    /// `observability`, as it travels.
    pub observability: Option<Value>,
    /// `placement`, as it travels.
    pub placement: Option<Value>,
    /// `limits`, as it travels.
    pub limits: Option<Value>,
    /// Whether events go to Logpush.
    pub logpush: Option<bool>,
    /// Workers that receive this one's events, as they travel.
    pub tail_consumers: Option<Vec<Value>>,
    /// Anything else for the metadata. It does not replace what the fields above say.
    pub other: Map<String, Value>,
}

/// An upload that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The entry is none of the modules.
    #[error("the entry `{0}` is none of the modules")]
    EntryMissing(String),
    /// Two modules have one name, or one has the name of the metadata.
    #[error("the module name `{0}` is taken")]
    NameTaken(String),
    /// Two bindings have one name.
    #[error("two bindings have the name `{0}`")]
    BindingTwice(String),
    /// The metadata is no JSON.
    #[error("the upload's metadata is no JSON")]
    Metadata(#[from] serde_json::Error),
    /// A name or a content type cannot be sent.
    #[error("the upload cannot be written as a form")]
    Form(#[from] FormError),
}

const METADATA: &str = "metadata";

impl WorkerUpload {
    /// The upload as a form.
    ///
    /// # Errors
    /// When the entry is missing, a name is taken or cannot be written.
    pub fn to_form(&self) -> Result<EncodedForm, UploadError> {
        self.check()?;
        let mut parts = Vec::with_capacity(self.modules.len() + 1);
        parts.push(Part::field(METADATA, serde_json::to_vec(&self.metadata()?)?));
        let file = |module: &UploadModule| {
            Part::file(&module.name, &module.content_type, module.body.clone())
        };
        parts.extend(self.modules.iter().map(file));
        Ok(encode_form(&parts)?)
    }

    fn check(&self) -> Result<(), UploadError> {
        let mut names = BTreeSet::from([METADATA]);
        for module in &self.modules {
            if !names.insert(module.name.as_str()) {
                return Err(UploadError::NameTaken(module.name.clone()));
            }
        }
        if let Entry::MainModule(entry) | Entry::BodyPart(entry) = &self.entry
            && !self.modules.iter().any(|module| module.name == *entry)
        {
            return Err(UploadError::EntryMissing(entry.clone()));
        }
        let mut names = BTreeSet::new();
        for binding in &self.bindings {
            if !names.insert(binding.name()) {
                return Err(UploadError::BindingTwice(binding.name().to_owned()));
            }
        }
        Ok(())
    }

    fn metadata(&self) -> Result<Map<String, Value>, serde_json::Error> {
        let mut fields = self.other.clone();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        match &self.entry {
            Entry::MainModule(name) => set("main_module", Some(json!(name))),
            Entry::BodyPart(name) => set("body_part", Some(json!(name))),
            Entry::AssetsOnly => (),
        }
        let bindings = self.bindings.iter().map(Binding::on_the_wire);
        let bindings = bindings.collect::<Result<Vec<_>, _>>()?;
        set("bindings", self.has_code().then(|| Value::from(bindings)));
        set("compatibility_date", self.compatibility_date.as_ref().map(|date| json!(date)));
        set("compatibility_flags", Some(json!(self.compatibility_flags)));
        set("keep_bindings", filled(&self.keep_bindings));
        set("assets", self.assets.as_ref().map(UploadAssets::on_the_wire));
        set("keep_assets", self.keep_assets.then_some(Value::Bool(true)));
        set("annotations", self.annotations());
        set("tags", self.tags.as_ref().map(|tags| json!(tags)));
        set("migrations", self.migrations.clone());
        set("observability", self.observability.clone());
        set("placement", self.placement.clone());
        set("limits", self.limits.clone());
        set("logpush", self.logpush.map(Value::Bool));
        set("tail_consumers", self.tail_consumers.as_ref().map(|all| json!(all)));
        Ok(fields)
    }

    /// wrangler sends no bindings for a Worker that only serves assets.
    fn has_code(&self) -> bool {
        self.entry != Entry::AssetsOnly || !self.bindings.is_empty()
    }

    fn annotations(&self) -> Option<Value> {
        let named = [
            ("workers/message", &self.message),
            ("workers/tag", &self.tag),
            ("workers/alias", &self.alias),
        ];
        let set = named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let set: BTreeMap<_, _> = set.collect();
        (!set.is_empty()).then(|| json!(set))
    }
}

fn filled(list: &[String]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::KnownBinding;
    use bytes::Bytes;
    use clodo_types::Secret;

    fn module(name: &str) -> UploadModule {
        UploadModule {
            name: name.to_owned(),
            content_type: "application/javascript+module".to_owned(),
            body: Bytes::from_static(b"export default {}"),
        }
    }

    fn upload() -> WorkerUpload {
        WorkerUpload {
            entry: Entry::MainModule("index.js".to_owned()),
            modules: vec![module("index.js"), module("./b.js")],
            compatibility_date: Some("2026-11-01".to_owned()),
            ..WorkerUpload::default()
        }
    }

    async fn sent(upload: &WorkerUpload) -> (Value, Vec<String>) {
        let form = upload.to_form().unwrap();
        let boundary = multer::parse_boundary(form.content_type().to_str().unwrap()).unwrap();
        let mut parts = multer::Multipart::new(form.into_body().into_stream(), boundary);
        let (mut metadata, mut names) = (Value::Null, Vec::new());
        while let Some(part) = parts.next_field().await.unwrap() {
            let name = part.name().unwrap().to_owned();
            if name == "metadata" {
                assert_eq!((part.file_name(), part.content_type()), (None, None));
                metadata = serde_json::from_slice(&part.bytes().await.unwrap()).unwrap();
            } else {
                assert_eq!(part.file_name(), Some(name.as_str()));
                names.push(name);
            }
        }
        (metadata, names)
    }

    #[tokio::test]
    async fn an_upload_holds_metadata_and_every_module() {
        let mut upload = upload();
        let name = "KEY".parse().unwrap();
        let secret = KnownBinding::SecretText { text: Some(Secret::new("hunter2")) };
        upload.bindings = vec![Binding::new(&name, secret.into())];
        upload.keep_bindings = vec!["secret_text".to_owned()];
        upload.message = Some("deployed \"now\"\n".to_owned());
        upload.other.insert("usage_model".to_owned(), json!("standard"));
        upload.other.insert("main_module".to_owned(), json!("not this"));
        let (metadata, names) = sent(&upload).await;
        assert_eq!(names, ["index.js", "./b.js"]);
        assert_eq!(
            metadata,
            json!({
                "main_module": "index.js",
                "bindings": [{"name": "KEY", "type": "secret_text", "text": "hunter2"}],
                "compatibility_date": "2026-11-01",
                "compatibility_flags": [],
                "keep_bindings": ["secret_text"],
                "annotations": {"workers/message": "deployed \"now\"\n"},
                "usage_model": "standard",
            })
        );
    }

    #[tokio::test]
    async fn a_worker_that_only_serves_assets_has_metadata_alone() {
        let assets = UploadAssets { completion_token: Secret::new("jwt"), config: Map::new() };
        let upload = WorkerUpload {
            assets: Some(assets),
            compatibility_date: Some("2026-11-01".to_owned()),
            ..WorkerUpload::default()
        };
        let (metadata, names) = sent(&upload).await;
        assert!(names.is_empty());
        assert_eq!(metadata["assets"], json!({"jwt": "jwt", "config": {}}));
        assert_eq!(metadata.get("main_module"), None);
        assert_eq!(metadata.get("bindings"), None);
    }

    #[test]
    fn an_upload_that_contradicts_itself_is_refused() {
        let mut missing = upload();
        missing.entry = Entry::MainModule("other.js".to_owned());
        assert!(
            matches!(missing.to_form(), Err(UploadError::EntryMissing(name)) if name == "other.js")
        );
        for name in ["index.js", "metadata"] {
            let mut twice = upload();
            twice.modules.push(module(name));
            assert!(matches!(twice.to_form(), Err(UploadError::NameTaken(taken)) if taken == name));
        }
        let mut bound = upload();
        let binding = Binding::new(&"A".parse().unwrap(), KnownBinding::Ai.into());
        bound.bindings = vec![binding.clone(), binding];
        assert!(matches!(bound.to_form(), Err(UploadError::BindingTwice(name)) if name == "A"));
        let mut odd = upload();
        odd.modules.push(module("a\0b"));
        assert!(matches!(odd.to_form(), Err(UploadError::Form(FormError::Name(_)))));
    }

    #[test]
    fn debug_shows_no_secret() {
        let assets = UploadAssets { completion_token: Secret::new("hunter2"), config: Map::new() };
        let upload = WorkerUpload { assets: Some(assets), ..upload() };
        assert!(!format!("{upload:?} {:?}", upload.to_form().unwrap()).contains("hunter2"));
    }
}
