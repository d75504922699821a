//! One environment in effect: what it says itself, what it inherits, and wrangler's defaults.
use crate::{
    checks::{Named, Scope, durable_objects, routes, top_level, values::only_known},
    diagnostics::Diagnostics,
    fields::{FIELDS, Field, From, known_fields, no_items},
    node::{Kind, Node, Record},
    paths,
};

/// A part of the file that describes an environment: the top level, or a section of `env`.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    pub(crate) raw: &'a Record,
    pub(crate) at: usize,
    /// The file's name, for advice.
    pub(crate) file: &'a str,
    pub(crate) above: Option<Above<'a>>,
}

/// What a named environment stands under.
#[derive(Clone, Copy)]
pub(crate) struct Above<'a> {
    pub(crate) name: &'a str,
    /// The top level in effect.
    pub(crate) top: &'a Record,
    /// The top level as written.
    pub(crate) written: &'a Record,
    /// True when the file has no section of that name, so that all comes from the top level.
    pub(crate) absent: bool,
}

/// Checks a section and fills it up.
pub(crate) fn effective(d: &mut Diagnostics, section: Section<'_>) -> Record {
    let mut raw = section.raw.clone();
    before(d, &section, &mut raw);
    let section = Section { raw: &raw, ..section };
    let mut out = Record::default();
    for field in FIELDS {
        section.fill(d, field, &mut out);
        if field.name == "routes" {
            routes::together(d, section.scope("routes"), &raw);
        }
    }
    durable_objects::lifecycle(d, section.file, &out);
    if let Some(above) = section.above {
        let node = Node { at: section.at, kind: Kind::Record(raw.clone()) };
        let known: Vec<_> = known_fields().collect();
        only_known(d, &format!("env.{}", above.name), &node, &known);
    }
    out
}

fn before(d: &mut Diagnostics, section: &Section<'_>, raw: &mut Record) {
    if let Some(entry) = raw.remove("node_compat") {
        d.error(entry.key_at, "Removed: \"node_compat\":\nThe \"node_compat\" field is no longer supported as of Wrangler v4. Instead, use the `nodejs_compat` compatibility flag. This includes the functionality from legacy `node_compat` polyfills and natively implemented Node.js APIs. See https://developers.cloudflare.com/workers/runtime-apis/nodejs for more information.");
    }
    let told = section.above.is_some_and(|above| above.written.contains("unsafe"));
    if let Some(entry) = raw.entry("unsafe").filter(|_| !told) {
        d.warn(
            "wrangler-experimental",
            entry.key_at,
            "\"unsafe\" fields are experimental and may change or break at any time.",
        );
    }
    for field in ["route", "account_id"] {
        if raw.get(field).and_then(Node::text) == Some("") {
            let at = raw.remove(field).map_or(section.at, |entry| entry.key_at);
            d.warn("wrangler-empty-field", at, format!("The \"{field}\" field in your configuration is an empty string and will be ignored.\nPlease remove the \"{field}\" field from your configuration."));
        }
    }
}

impl<'a> Section<'a> {
    fn scope<'b>(&'b self, field: &'b str) -> Scope<'b> {
        let named = self.above.map(|above| Named { name: above.name, top: above.top });
        Scope { field, at: self.at, named }
    }

    fn fill(&self, d: &mut Diagnostics, field: &Field, out: &mut Record) {
        let given = self.raw.get(field.name);
        let value = match field.from {
            From::Own => self.own(d, field, given),
            From::Build => {
                let build = given.filter(|value| !value.is_null()).or(self.top(field.name));
                Some(top_level::build(d, build))
            }
            From::Inherited | From::Suffixed | From::Path | From::Below => {
                (field.check)(d, self.scope(field.name), given);
                let absent = self.above.is_some_and(|above| above.absent);
                let own = given.filter(|value| !value.is_null() && !absent);
                own.cloned().or_else(|| self.inheritance(field))
            }
        };
        let value = value.or_else(|| field.default.map(|default| Node::default_of(default())));
        let value = match field.from {
            From::Path => value.map(|value| with_text(value, paths::normalised)),
            From::Below => value.map(|value| with_text(value, paths::below)),
            _ if field.name == "durable_objects" => value.map(with_bindings),
            _ => value,
        };
        out.set(field.name, value);
    }

    fn own(&self, d: &mut Diagnostics, field: &Field, given: Option<&Node>) -> Option<Node> {
        if given.is_some() {
            (field.check)(d, self.scope(field.name), given);
        } else if let Some(above) = self.above.filter(|above| above.written.contains(field.name)) {
            let (field, env) = (field.name, above.name);
            d.warn("wrangler-not-inherited", self.at, format!("\"{field}\" exists at the top level, but not on \"env.{env}\".\nThis is not what you probably want, since \"{field}\" is not inherited by environments.\nPlease add \"{field}\" to \"env.{env}\"."));
        }
        given.filter(|value| !value.is_null()).cloned()
    }

    fn top(&self, field: &str) -> Option<&'a Node> {
        self.above?.top.get(field).filter(|value| !value.is_null())
    }

    fn inheritance(&self, field: &Field) -> Option<Node> {
        let value = self.top(field.name)?;
        let Some(above) = self.above.filter(|_| matches!(field.from, From::Suffixed)) else {
            return Some(value.clone());
        };
        let text = value.text().filter(|text| !text.is_empty())?;
        Some(Node { at: value.at, kind: Kind::Text(format!("{text}-{}", above.name)) })
    }
}

/// A text changed; anything else stays.
pub(crate) fn with_text(value: Node, change: fn(&str) -> String) -> Node {
    match &value.kind {
        Kind::Text(text) => Node { at: value.at, kind: Kind::Text(change(text)) },
        _ => value,
    }
}

fn with_bindings(value: Node) -> Node {
    let Kind::Record(mut record) = value.kind else { return value };
    if record.get("bindings").is_none_or(Node::is_null) {
        record.set("bindings", Some(Node::default_of(no_items())));
    }
    Node { at: value.at, kind: Kind::Record(record) }
}
