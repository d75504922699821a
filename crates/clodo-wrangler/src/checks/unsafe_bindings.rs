//! `unsafe`: what wrangler passes on without knowing it.
use super::{
    Scope,
    binding_groups::group,
    values::{has, is_plain_object, only_known, typed_list},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::json,
    node::{Node, Type},
};

pub(crate) fn settings(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let path = scope.path();
    let Some(given) = value else { return };
    if !is_plain_object(given) {
        return d.error(
            given.at,
            format!("The field \"{path}\" should be an object but got {}.", json(value)),
        );
    }
    if given.get("bindings").is_some() && !group(d, scope, value, false, binding) {
        return;
    }
    if let Some(metadata) = given.get("metadata").filter(|metadata| !is_plain_object(metadata)) {
        let shown = json(Some(metadata));
        let message = format!("The field \"{path}.metadata\" should be an object but got {shown}.");
        return d.error(metadata.at, message);
    }
    if capnp(d, &path, given) {
        only_known(d, scope.field, given, &["bindings", "metadata", "capnp"]);
    }
}

fn capnp(d: &mut Diagnostics, path: &str, given: &Node) -> bool {
    let Some(capnp) = given.get("capnp") else { return true };
    if !is_plain_object(capnp) {
        let shown = json(Some(capnp));
        d.error(
            capnp.at,
            format!("The field \"{path}.capnp\" should be an object but got {shown}."),
        );
        return false;
    }
    if let Some(schema) = capnp.get("compiled_schema") {
        if capnp.get("base_path").is_some() || capnp.get("source_schemas").is_some() {
            d.error(capnp.at, format!("The field \"{path}.capnp\" cannot contain both \"compiled_schema\" and one of \"base_path\" or \"source_schemas\"."));
            return false;
        }
        if schema.text().is_none() {
            let shown = json(Some(schema));
            d.error(schema.at, format!("The field \"{path}.capnp.compiled_schema\", when present, should be a string but got {shown}."));
        }
        return schema.text().is_some();
    }
    if !has(capnp, "base_path", Type::String) {
        let shown = json(capnp.get("base_path"));
        d.error(capnp.at, format!("The field \"{path}.capnp.base_path\", when present, should be a string but got {shown}"));
    }
    let schemas = capnp.get("source_schemas");
    typed_list(d, &format!("{path}.capnp.source_schemas"), schemas, capnp.at);
    schemas.and_then(Node::list).is_some_and(|all| all.iter().all(|one| one.text().is_some()))
}

// What wrangler has a field of its own for.
const SAFE: [&str; 28] = [
    "plain_text",
    "secret_text",
    "json",
    "wasm_module",
    "data_blob",
    "text_blob",
    "browser",
    "analytics",
    "ai",
    "ai_search_namespace",
    "ai_search",
    "agent_memory",
    "kv_namespace",
    "durable_object_namespace",
    "d1_database",
    "r2_bucket",
    "service",
    "logfwdr",
    "mtls_certificate",
    "pipeline",
    "k2",
    "worker_loader",
    "vpc_service",
    "flagship",
    "vpc_network",
    "stream",
    "media",
    "artifacts",
];

fn binding(d: &mut Diagnostics, field: &str, value: &Node) {
    if value.type_of() != Type::Object || value.is_null() {
        let shown = json(Some(value));
        return d.error(value.at, format!("Expected {field} to be an object but got {shown}."));
    }
    if !has(value, "name", Type::String) {
        d.error(value.at, r#"binding should have a string "name" field."#);
    }
    let Some(kind) = value.get("type").and_then(Node::text) else {
        return d.error(value.at, r#"binding should have a string "type" field."#);
    };
    if SAFE.contains(&kind) {
        d.warn("wrangler-warning", value.at, format!("The binding type \"{kind}\" is directly supported by wrangler.\nConsider migrating this unsafe binding to a format for '{kind}' bindings that is supported by wrangler for optimal support.\nFor more details, see https://developers.cloudflare.com/workers/cli-wrangler/configuration"));
    }
    if kind == "metadata" && has(value, "name", Type::String) {
        d.warn("wrangler-deprecated", value.at, "The deployment object in the metadata binding is now deprecated. Please switch using the version_metadata binding for access to version specific fields: https://developers.cloudflare.com/workers/runtime-apis/bindings/version-metadata");
    }
}
