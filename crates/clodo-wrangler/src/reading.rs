//! A whole config in one environment, as wrangler's own reader answers it.
use crate::{
    checks::{
        top_level, unique_names,
        values::{not_of_type, only_known},
    },
    diagnostics::Diagnostics,
    environment::{Above, Section, effective, with_text},
    fields::known_fields,
    javascript::json_texts,
    node::{Entry, Kind, Node, Record, Type},
    paths,
};

/// What the top level may have besides what every environment may have.
const TOP_LEVEL: &[&str] = &[
    "configPath",
    "userConfigPath",
    "topLevelName",
    "definedEnvironments",
    "targetEnvironment",
    "pages_build_output_dir",
    "send_metrics",
    "dependencies_instrumentation",
    "keep_vars",
    "addresses",
    "dev",
    "site",
    "alias",
    "wasm_modules",
    "text_blobs",
    "data_blobs",
    "env",
    "$schema",
];

/// The effective config and everything wrangler would say.
pub(crate) struct Effective {
    pub(crate) config: Record,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) has_environment: bool,
}

/// A file to read: its content, and its name as messages give it.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    pub(crate) root: &'a Record,
    pub(crate) shown_path: &'a str,
    pub(crate) name: &'a str,
}

impl File<'_> {
    pub(crate) fn environments(&self) -> Vec<String> {
        self.root
            .get("env")
            .map(Node::keys)
            .unwrap_or_default()
            .into_iter()
            .map(|(k, _)| k)
            .collect()
    }

    pub(crate) fn read(self, environment: Option<&str>) -> Effective {
        let mut d = Diagnostics::new(format!("Processing {} configuration:", self.shown_path));
        let mut raw = self.root.clone();
        top_level::first(&mut d, &mut raw);
        if let Some(env) = raw.get("env").filter(|env| env.record().is_none() && !env.is_null()) {
            d.error(env.at, not_of_type("env", Type::Object, Some(env)));
        }
        let top = Section { raw: &raw, at: 0, file: self.name, above: None };
        let top = effective(&mut d, top);
        let chosen = environment.filter(|name| !name.is_empty());
        let named = chosen.map(|name| self.named(&mut d, &raw, &top, name));
        let has_environment = named.as_ref().is_some_and(|(_, found)| *found);
        let active = named.map_or(top, |(active, _)| active);
        let config = whole(&mut d, &raw, active);
        Effective { config, diagnostics: d, has_environment }
    }

    fn named(self, d: &mut Diagnostics, raw: &Record, top: &Record, name: &str) -> (Record, bool) {
        let mut child = Diagnostics::new(format!("\"env.{name}\" environment configuration"));
        let found = raw.get("env").and_then(|all| all.get(name));
        let absent = found.is_none();
        let above = Some(Above { name, top, written: raw, absent });
        let section = found.and_then(Node::record).unwrap_or(top);
        let at = found.map_or(0, |found| found.at);
        let section = Section { raw: section, at, file: self.name, above };
        let active = effective(&mut child, section);
        match found {
            Some(node) if node.record().is_none() => {
                d.error(node.at, not_of_type(&format!("env.{name}"), Type::Object, found));
            }
            Some(_) => d.add_child(child),
            // A Pages project has environments without sections.
            None if raw.contains("pages_build_output_dir") => return (top.clone(), false),
            None => self.not_found(d, raw, name),
        }
        (active, !absent)
    }

    fn not_found(self, d: &mut Diagnostics, raw: &Record, name: &str) {
        let defined = raw.entry("env").filter(|entry| entry.value.is_truthy());
        let known = defined.map_or_else(String::new, |_| {
            let names = json_texts(self.environments());
            format!("The available configured environment names are: {names}\n")
        });
        let message = format!(
            "No environment found in configuration with name \"{name}\".\nBefore using `--env={name}` there should be an equivalent environment section in the configuration.\n{known}\nConsider adding an environment configuration section to the {} file:\n```\n[env.{name}]\n```\n",
            self.name
        );
        match defined {
            Some(entry) => d.error(entry.key_at, message),
            None => d.warn("wrangler-no-environment", 0, message),
        }
    }
}

// Around the environment goes what only the top level says.
fn whole(d: &mut Diagnostics, raw: &Record, mut config: Record) -> Record {
    top_level::dev(d, raw.get("dev"));
    let has_main = config.get("main").is_some_and(Node::is_truthy);
    top_level::site(d, raw.get("site"), has_main);
    config.set("alias", top_level::alias(d, raw.get("alias")));
    for field in ["wasm_modules", "text_blobs", "data_blobs"] {
        config.set(field, top_level::module_paths(d, field, raw.get(field)));
    }
    let kept = ["send_metrics", "dependencies_instrumentation", "keep_vars", "addresses", "site"];
    for field in kept {
        config.set(field, raw.get(field).cloned());
    }
    let pages = raw.get("pages_build_output_dir").cloned();
    config.set("pages_build_output_dir", pages.map(|value| with_text(value, paths::normalised)));
    unique_names::check(d, &config);
    let known: Vec<_> =
        known_fields().chain(TOP_LEVEL.iter().copied()).chain(["node_compat"]).collect();
    let node = Node { at: 0, kind: Kind::Record(raw.clone()) };
    only_known(d, "top-level", &node, &known);
    python(d, &mut config);
    config
}

// A Python entry point switches bundling off and adds its modules.
fn python(d: &mut Diagnostics, config: &mut Record) {
    let main = config.get("main").and_then(Node::text);
    if !main.is_some_and(|main| main.ends_with(".py")) {
        return;
    }
    let at = config.get("main").map_or(0, |main| main.at);
    let text = |text: &str| Node::default_of(Kind::Text(text.to_owned()));
    let mut rules = config.get("rules").and_then(Node::list).unwrap_or_default().to_vec();
    let python = |rule: &Node| rule.get("type").and_then(Node::text) == Some("PythonModule");
    if !rules.iter().any(python) {
        let globs = Node::default_of(Kind::List(vec![text("**/*.py")]));
        let entry = |key: &str, value| Entry { key: key.to_owned(), key_at: at, value };
        let rule = vec![entry("type", text("PythonModule")), entry("globs", globs)];
        rules.push(Node { at, kind: Kind::Record(Record::new(rule).0) });
    }
    config.set("rules", Some(Node { at, kind: Kind::List(rules) }));
    config.set("no_bundle", Some(Node { at, kind: Kind::Bool(true) }));
    let flags = config.get("compatibility_flags").and_then(Node::list).unwrap_or_default();
    if !flags.iter().any(|flag| flag.text() == Some("python_workers")) {
        d.error(at, "The `python_workers` compatibility flag is required to use Python.");
    }
}
