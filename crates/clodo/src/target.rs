mod workflows;

use crate::{
    load_error::{LoadError, LoadErrorKind},
    migrations::{self, Wanted},
    naming::Naming,
    plain_bindings::plain_bindings,
    project::ServiceConfig,
};
use clodo_bundle::Bundle;
use clodo_config::TargetSpec;
use clodo_orchestrator::{
    Delivery, DesiredBucket, DesiredConsumer, DesiredDatabase, DesiredDurableObject,
    DesiredNamespace, DesiredQueue, DesiredService, DesiredTarget, MigrationFile, ResourceRef,
    Route, WorkersDev,
};
use clodo_types::{NameError, SecretName, WorkerName};
use clodo_wrangler::{Assets, NotFoundHandling, RunWorkerFirst};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Finds the Worker that a name in a wrangler config means.
type WorkerOf<'a> = &'a (dyn Fn(&WorkerName, Option<&str>) -> Result<WorkerName, LoadError> + Sync);

/// What one target is put together from.
pub(crate) struct Parts<'a> {
    pub(crate) spec: &'a TargetSpec,
    pub(crate) files: &'a ServiceConfig,
    pub(crate) migrations: &'a BTreeMap<Wanted, Vec<MigrationFile>>,
    pub(crate) naming: &'a Naming,
    /// Whether ids in the wrangler config count; else resources are found by name.
    pub(crate) ids_count: bool,
    pub(crate) worker_of: WorkerOf<'a>,
}

