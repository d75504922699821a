//! What stands at the top level only.
use super::values::{Property, not_of_type, only_known, optional_typed_list, typed_list};
use crate::{
    diagnostics::Diagnostics,
    javascript::template,
    node::{Entry, Kind, Node, Record, Type},
    paths,
};

/// The first of wrangler's checks, and what it no longer reads.
pub(crate) fn first(d: &mut Diagnostics, raw: &mut Record) {
    if let Some(entry) = raw.remove("legacy_env") {
        d.error(entry.key_at, "The \"legacy_env\" field is no longer supported, so please remove it from your configuration file.\nService environments have been removed, and each environment is now deployed as its own Worker named \"<name>-<environment>\". This matches the behaviour of \"legacy_env = true\", which was the default, so removing the field will not change how your Worker is deployed.\nRefer to https://developers.cloudflare.com/workers/wrangler/environments/ for more information.");
    }
    optional(d, raw, "send_metrics", Type::Boolean);
    if let Some(value) = raw.get("dependencies_instrumentation") {
        instrumentation(d, value);
    }
    optional(d, raw, "keep_vars", Type::Boolean);
    optional_typed_list(d, "addresses", raw.get("addresses"));
    optional(d, raw, "pages_build_output_dir", Type::String);
    optional(d, raw, "$schema", Type::String);
}

fn optional(d: &mut Diagnostics, raw: &Record, key: &str, kind: Type) {
    if let Some(value) = raw.get(key) {
        Property { container: "", key, value: Some(value), at: value.at }.required(d, kind);
    }
}

fn instrumentation(d: &mut Diagnostics, value: &Node) {
    let name = "dependencies_instrumentation";
    let property = Property { container: "", key: name, value: Some(value), at: value.at };
    if property.required(d, Type::Object) {
        Property::of(name, value, "enabled").optional(d, Type::Boolean);
        let excluded = value.get("exclude_packages");
        optional_typed_list(d, &format!("{name}.exclude_packages"), excluded);
        only_known(d, name, value, &["enabled", "exclude_packages"]);
    }
}

/// `build`, checked, with wrangler's default for the folder to watch.
pub(crate) fn build(d: &mut Diagnostics, build: Option<&Node>) -> Node {
    let empty = Node::default_of(Kind::Record(Record::default()));
    let build = build.unwrap_or(&empty);
    only_known(d, "build", build, &["command", "cwd", "watch_dir"]);
    Property::of("build", build, "command").optional(d, Type::String);
    Property::of("build", build, "cwd").optional(d, Type::String);
    let watched = build.get("watch_dir");
    match watched.map(|node| &node.kind) {
        Some(Kind::List(_)) => optional_typed_list(d, "build.watch_dir", watched),
        _ => {
            Property::of("build", build, "watch_dir").optional(d, Type::String);
        }
    }
    let watched = watched.cloned().unwrap_or_else(|| Node::default_of(Kind::Text("./src".into())));
    let used = build.get("command").is_some_and(Node::is_truthy);
    let mut out = Record::default();
    out.set("command", build.get("command").cloned());
    out.set("watch_dir", Some(if used { relative(&watched) } else { watched }));
    out.set("cwd", build.get("cwd").cloned());
    Node { at: build.at, kind: Kind::Record(out) }
}

fn relative(watched: &Node) -> Node {
    let kind = match &watched.kind {
        Kind::List(items) => Kind::List(items.iter().map(relative).collect()),
        _ => Kind::Text(paths::below(&template(watched))),
    };
    Node { at: watched.at, kind }
}

const DEV: [(&str, Type); 10] = [
    ("ip", Type::String),
    ("port", Type::Number),
    ("inspector_port", Type::Number),
    ("inspector_ip", Type::String),
    ("local_protocol", Type::String),
    ("upstream_protocol", Type::String),
    ("host", Type::String),
    ("enable_containers", Type::Boolean),
    ("container_engine", Type::String),
    ("generate_types", Type::Boolean),
];

