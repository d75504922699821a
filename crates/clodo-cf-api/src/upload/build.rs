use super::{
    Entry, Limits, Migrations, ModuleKind, Observability, Placement, TailConsumer, UploadAssets,
    UploadModule, WorkerUpload,
};
use crate::binding::{Binding, BindingKind};
use bytes::Bytes;
use clodo_types::BindingName;
use serde_json::{Value, json};

/// Kinds of bindings whose values nobody can read back.
const SECRET_KINDS: [&str; 2] = ["secret_text", "secret_key"];

impl WorkerUpload {
    /// A Worker of one ES module, to which others can be added.
    #[must_use]
    pub fn module_worker(name: impl Into<String>, source: impl Into<Bytes>) -> Self {
        let main = UploadModule::new(name, ModuleKind::EsModule, source);
        let entry = Entry::MainModule(main.name.clone());
        Self { entry, modules: vec![main], ..Self::default() }
    }

    /// A script in the service-worker format.
    #[must_use]
    pub fn script(name: impl Into<String>, source: impl Into<Bytes>) -> Self {
        let script = UploadModule::new(name, ModuleKind::CommonJs, source);
        Self {
            entry: Entry::BodyPart(script.name.clone()),
            modules: vec![script],
            ..Self::default()
        }
    }

    /// A Worker that only serves assets.
    #[must_use]
    pub fn only_assets(assets: UploadAssets) -> Self {
        Self { assets: Some(assets), ..Self::default() }
    }

    /// Adds a file.
    #[must_use]
    pub fn with_module(mut self, module: UploadModule) -> Self {
        self.modules.push(module);
        self
    }

    /// Adds a binding.
    #[must_use]
    pub fn with_binding(mut self, name: &BindingName, kind: impl Into<BindingKind>) -> Self {
        self.bindings.push(Binding::new(name, kind.into()));
        self
    }

    /// Sets the date whose runtime it wants, `YYYY-MM-DD`.
    #[must_use]
    pub fn compatible_with(mut self, date: impl Into<String>) -> Self {
        self.compatibility_date = Some(date.into());
        self
    }

    /// Adds a flag of the runtime, such as `nodejs_compat`.
    #[must_use]
    pub fn with_flag(mut self, flag: impl Into<String>) -> Self {
        self.compatibility_flags.push(flag.into());
        self
    }

    /// Carries the latest version's secrets over.
    #[must_use]
    pub fn keeping_secrets(mut self) -> Self {
        self.keep_bindings.extend(SECRET_KINDS.map(str::to_owned));
        self
    }

    /// Carries the latest version's assets over.
    #[must_use]
    pub fn keeping_assets(mut self) -> Self {
        self.keep_assets = true;
        self
    }

    /// Sets the static assets.
    #[must_use]
    pub fn with_assets(mut self, assets: UploadAssets) -> Self {
        self.assets = Some(assets);
        self
    }

    /// Sets what a person reads about the version.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Sets a name for the version, such as a revision.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Sets a name for its preview URL.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// Sets what becomes of classes of Durable Objects; only a full upload takes it.
    #[must_use]
    pub fn with_migrations(mut self, migrations: &Migrations) -> Self {
        self.migrations = Some(json!(migrations));
        self
    }

    /// Sets what is recorded of its invocations.
    #[must_use]
    pub fn with_observability(mut self, observability: &Observability) -> Self {
        self.observability = Some(json!(observability));
        self
    }

    /// Sets where it runs.
    #[must_use]
    pub fn with_placement(mut self, placement: &Placement) -> Self {
        self.placement = Some(json!(placement));
        self
    }

    /// Sets what an invocation may use.
    #[must_use]
    pub fn with_limits(mut self, limits: &Limits) -> Self {
        self.limits = Some(json!(limits));
        self
    }

    /// Adds a Worker that receives this one's events.
    #[must_use]
    pub fn with_tail_consumer(mut self, consumer: &TailConsumer) -> Self {
        self.tail_consumers.get_or_insert_default().push(json!(consumer));
        self
    }

    /// Sets a field of the metadata that this crate does not know.
    #[must_use]
    pub fn with_other(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(field.into(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{binding::KnownBinding, upload::AssetsConfig, upload::RunWorkerFirst};
    use clodo_types::Secret;

    #[test]
    fn a_built_upload_travels_as_wrangler_s_does() {
        let config = AssetsConfig {
            html_handling: Some("none".to_owned()),
            run_worker_first: Some(RunWorkerFirst::Paths(vec!["/api/*".to_owned()])),
            headers: Some("/*\n  a: b".to_owned()),
            ..AssetsConfig::default()
        };
        let upload = WorkerUpload::module_worker("index.js", "export default {}")
            .with_module(UploadModule::new("./a.wasm", ModuleKind::Wasm, "x"))
            .with_binding(&"ASSETS".parse().unwrap(), KnownBinding::Assets)
            .compatible_with("2026-11-01")
            .with_flag("nodejs_compat")
            .keeping_secrets()
            .keeping_assets()
            .with_assets(UploadAssets::new(Secret::new("jwt"), &config))
            .with_message("m")
            .with_tag("t")
            .with_alias("a")
            .with_migrations(&Migrations::first("v1", ["Room"]))
            .with_observability(&Observability { enabled: true, ..Observability::default() })
            .with_placement(&Placement::Smart)
            .with_limits(&Limits { cpu_ms: Some(50), subrequests: None })
            .with_tail_consumer(&TailConsumer {
                service: "log".parse().unwrap(),
                environment: None,
            })
            .with_other("cache_options", json!({"enabled": true}));
        assert_eq!(
            json!(upload.metadata().unwrap()),
            json!({
                "main_module": "index.js",
                "bindings": [{"name": "ASSETS", "type": "assets"}],
                "compatibility_date": "2026-11-01",
                "compatibility_flags": ["nodejs_compat"],
                "keep_bindings": ["secret_text", "secret_key"],
                "keep_assets": true,
                "assets": {"jwt": "jwt", "config": {
                    "html_handling": "none", "run_worker_first": ["/api/*"], "_headers": "/*\n  a: b",
                }},
                "annotations": {"workers/message": "m", "workers/tag": "t", "workers/alias": "a"},
                "migrations": {"new_tag": "v1", "steps": [{"new_sqlite_classes": ["Room"]}]},
                "observability": {"enabled": true},
                "placement": {"mode": "smart"},
                "limits": {"cpu_ms": 50},
                "tail_consumers": [{"service": "log"}],
                "cache_options": {"enabled": true},
            })
        );
        let kinds: Vec<_> = upload.modules.iter().map(UploadModule::kind).collect();
        assert_eq!(kinds, [Some(ModuleKind::EsModule), Some(ModuleKind::Wasm)]);
    }

    #[test]
    fn other_places_travel_by_their_names() {
        let region = Placement::Region { region: "aws:us-east-1".to_owned() };
        assert_eq!(json!(region), json!({"region": "aws:us-east-1"}));
        let script = WorkerUpload::script("worker.js", "addEventListener()");
        assert_eq!(script.metadata().unwrap()["body_part"], "worker.js");
    }
}