impl Parts<'_> {
    /// The target as it should be.
    pub(crate) fn desired(&self, bundle: Arc<Bundle>) -> Result<DesiredTarget, LoadError> {
        let config = &self.files.config;
        let worker = self.naming.worker().clone();
        let mut target = DesiredTarget::new(self.spec.id.clone(), worker, bundle);
        target.compatibility_date.clone_from(&config.compatibility_date);
        target.compatibility_flags.clone_from(&config.compatibility_flags);
        target.version_metadata.clone_from(&config.version_metadata);
        target.crons.clone_from(&config.crons);
        target.health.clone_from(&self.spec.health);
        target.object_migrations.clone_from(&config.migrations);
        let declared = self.spec.secrets.iter().map(|secret| &secret.name);
        target.secrets = declared.chain(&config.required_secrets).cloned().collect();
        self.vars(&mut target);
        self.resources(&mut target).map_err(|error| self.unnamable(error))?;
        self.queues(&mut target).map_err(|error| self.unnamable(error))?;
        target.plain_bindings =
            plain_bindings(&config.other).map_err(|error| self.unnamable(error))?;
        self.outbound_workers(&mut target)?;
        target.workflows = workflows::workflows(self)?;
        self.bindings(&mut target)?;
        self.settings(&mut target);
        self.tails(&mut target)?;
        self.addresses(&mut target)?;
        self.no_secret_in_the_open(&target)?;
        Ok(target)
    }

    /// The wrangler config's variables are the weakest of all.
    fn vars(&self, target: &mut DesiredTarget) {
        target.vars.clone_from(&self.files.config.vars);
        let own = self.spec.vars.iter().map(|(name, var)| (name.clone(), var.value.clone()));
        target.vars.extend(own);
    }

    fn no_secret_in_the_open(&self, target: &DesiredTarget) -> Result<(), LoadError> {
        let is_var =
            |name: &&SecretName| target.vars.keys().any(|var| var.as_str() == name.as_str());
        let Some(name) = target.secrets.iter().find(is_var) else { return Ok(()) };
        let message =
            format!("{}: `{name}` is a secret and a variable of {}", self.shown(), target.id);
        let hint =
            "take it out of `vars`: what stands there is public to everybody who reads files";
        Err(LoadError::new(LoadErrorKind::Config, message).with_hint(hint))
    }

    fn resources(&self, target: &mut DesiredTarget) -> Result<(), NameError> {
        let config = &self.files.config;
        for database in &config.d1_databases {
            let named = self.naming.database(&database.binding, database.database_name.as_ref())?;
            let id = database.database_id.clone().filter(|_| self.ids_count);
            target.databases.push(DesiredDatabase {
                binding: database.binding.clone(),
                resource: id.map_or(ResourceRef::Name(named), ResourceRef::Id),
                migrations: self
                    .migrations
                    .get(&migrations::wanted(database))
                    .cloned()
                    .unwrap_or_default(),
                migrations_table: database.migrations_table.clone(),
            });
        }
        for namespace in &config.kv_namespaces {
            let id = namespace.id.clone().filter(|_| self.ids_count);
            let named = self.naming.namespace(&namespace.binding)?;
            target.namespaces.push(DesiredNamespace {
                binding: namespace.binding.clone(),
                resource: id.map_or(ResourceRef::Name(named), ResourceRef::Id),
            });
        }
        for bucket in &config.r2_buckets {
            target.buckets.push(DesiredBucket {
                binding: bucket.binding.clone(),
                name: self.naming.bucket(&bucket.binding, bucket.bucket_name.as_ref())?,
                jurisdiction: bucket.jurisdiction.clone(),
            });
        }
        Ok(())
    }

    fn queues(&self, target: &mut DesiredTarget) -> Result<(), NameError> {
        let config = &self.files.config;
        for producer in &config.queue_producers {
            let (binding, name) = (producer.binding.clone(), self.naming.queue(&producer.queue)?);
            target.queues.push(DesiredQueue { binding, name });
        }
        for consumer in &config.queue_consumers {
            let letters = consumer.dead_letter_queue.as_ref();
            let delivery = Delivery {
                dead_letter_queue: letters.map(|own| self.naming.queue(own)).transpose()?,
                batch_size: consumer.max_batch_size,
                max_concurrency: consumer.max_concurrency,
                max_retries: consumer.max_retries,
                max_wait_time_ms: consumer.max_batch_timeout_ms,
                retry_delay: consumer.retry_delay,
            };
            let queue = self.naming.queue(&consumer.queue)?;
            target.consumers.push(DesiredConsumer { queue, delivery });
        }
        Ok(())
    }

    /// The Worker that sees what a dispatch namespace's Workers ask for is called as this portfolio calls
    /// it.
    fn outbound_workers(&self, target: &mut DesiredTarget) -> Result<(), LoadError> {
        for fields in target.plain_bindings.values_mut() {
            let outbound =
                fields.get_mut("outbound").and_then(|outbound| outbound.get_mut("worker"));
            let Some(outbound) = outbound.and_then(Value::as_object_mut) else { continue };
            let text = |key: &str| outbound.get(key).and_then(Value::as_str);
            let service: WorkerName = text("service")
                .unwrap_or_default()
                .parse()
                .map_err(|error| self.unnamable(error))?;
            let worker = (self.worker_of)(&service, text("environment"))?;
            outbound.remove("environment");
            outbound.insert("service".to_owned(), json!(worker));
        }
        Ok(())
    }

    /// Workers that receive events are called as this portfolio calls them.
    fn tails(&self, target: &mut DesiredTarget) -> Result<(), LoadError> {
        let config = &self.files.config;
        let mut named = Vec::with_capacity(config.tail_consumers.len());
        for consumer in &config.tail_consumers {
            let text = |key: &str| consumer.get(key).and_then(Value::as_str);
            let service: WorkerName = text("service")
                .unwrap_or_default()
                .parse()
                .map_err(|error| self.unnamable(error))?;
            let worker = (self.worker_of)(&service, text("environment"))?;
            named.push(json!({ "service": worker }));
            target.tails.insert(worker);
        }
        if !named.is_empty() {
            target.worker_settings.insert("tail_consumers".into(), Value::Array(named));
        }
        Ok(())
    }

    fn bindings(&self, target: &mut DesiredTarget) -> Result<(), LoadError> {
        for service in &self.files.config.services {
            target.services.push(DesiredService {
                binding: service.binding.clone(),
                worker: (self.worker_of)(&service.service, service.environment.as_deref())?,
                entrypoint: service.entrypoint.clone(),
                props: service.props.clone(),
            });
        }
        for object in &self.files.config.durable_objects {
            let holder = object.script_name.as_ref();
            let worker = holder.map(|holder| (self.worker_of)(holder, None)).transpose()?;
            target.durable_objects.push(DesiredDurableObject {
                binding: object.name.clone(),
                class_name: object.class_name.clone(),
                worker,
            });
        }
        Ok(())
    }

    fn settings(&self, target: &mut DesiredTarget) {
        let config = &self.files.config;
        let versioned = [("placement", &config.placement), ("limits", &config.limits)];
        for (key, value) in versioned {
            target.version_settings.extend(value.clone().map(|value| (key.to_owned(), value)));
        }
        let switches =
            [("keep_vars", config.keep_vars), ("upload_source_maps", config.upload_source_maps)];
        let on = switches.into_iter().filter(|(_, on)| *on);
        target.version_settings.extend(on.map(|(key, on)| (key.to_owned(), Value::Bool(on))));
        let settings = &mut target.worker_settings;
        // As wrangler does: without the key it is off. The other two are left as they are.
        settings.insert("observability".into(), config.observability.clone().unwrap_or_default());
        settings.extend(config.logpush.map(|on| ("logpush".into(), Value::Bool(on))));
        if let Some(assets) = &config.assets {
            target.assets_binding.clone_from(&assets.binding);
            target.assets_config = assets_config(assets);
        }
    }

    fn addresses(&self, target: &mut DesiredTarget) -> Result<(), LoadError> {
        let config = &self.files.config;
        target.domains = self.spec.domains.iter().cloned().collect();
        // Routes belong to one Worker: those of a config that several environments or customers
        // share would make each of them take the others' traffic.
        for route in config.routes.iter().filter(|_| self.naming.is_plain()) {
            match route {
                clodo_wrangler::Route::CustomDomain(hostname) => {
                    target.domains.insert(hostname.clone());
                }
                clodo_wrangler::Route::Pattern { pattern, zone_name, zone_id } => {
                    let parsed = |error: NameError| self.unnamable(error);
                    target.routes.push(Route {
                        pattern: pattern.clone(),
                        zone_name: zone_name
                            .as_deref()
                            .map(str::parse)
                            .transpose()
                            .map_err(parsed)?,
                        zone_id: zone_id.as_deref().map(str::parse).transpose().map_err(parsed)?,
                    });
                }
            }
        }
        // wrangler's default: on, unless the Worker has addresses of its own.
        let addressed = !target.routes.is_empty() || !target.domains.is_empty();
        let enabled = config.workers_dev.unwrap_or(!addressed);
        let previews = config.preview_urls.unwrap_or(enabled);
        target.workers_dev = WorkersDev { enabled, previews };
        Ok(())
    }

    pub(crate) fn shown(&self) -> std::path::Display<'_> {
        self.files.shown.display()
    }

    pub(crate) fn unnamable(&self, error: NameError) -> LoadError {
        let message = format!("{}: {} cannot be deployed", self.shown(), self.spec.id);
        LoadError::new(LoadErrorKind::Config, message).with_source(error)
    }
}

