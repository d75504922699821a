//! `env`, as workerd's config describes it.

use super::{
    blueprint::service_name,
    calls,
    capnp::Fields,
    modules::{self, bare},
    services::{Callee, Services},
};
use crate::seams::{Generation, PartKind, ServedBinding, ServedVersion};
use bytes::Bytes;
use clodo_types::Secret;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The longest secret that fits into an environment variable on every system.
pub(crate) const MAX_SECRET_BYTES: usize = 30_000;

pub(crate) struct BindingContext<'a, 'b> {
    pub(crate) generation: &'b Generation,
    pub(crate) version: &'b ServedVersion,
    pub(crate) service: &'b str,
    pub(crate) dangling: &'b BTreeSet<(String, String)>,
    pub(crate) services: &'b mut Services<'a>,
    pub(crate) environment: &'b mut Vec<(String, Secret)>,
    pub(crate) files: &'b mut BTreeMap<String, Bytes>,
}

/// Every binding of the version; where a name comes twice, the last one counts.
pub(crate) fn all(context: &mut BindingContext<'_, '_>) -> Vec<String> {
    let last: BTreeMap<&String, &ServedBinding> =
        context.version.bindings.iter().map(|(name, binding)| (name, binding)).collect();
    last.into_iter()
        .filter_map(|(name, binding)| {
            let fields = value(context, name, binding)?;
            Some(fields.text("name", name).done())
        })
        .collect()
}

/// The version that stands for a script where only one can: that with the most traffic.
pub(crate) fn home_version<'a>(generation: &'a Generation, script: &str) -> Option<&'a str> {
    let split = generation.live.get(script)?;
    let mut best: Option<&(String, f64)> = None;
    for candidate in split {
        if best.is_none_or(|best| candidate.1 > best.1) {
            best = Some(candidate);
        }
    }
    best.map(|(version, _)| version.as_str())
}

/// A secret that can be handed over in an environment variable.
pub(crate) fn fits_environment(secret: &Secret) -> bool {
    let text = secret.expose();
    text.len() <= MAX_SECRET_BYTES && !text.contains('\0')
}

fn value(
    context: &mut BindingContext<'_, '_>,
    name: &str,
    binding: &ServedBinding,
) -> Option<Fields> {
    let fields = Fields::default();
    Some(match binding {
        ServedBinding::Text(text) => fields.text("text", text),
        ServedBinding::Json(value) => fields.text("json", &value.to_string()),
        ServedBinding::Secret(secret) => return secret_field(context, secret),
        ServedBinding::Kv { namespace_id } => {
            fields.text("kvNamespace", &context.services.resource("kv", namespace_id))
        }
        ServedBinding::D1 { database_id } => d1(&context.services.resource("d1", database_id)),
        ServedBinding::R2 { bucket } => {
            fields.text("r2Bucket", &context.services.resource("r2", bucket))
        }
        ServedBinding::Service { .. } => service(context, name, binding),
        ServedBinding::Assets => {
            let id = &context.version.version_id;
            fields.text("service", &context.services.resource("assets", id))
        }
        ServedBinding::VersionMetadata => fields.text("json", &metadata(context.version)),
        ServedBinding::DurableObject { .. } => durable(context, name, binding),
        ServedBinding::Queue { queue_id, delivery_delay } => {
            let id = match delivery_delay {
                Some(delay) => format!("{queue_id}+{delay}"),
                None => queue_id.clone(),
            };
            fields.text("queue", &context.services.resource("queue", &id))
        }
        ServedBinding::AnalyticsEngine { dataset } => backed(context, "analytics", dataset),
        ServedBinding::RateLimit { namespace_id, limit, period } => {
            backed(context, "ratelimit", &format!("{namespace_id}+{limit}+{period}"))
        }
        ServedBinding::Workflow { name } => backed(context, "workflow", name),
        ServedBinding::Part { kind, part } => return part_field(context, *kind, part),
        ServedBinding::Unsupported { kind } => lacking(context, name, kind),
    })
}

// The value goes through the process's environment, so that no file ever holds it.
fn secret_field(context: &mut BindingContext<'_, '_>, secret: &Secret) -> Option<Fields> {
    if !fits_environment(secret) {
        return None;
    }
    let variable = format!("CLODO_S_{}", context.environment.len());
    let fields = Fields::default().text("fromEnvironment", &variable);
    context.environment.push((variable, secret.clone()));
    Some(fields)
}

fn d1(service: &str) -> Fields {
    let fetcher = Fields::default().text("name", "fetcher").text("service", service).done();
    let wrapped = Fields::default()
        .text("moduleName", "cloudflare-internal:d1-api")
        .raw("innerBindings", &format!("[{fetcher}]"));
    Fields::default().raw("wrapped", &wrapped.done())
}

/// A binding of ours that asks the listener behind this process.
fn backed(context: &mut BindingContext<'_, '_>, kind: &str, id: &str) -> Fields {
    let service = context.services.resource(kind, id);
    wrapped(context, kind, &[Fields::default().text("name", "BACK").text("service", &service)])
}

fn part_field(context: &mut BindingContext<'_, '_>, kind: PartKind, part: &str) -> Option<Fields> {
    let module = context.version.modules.iter().find(|module| bare(&module.name) == bare(part))?;
    let file = modules::add(context.files, &module.body);
    Some(Fields::default().embed(kind.field(), &file))
}

fn lacking(context: &mut BindingContext<'_, '_>, name: &str, kind: &str) -> Fields {
    let why = format!(
        "the binding `{name}` is of type `{kind}`, which the local Cloudflare stores but does not run"
    );
    failing(context, &why)
}

