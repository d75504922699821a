use crate::{
    diagnostics::Diagnostics,
    javascript::{english, template},
    node::{NOWHERE, Node, Record},
};

const KINDS: [(&str, &str); 40] = [
    ("data_blobs", "Data Blob"),
    ("durable_objects", "Durable Object"),
    ("kv_namespaces", "KV Namespace"),
    ("send_email", "Send Email"),
    ("queues", "Queue"),
    ("d1_databases", "D1 Database"),
    ("vectorize", "Vectorize Index"),
    ("ai_search_namespaces", "AI Search Namespace"),
    ("ai_search", "AI Search Instance"),
    ("agent_memory", "Agent Memory"),
    ("hyperdrive", "Hyperdrive Config"),
    ("r2_buckets", "R2 Bucket"),
    ("logfwdr", "logfwdr"),
    ("services", "Worker"),
    ("analytics_engine_datasets", "Analytics Engine Dataset"),
    ("text_blobs", "Text Blob"),
    ("browser", "Browser Run"),
    ("analytics", "Analytics SQL"),
    ("ai", "AI"),
    ("images", "Images"),
    ("stream", "Stream"),
    ("media", "Media"),
    ("version_metadata", "Worker Version Metadata"),
    ("unsafe", "Unsafe Metadata"),
    ("vars", "Environment Variable"),
    ("wasm_modules", "Wasm Module"),
    ("dispatch_namespaces", "Dispatch Namespace"),
    ("mtls_certificates", "mTLS Certificate"),
    ("workflows", "Workflow"),
    ("pipelines", "Pipeline"),
    ("k2", "K2 Stream"),
    ("secrets_store_secrets", "Secrets Store Secret"),
    ("artifacts", "Artifacts"),
    ("ratelimits", "Rate Limit"),
    ("assets", "Assets"),
    ("unsafe_hello_world", "Hello World"),
    ("flagship", "Flagship"),
    ("worker_loaders", "Worker Loader"),
    ("vpc_services", "VPC Service"),
    ("vpc_networks", "VPC Network"),
];

/// Two bindings cannot have one name, whatever their kinds.
pub(crate) fn check(d: &mut Diagnostics, config: &Record) {
    let mut taken = Taken::default();
    for (field, kind) in KINDS {
        let value = config.get(field);
        let value = if field == "queues" { value.and_then(|v| v.get("producers")) } else { value };
        for name in value.map(binding_names).unwrap_or_default() {
            if name == "ASSETS" && config.contains("pages_build_output_dir") {
                let message = format!(
                    "The name 'ASSETS' is reserved in Pages projects. Please use a different name for your {kind} binding."
                );
                d.error(value.map_or(NOWHERE, |value| value.at), message);
            }
            taken.add(name, kind, value.map_or(NOWHERE, |value| value.at));
        }
    }
    let secrets = config.get("secrets").and_then(|secrets| secrets.get("required"));
    for secret in secrets.and_then(Node::list).unwrap_or_default() {
        taken.add(template(secret), "Secret", secret.at);
    }
    let clashes: Vec<_> = taken.names.iter().filter(|name| name.kinds.len() > 1).collect();
    clashes.iter().for_each(|clash| clash.report(d));
    if let Some(first) = clashes.first() {
        d.error(first.at, "Bindings must have unique names, so that they can all be referenced in the worker.\nPlease change your bindings to have unique names.");
    }
}

#[derive(Default)]
struct Taken {
    names: Vec<Name>,
    index: std::collections::HashMap<String, usize>,
}

struct Name {
    name: String,
    kinds: Vec<&'static str>,
    at: usize,
}

impl Taken {
    fn add(&mut self, name: String, kind: &'static str, at: usize) {
        let next = self.names.len();
        let place = *self.index.entry(name.clone()).or_insert(next);
        if place == next {
            self.names.push(Name { name, kinds: Vec::new(), at });
        }
        self.names[place].kinds.push(kind);
        // The later of two is the one to point at.
        self.names[place].at = at;
    }
}

impl Name {
    fn report(&self, d: &mut Diagnostics) {
        let name = &self.name;
        let (mut once, mut again): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for kind in &self.kinds {
            let seen = if once.contains(kind) { &mut again } else { &mut once };
            if !seen.contains(kind) {
                seen.push(kind);
            }
        }
        if once.len() > 1 {
            d.error(self.at, format!("{name} assigned to {} bindings.", english(&once)));
        }
        for kind in again {
            d.error(self.at, format!("{name} assigned to multiple {kind} bindings."));
        }
    }
}

/// The names that wrangler finds in a field: those of a list of bindings, the `binding` of an
/// object, or else its keys.
pub(crate) fn binding_names(value: &Node) -> Vec<String> {
    if let Some(names) = value.get("bindings").and_then(|list| all_texts(list, "name")) {
        return names;
    }
    if let Some(names) = all_texts(value, "binding") {
        return names;
    }
    let Some(record) = value.record() else { return Vec::new() };
    match record.get("binding") {
        Some(name) => vec![template(name)],
        None => record.keys().into_iter().map(|(key, _)| key).collect(),
    }
}

fn all_texts(list: &Node, key: &str) -> Option<Vec<String>> {
    let text = |item: &Node| item.get(key).and_then(Node::text).map(str::to_owned);
    list.list()?.iter().map(text).collect()
}
