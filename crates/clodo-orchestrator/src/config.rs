use crate::{desired::DesiredTarget, mark::Hashes, resource::ResourceRef};
use clodo_types::ContentHash;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;

impl DesiredTarget {
    /// The configuration as the record of a deployment keeps it: names of secrets, never values;
    /// what is empty is left out. Domains and `workers.dev` are not part of it, since listings show
    /// them as they are.
    #[must_use]
    pub fn config(&self) -> Value {
        let mut config = self.version_config();
        config.extend(self.trigger_config());
        Value::Object(config)
    }

    /// The fingerprints of what should run.
    #[must_use]
    pub fn hashes(&self) -> Hashes {
        Hashes {
            content: self.bundle.hash,
            config: hash(&Value::Object(self.version_config())),
            triggers: hash(&Value::Object(self.trigger_config())),
        }
    }

    fn version_config(&self) -> Map<String, Value> {
        let mut config = Config::default();
        config.put("compatibility_date", &self.compatibility_date);
        config.put("compatibility_flags", &self.compatibility_flags);
        config.put("vars", &self.vars);
        config.put("secrets", &self.secrets);
        config.put("version_metadata", &self.version_metadata);
        config.put("assets_binding", &self.assets_binding);
        config.put("assets_config", &self.assets_config);
        config.put("migrations", &self.object_migrations);
        config.put("settings", &self.version_settings);
        config.put("worker_settings", &self.worker_settings);
        self.put_bindings(&mut config);
        config.0
    }

    fn put_bindings(&self, config: &mut Config) {
        let by_binding = |rows: Vec<(String, Value)>| rows.into_iter().collect::<Map<_, _>>();
        let databases = self.databases.iter();
        let databases = databases.map(|d| (d.binding.to_string(), shown(&d.resource))).collect();
        config.put("d1_databases", &by_binding(databases));
        let namespaces = self.namespaces.iter();
        let namespaces = namespaces.map(|n| (n.binding.to_string(), shown(&n.resource))).collect();
        config.put("kv_namespaces", &by_binding(namespaces));
        let buckets = self.buckets.iter().map(|bucket| {
            let bucket_config = json!({ "name": bucket.name, "jurisdiction": bucket.jurisdiction });
            (bucket.binding.to_string(), bucket_config)
        });
        config.put("r2_buckets", &by_binding(buckets.collect()));
        let queues = self.queues.iter();
        let queues = queues.map(|q| (q.binding.to_string(), json!(q.name))).collect();
        config.put("queues", &by_binding(queues));
        let workflows = self.workflows.iter().map(|workflow| {
            let (class, worker) = (&workflow.class_name, &workflow.worker);
            let row = json!({ "name": workflow.name, "class_name": class, "worker": worker });
            (workflow.binding.to_string(), row)
        });
        config.put("workflows", &by_binding(workflows.collect()));
        config.put("bindings", &self.plain_bindings);
        let services = self.services.iter().map(|service| {
            let (worker, entrypoint) = (&service.worker, &service.entrypoint);
            let row = json!({ "worker": worker, "entrypoint": entrypoint, "props": service.props });
            (service.binding.to_string(), row)
        });
        config.put("services", &by_binding(services.collect()));
        let objects = self.durable_objects.iter().map(|object| {
            let row = json!({ "class_name": object.class_name, "worker": object.worker });
            (object.binding.to_string(), row)
        });
        config.put("durable_objects", &by_binding(objects.collect()));
    }

    fn trigger_config(&self) -> Map<String, Value> {
        let mut config = Config::default();
        let mut routes = self.routes.clone();
        routes.sort();
        config.put("routes", &routes);
        // An empty list says "none", and nothing at all says "leave them": both must show.
        if let Some(crons) = &self.crons {
            config.0.insert("crons".into(), json!(crons));
        }
        let consumers = self.consumers.iter();
        let consumers = consumers.map(|one| (one.queue.to_string(), json!(one.delivery)));
        config.put("consumers", &consumers.collect::<Map<_, _>>());
        let registered = self.own_workflows().into_iter().map(|own| {
            let row = json!({ "class_name": own.class_name, "steps": own.steps });
            (own.name.to_string(), row)
        });
        config.put("registered_workflows", &registered.collect::<Map<_, _>>());
        config.0
    }
}