/// `dev`, which only wrangler's own development server uses.
pub(crate) fn dev(d: &mut Diagnostics, dev: Option<&Node>) {
    let Some(dev) = dev else { return };
    only_known(d, "dev", dev, &DEV.map(|(key, _)| key));
    for (key, kind) in DEV {
        let mut property = Property::of("dev", dev, key);
        if key == "upstream_protocol" && property.value.is_none() {
            // It follows the local one, and so does what is wrong with it.
            property.value = dev.get("local_protocol");
        }
        if key.ends_with("_protocol") {
            property.optional_choice(d, &["http", "https"]);
        } else {
            property.optional(d, kind);
        }
    }
}

/// `site`, the forerunner of `assets`.
pub(crate) fn site(d: &mut Diagnostics, site: Option<&Node>, has_main: bool) {
    let Some(site) = site else { return };
    only_known(d, "site", site, &["bucket", "include", "exclude", "entry-point"]);
    Property::of("site", site, "bucket").required(d, Type::String);
    for key in ["include", "exclude"] {
        if let Some(value) = site.get(key) {
            typed_list(d, &format!("sites.{key}"), Some(value), value.at);
        }
    }
    let entry = Property::of("site", site, "entry-point");
    entry.optional(d, Type::String);
    if let Some(value) = entry.value {
        let folder = value.text().filter(|text| !text.is_empty()).unwrap_or("workers-site");
        let file = folder.rsplit('/').next().unwrap_or(folder);
        let is_file = file.rfind('.').is_some_and(|dot| dot > 0);
        let main = paths::joined(folder, if is_file { "" } else { "index.js" });
        d.warn("wrangler-deprecated", value.at, format!("Deprecation: \"site.entry-point\":\nDelete the `site.entry-point` field, then add the top level `main` field to your configuration file:\n```\nmain = \"{main}\"\n```"));
    }
    let has_entry = entry.value.is_some_and(Node::is_truthy);
    if !has_main && !has_entry {
        d.warn("wrangler-deprecated", site.at, "Because you've defined a [site] configuration, we're defaulting to \"workers-site\" for the deprecated `site.entry-point`field.\nAdd the top level `main` field to your configuration file:\n```\nmain = \"workers-site/index.js\"\n```");
    } else if has_main && has_entry {
        d.error(entry.at, "Don't define both the `main` and `site.entry-point` fields in your configuration.\nThey serve the same purpose: to point to the entry-point of your worker.\nDelete the deprecated `site.entry-point` field from your config.");
    }
}

/// `alias`, which is left out when something in it is wrong.
pub(crate) fn alias(d: &mut Diagnostics, alias: Option<&Node>) -> Option<Node> {
    let given = alias?;
    if given.type_of() != Type::Object {
        let kind = given.type_of().name();
        d.error(given.at, format!("Expected alias to be an object, but got {kind}"));
        return None;
    }
    let mut sound = true;
    for (key, _, value) in given.entries() {
        if value.text().is_none() {
            let kind = value.type_of().name();
            let message = format!("Expected alias[\"{key}\"] to be a string, but got {kind}");
            d.error(value.at, message);
            sound = false;
        }
    }
    sound.then(|| given.clone())
}

/// `wasm_modules` and its kin: names and the files they stand for.
pub(crate) fn module_paths(d: &mut Diagnostics, field: &str, given: Option<&Node>) -> Option<Node> {
    let given = given?;
    if given.type_of() != Type::Object {
        d.error(given.at, not_of_type(field, Type::Object, Some(given)));
    }
    let mut files = Vec::new();
    for (key, key_at, value) in given.entries() {
        match value.text() {
            Some(text) => {
                let value = Node { at: value.at, kind: Kind::Text(paths::below(text)) };
                files.push(Entry { key, key_at, value });
            }
            None => {
                let name = format!("{field}['{key}']");
                d.error(value.at, not_of_type(&name, Type::String, Some(value)));
            }
        }
    }
    Some(Node { at: given.at, kind: Kind::Record(Record::new(files).0) })
}