fn metadata(version: &ServedVersion) -> String {
    let tag = version.tag.as_deref().unwrap_or_default();
    json!({ "id": version.version_id, "tag": tag, "timestamp": version.created_on }).to_string()
}

fn service(context: &mut BindingContext<'_, '_>, name: &str, binding: &ServedBinding) -> Fields {
    let ServedBinding::Service { script, entrypoint, props } = binding else {
        return Fields::default();
    };
    let entrypoint = entrypoint.as_deref().filter(|name| *name != "default");
    let to = Callee { script, entrypoint, props: props.as_ref() };
    if let Some(drawn) = calls::drawn(context, name, to) {
        return drawn;
    }
    let Some(target) = callee(context, name, script, entrypoint) else {
        let wanted = entrypoint.map(str::to_owned).into_iter().collect();
        let stub = format!("clodo:missing:{}:{name}", context.service);
        let why = match entrypoint {
            Some(entrypoint) if context.generation.elsewhere.contains(script) => {
                far_entrypoint(script, entrypoint, name)
            }
            _ => missing(script, entrypoint, name),
        };
        context.services.stub(&stub, &why, &wanted);
        return designator(&stub, entrypoint, props.as_ref());
    };
    designator(&target, entrypoint, props.as_ref())
}

pub(crate) fn designator(
    service: &str,
    entrypoint: Option<&str>,
    props: Option<&serde_json::Value>,
) -> Fields {
    let mut to = Fields::default().text("name", service);
    if let Some(entrypoint) = entrypoint {
        to = to.text("entrypoint", entrypoint);
    }
    if let Some(props) = props {
        let json = Fields::default().text("json", &props.to_string());
        to = to.raw("props", &json.done());
    }
    Fields::default().raw("service", &to.done())
}

/// The service that a binding calls, if it is there.
fn callee(
    context: &mut BindingContext<'_, '_>,
    name: &str,
    script: &str,
    entrypoint: Option<&str>,
) -> Option<String> {
    let here = (context.service.to_owned(), name.to_owned());
    if context.dangling.contains(&here) {
        return None;
    }
    if script == context.version.script {
        return Some(context.service.to_owned());
    }
    if context.generation.elsewhere.contains(script) {
        // Through the front, which draws a version; RPC and other entrypoints do not pass.
        return entrypoint.is_none().then(|| context.services.far(script));
    }
    let id = home_version(context.generation, script)?;
    let version = context.generation.versions.iter().find(|version| version.version_id == id)?;
    if version.main_module.is_some() || version.body_part.is_some() {
        return Some(service_name(script, id));
    }
    // A Worker that only has assets can be fetched, and has no other entrypoint.
    entrypoint.is_none().then(|| context.services.resource("assets", id))
}

fn far_entrypoint(script: &str, entrypoint: &str, binding: &str) -> String {
    format!(
        "The service binding `{binding}` refers to the entrypoint `{entrypoint}` of the Worker \
         `{script}`, but one of the two runs in a process of its own, since it hung, crashed or took \
         too much memory. Until its version changes only fetch() to the default entrypoint passes."
    )
}

fn missing(script: &str, entrypoint: Option<&str>, binding: &str) -> String {
    match entrypoint {
        Some(entrypoint) => format!(
            "The service binding `{binding}` refers to the entrypoint `{entrypoint}` of the Worker \
             `{script}`, which is not deployed or does not export it."
        ),
        None => format!(
            "The service binding `{binding}` refers to the Worker `{script}`, which is not deployed."
        ),
    }
}

fn durable(context: &mut BindingContext<'_, '_>, name: &str, binding: &ServedBinding) -> Fields {
    let here = (context.service.to_owned(), name.to_owned());
    let script = &context.version.script;
    let space = context.generation.namespaces.iter().find(|space| binding.is_of(space, script));
    let found = space.filter(|_| !context.dangling.contains(&here)).and_then(|space| {
        Some((&space.class_name, &space.script, home_version(context.generation, &space.script)?))
    });
    let Some((class, script, home)) = found else {
        let why = format!(
            "The Durable Object binding `{name}` refers to a class that is no longer there: its \
             namespace was deleted, or the Worker that implements it is not deployed."
        );
        return failing(context, &why);
    };
    let mut to = Fields::default().text("className", class);
    let service = service_name(script, home);
    if service != context.service {
        to = to.text("serviceName", &service);
    }
    Fields::default().raw("durableObjectNamespace", &to.done())
}

/// A binding whose every use throws an error with this text.
fn failing(context: &mut BindingContext<'_, '_>, why: &str) -> Fields {
    wrapped(context, "failing", &[Fields::default().text("name", "WHY").text("text", why)])
}

/// A binding that the extension's module makes from `KIND` and these inner bindings.
fn wrapped(context: &mut BindingContext<'_, '_>, kind: &str, inner: &[Fields]) -> Fields {
    let kind = Fields::default().text("name", "KIND").text("text", kind);
    let inner: Vec<String> = [&kind].into_iter().chain(inner).map(Fields::done).collect();
    let wrapped = Fields::default()
        .text("moduleName", context.services.extension_module())
        .raw("innerBindings", &format!("[{}]", inner.join(", ")));
    Fields::default().raw("wrapped", &wrapped.done())
}

impl PartKind {
    /// The field of workerd's config.
    fn field(self) -> &'static str {
        match self {
            Self::Wasm => "wasmModule",
            Self::Text => "text",
            Self::Data => "data",
        }
    }
}