fn assets_config(assets: &Assets) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(handling) = &assets.html_handling {
        config.insert("html_handling".into(), json!(handling));
    }
    if let Some(handling) = assets.not_found_handling {
        let word = match handling {
            NotFoundHandling::None => "none",
            NotFoundHandling::NotFoundPage => "404-page",
            NotFoundHandling::SinglePageApplication => "single-page-application",
        };
        config.insert("not_found_handling".into(), json!(word));
    }
    match &assets.run_worker_first {
        None => {}
        Some(RunWorkerFirst::Always(always)) => {
            config.insert("run_worker_first".into(), json!(always));
        }
        Some(RunWorkerFirst::Paths(paths)) => {
            config.insert("run_worker_first".into(), json!(paths));
        }
    }
    config
}

/// Keys of a wrangler config that bind something which `clodo-deploy` cannot deploy yet. Leaving
/// one out silently would deploy a Worker that lacks what its code calls.
const NOT_YET: [&str; 8] = [
    "containers",
    "data_blobs",
    "logfwdr",
    "site",
    "text_blobs",
    "unsafe",
    "unsafe_hello_world",
    "wasm_modules",
];

/// Refuses a config that asks for what cannot be deployed yet.
pub(crate) fn check_supported(files: &ServiceConfig) -> Result<(), LoadError> {
    let shown = files.shown.display();
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => {
            fields.values().all(|value| value.as_array().is_some_and(Vec::is_empty))
        }
        _ => false,
    };
    let asked = |key: &&&str| files.config.other.get(**key).is_some_and(|value| !empty(value));
    if let Some(key) = NOT_YET.iter().find(asked) {
        let message = format!("{shown}: `{key}` cannot be deployed by Clodo yet");
        let hint = "deploy this service with wrangler, or remove the key";
        return Err(LoadError::new(LoadErrorKind::Config, message).with_hint(hint));
    }
    if files.config.r2_buckets.iter().any(|bucket| bucket.jurisdiction.is_some()) {
        let message = format!("{shown}: a bucket's `jurisdiction` cannot be kept to by Clodo yet");
        let hint = "deploy this service with wrangler, or remove the key";
        return Err(LoadError::new(LoadErrorKind::Config, message).with_hint(hint));
    }
    if files.config.compatibility_date.is_none() {
        let message = format!("{shown}: `compatibility_date` is missing");
        let hint = "add the date of today, as in `compatibility_date = \"2026-04-01\"`";
        return Err(LoadError::new(LoadErrorKind::Config, message).with_hint(hint));
    }
    Ok(())
}
