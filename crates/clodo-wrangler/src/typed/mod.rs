//! From wrangler's effective config to checked types: what wrangler lets pass and Cloudflare
//! would refuse stops here, with its place in the file.
mod bindings;
mod settings;

use crate::{
    WorkerConfig,
    node::{NOWHERE, Node, Record},
    reading::Effective,
    source::Source,
};
use clodo_types::{BindingName, Finding, NameError, Severity, SourceError};
use std::{path::PathBuf, str::FromStr};

/// Collects what is wrong while values are taken out.
pub(crate) struct Reader<'a> {
    source: &'a Source,
    errors: Vec<SourceError>,
    notes: Vec<Finding>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, errors: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn finish(self) -> (Vec<SourceError>, Vec<Finding>) {
        (self.errors, self.notes)
    }

    fn refuse(&mut self, at: usize, message: impl Into<String>, hint: &str) {
        self.errors.push(self.source.error(at, message).with_hint(hint));
    }

    fn note(&mut self, severity: Severity, at: usize, message: &str, hint: &str) {
        self.notes.push(Finding {
            rule: "unsupported-setting".to_owned(),
            severity,
            at: Some(self.source.location(at)),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        });
    }

    /// A checked name; a missing or empty text is none.
    fn name<T: FromStr<Err = NameError>>(&mut self, node: Option<&Node>, hint: &str) -> Option<T> {
        let node = node?;
        let text = node.text().filter(|text| !text.is_empty())?;
        self.parsed(text, node.at, hint)
    }

    fn parsed<T: FromStr<Err = NameError>>(
        &mut self,
        text: &str,
        at: usize,
        hint: &str,
    ) -> Option<T> {
        text.parse().map_err(|error: NameError| self.refuse(at, error.to_string(), hint)).ok()
    }

    fn binding(&mut self, node: Option<&Node>) -> Option<BindingName> {
        let name = self.name(node, BINDING);
        if let Some(empty) = node.filter(|node| node.text() == Some("")) {
            self.refuse(empty.at, "the binding has no name", BINDING);
        }
        name
    }

    /// Every key of an object, as binding names.
    fn keyed<'n>(&mut self, node: Option<&'n Node>) -> Vec<(BindingName, &'n Node)> {
        let entries = node.and_then(Node::record).into_iter().flat_map(Record::iter);
        let mut all = Vec::new();
        for entry in entries {
            if let Some(name) = self.parsed(&entry.key, entry.key_at, BINDING) {
                all.push((name, &entry.value));
            }
        }
        all
    }
}

const BINDING: &str = "the code reaches it as `env.NAME`: use letters, digits, `_` and `$`";

fn text(node: Option<&Node>) -> Option<String> {
    node.and_then(Node::text).map(str::to_owned)
}

fn path(node: Option<&Node>) -> Option<PathBuf> {
    node.and_then(Node::text).map(PathBuf::from)
}

fn texts(node: Option<&Node>) -> Vec<String> {
    items(node).iter().filter_map(|item| text(Some(item))).collect()
}

fn items(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::list).unwrap_or_default()
}

fn flag(node: Option<&Node>) -> Option<bool> {
    node.and_then(Node::bool)
}

// What became a field of its own, or has no bearing on a deployment.
const TAKEN: &[&str] = &[
    "account_id",
    "addresses",
    "alias",
    "assets",
    "base_dir",
    "build",
    "compatibility_date",
    "compatibility_flags",
    "d1_databases",
    "define",
    "dependencies_instrumentation",
    "durable_objects",
    "find_additional_modules",
    "jsx_factory",
    "jsx_fragment",
    "keep_names",
    "keep_vars",
    "kv_namespaces",
    "limits",
    "logpush",
    "main",
    "migrations",
    "minify",
    "name",
    "no_bundle",
    "observability",
    "placement",
    "preserve_file_names",
    "preview_urls",
    "queues",
    "r2_buckets",
    "route",
    "routes",
    "rules",
    "secrets",
    "send_metrics",
    "services",
    "site",
    "tail_consumers",
    "triggers",
    "tsconfig",
    "upload_source_maps",
    "vars",
    "version_metadata",
    "workers_dev",
];

/// Takes the typed config out of wrangler's.
pub(crate) fn worker(
    reader: &mut Reader<'_>,
    effective: &Effective,
    root: &Record,
    environment: Option<&str>,
) -> WorkerConfig {
    let config = &effective.config;
    let mut worker =
        WorkerConfig { has_environment: effective.has_environment, ..WorkerConfig::default() };
    let section = environment.and_then(|name| root.get("env")?.get(name)?.get("name"));
    worker.name_from_environment = section.is_some_and(|name| !name.is_null());
    worker.name = reader.name(config.get("name"), "use letters, digits, `-` and `_`");
    settings::code(config, &mut worker);
    settings::bundling(config, &mut worker);
    settings::running(reader, config, &mut worker);
    settings::reached(reader, config, &mut worker);
    bindings::resources(reader, config, &mut worker);
    bindings::values(reader, config, &mut worker);
    settings::unsupported(reader, config);
    let rest = config.iter().filter(|entry| entry.value.at != NOWHERE);
    let rest = rest.filter(|entry| !TAKEN.contains(&entry.key.as_str()));
    worker.other = rest.map(|entry| (entry.key.clone(), entry.value.to_json())).collect();
    worker
}