fn shown<N: fmt::Display, I: fmt::Display>(resource: &ResourceRef<N, I>) -> Value {
    match resource {
        ResourceRef::Name(name) => json!(name.to_string()),
        ResourceRef::Id(id) => json!(format!("id:{id}")),
    }
}

#[derive(Debug, Default)]
struct Config(Map<String, Value>);

impl Config {
    fn put(&mut self, key: &str, value: &impl Serialize) {
        // Everything here is made of strings, maps with string keys and JSON values.
        let value = serde_json::to_value(value).unwrap_or_default();
        let empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !empty {
            self.0.insert(key.to_owned(), value);
        }
    }
}

/// Hashes a value in a form that depends neither on the order of keys nor on how `serde_json` was
/// built.
pub(crate) fn hash(value: &Value) -> ContentHash {
    let mut text = String::new();
    write_canonical(value, &mut text);
    ContentHash::from_digest(blake3::hash(text.as_bytes()).as_bytes())
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in fields {
                text.push_str(&Value::String(key.clone()).to_string());
                text.push(':');
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// What is different between two configurations, a line each: `vars.BRAND: "A" -> "B"`.
pub(crate) fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare(String::new(), Some(old), Some(new), &mut lines);
    lines
}

fn compare(path: String, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    if old == new {
        return;
    }
    let fields = |value: Option<&Value>| match value {
        Some(Value::Object(fields)) => Some(fields.clone()),
        None => Some(Map::new()),
        Some(_) => None,
    };
    let one_is_a_map = old.is_some_and(Value::is_object) || new.is_some_and(Value::is_object);
    if one_is_a_map && let (Some(old), Some(new)) = (fields(old), fields(new)) {
        let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            compare(path, old.get(key), new.get(key), lines);
        }
        return;
    }
    lines.push(match (old, new) {
        (None, Some(new)) => format!("{path}: added {}", short(new)),
        (Some(old), None) => format!("{path}: removed {}", short(old)),
        (Some(old), Some(new)) => format!("{path}: {} -> {}", short(old), short(new)),
        (None, None) => return,
    });
}

pub(crate) fn short(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_path_and_both_values() {
        let old = json!({ "vars": { "BRAND": "A", "GONE": 1 }, "flags": ["x"], "same": 1 });
        let new = json!({
            "vars": { "BRAND": "B", "NEW": {"deep": true} }, "flags": ["x", "y"], "same": 1,
        });
        assert_eq!(
            differences(&old, &new),
            [
                r#"flags: ["x"] -> ["x","y"]"#,
                r#"vars.BRAND: "A" -> "B""#,
                "vars.GONE: removed 1",
                "vars.NEW.deep: added true",
            ]
        );
        assert!(differences(&new, &new).is_empty());
        let long = differences(&json!({ "a": 1 }), &json!({ "a": "ü".repeat(500) }));
        assert!(long[0].chars().count() < 100, "{long:?}");
    }

    #[test]
    fn a_hash_ignores_the_order_of_keys_only() {
        let hash = |text: &str| hash(&serde_json::from_str(text).unwrap());
        assert_eq!(hash(r#"{"a":1,"b":[1,2]}"#), hash(r#"{"b":[1,2],"a":1}"#));
        assert_ne!(hash(r#"{"a":1,"b":[1,2]}"#), hash(r#"{"a":1,"b":[2,1]}"#));
        assert_ne!(hash(r#"["a","b"]"#), hash(r#"["a,b"]"#));
    }
}
