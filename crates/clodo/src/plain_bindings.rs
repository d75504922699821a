use clodo_types::{BindingName, NameError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A key of a wrangler config, the field of an entry that names the binding, the platform's word for
/// the kind, and the fields that travel: first as the file calls them, then as the API does
/// (<https://developers.cloudflare.com/api/resources/workers/subresources/scripts/methods/update/>).
type Kind = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// A binding and what it is, in the API's words.
type Bound = (BindingName, Map<String, Value>);

/// Bindings for which a deployment makes and finds nothing: what they lead to is there already, or
/// needs no making.
const KINDS: [Kind; 15] = [
    ("ai", "binding", "ai", &[]),
    ("analytics_engine_datasets", "binding", "analytics_engine", &[("dataset", "dataset")]),
    ("browser", "binding", "browser", &[]),
    (
        "dispatch_namespaces",
        "binding",
        "dispatch_namespace",
        &[("namespace", "namespace"), ("outbound", "outbound")],
    ),
    ("hyperdrive", "binding", "hyperdrive", &[("id", "id")]),
    ("images", "binding", "images", &[]),
    ("media", "binding", "media", &[]),
    ("mtls_certificates", "binding", "mtls_certificate", &[("certificate_id", "certificate_id")]),
    ("pipelines", "binding", "pipelines", &[("pipeline", "pipeline")]),
    ("ratelimits", "name", "ratelimit", &[("namespace_id", "namespace_id"), ("simple", "simple")]),
    (
        "secrets_store_secrets",
        "binding",
        "secrets_store_secret",
        &[("store_id", "store_id"), ("secret_name", "secret_name")],
    ),
    (
        "send_email",
        "name",
        "send_email",
        &[
            ("destination_address", "destination_address"),
            ("allowed_destination_addresses", "allowed_destination_addresses"),
            ("allowed_sender_addresses", "allowed_sender_addresses"),
        ],
    ),
    ("vectorize", "binding", "vectorize", &[("index_name", "index_name")]),
    ("vpc_services", "binding", "vpc_service", &[("service_id", "service_id")]),
    ("worker_loaders", "binding", "worker_loader", &[]),
];

/// The bindings of a wrangler config that only have to be put into the upload. wrangler's own checks
/// have seen the entries: one without a name is not among them.
///
/// # Errors
/// When a binding has a name that no binding can have.
pub(crate) fn plain_bindings(
    config: &Map<String, Value>,
) -> Result<BTreeMap<BindingName, Map<String, Value>>, NameError> {
    let mut bindings = BTreeMap::new();
    for kind @ (key, ..) in &KINDS {
        let entries = match config.get(*key) {
            Some(Value::Array(entries)) => entries.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            _ => &[],
        };
        for entry in entries {
            bindings.extend(binding(kind, entry)?);
        }
    }
    Ok(bindings)
}

fn binding((key, name, kind, fields): &Kind, entry: &Value) -> Result<Option<Bound>, NameError> {
    let Some(name) = entry.get(*name).and_then(Value::as_str) else { return Ok(None) };
    let name: BindingName = name.parse()?;
    let mut bound = Map::new();
    bound.insert("type".to_owned(), json!(kind));
    for (of_file, of_api) in *fields {
        if let Some(value) = entry.get(*of_file) {
            bound.insert((*of_api).to_owned(), value.clone());
        }
    }
    match *key {
        // As wrangler has it: a dataset without a name is called after its binding.
        "analytics_engine_datasets" if !bound.contains_key("dataset") => {
            bound.insert("dataset".to_owned(), json!(name));
        }
        "dispatch_namespaces" => {
            if let Some(outbound) = bound.get_mut("outbound") {
                *outbound = outbound_of(outbound);
            }
        }
        _ => {}
    }
    Ok(Some((name, bound)))
}

/// The API nests the Worker, and wants an object for each parameter.
fn outbound_of(outbound: &Value) -> Value {
    let names = outbound.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let parameters: Vec<Value> = names.map(|name| json!({ "name": name })).collect();
    let of_worker = ["service", "environment"].into_iter();
    let worker: Map<String, Value> =
        of_worker.filter_map(|key| Some((key.to_owned(), outbound.get(key)?.clone()))).collect();
    json!({ "worker": worker, "params": parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: Value) -> Value {
        let Value::Object(config) = config else { panic!("{config}") };
        json!(plain_bindings(&config).unwrap())
    }

    #[test]
    fn each_kind_is_called_as_the_api_calls_it() {
        let bindings = of(json!({
            "ai": { "binding": "AI" },
            "analytics_engine_datasets": [{ "binding": "SEEN" }, { "binding": "A", "dataset": "a" }],
            "browser": { "binding": "BROWSER" },
            "ratelimits": [{
                "name": "LIMIT", "namespace_id": "1", "simple": { "limit": 5, "period": 10 },
            }],
            "vectorize": [{ "binding": "V", "index_name": "v", "remote": true }],
            "dispatch_namespaces": [{
                "binding": "TENANTS", "namespace": "tenants",
                "outbound": { "service": "out", "parameters": ["customer"] },
            }],
            "unsafe": { "bindings": [] },
        }));
        let expected = json!({
            "A": { "type": "analytics_engine", "dataset": "a" },
            "AI": { "type": "ai" },
            "BROWSER": { "type": "browser" },
            "LIMIT": {
                "type": "ratelimit", "namespace_id": "1", "simple": { "limit": 5, "period": 10 },
            },
            "SEEN": { "type": "analytics_engine", "dataset": "SEEN" },
            "TENANTS": {
                "type": "dispatch_namespace", "namespace": "tenants",
                "outbound": {
                    "worker": { "service": "out" },
                    "params": [{ "name": "customer" }],
                },
            },
            "V": { "type": "vectorize", "index_name": "v" },
        });
        assert_eq!(bindings, expected);
    }

    #[test]
    fn a_name_that_is_none_is_an_error_and_nothing_is_left_out() {
        let Value::Object(config) = json!({ "ai": { "binding": "no name" } }) else { panic!() };
        assert!(plain_bindings(&config).is_err());
    }
}
