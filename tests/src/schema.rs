use serde_json::{Map, Value};
use std::{fs, path::Path};

/// The checked-in schema of what a program prints with `--json`.
///
/// It reads the part of JSON Schema that those files use, and is stricter in one way: a field that
/// the schema does not name is a mistake, so that no document grows past its description.
#[derive(Debug)]
pub struct Schema {
    root: Value,
}

impl Schema {
    /// `docs/<program>.schema.json`.
    ///
    /// # Panics
    /// When there is no such file, or it is not JSON.
    #[must_use]
    pub fn of(program: &str) -> Self {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let text = fs::read_to_string(docs.join(format!("{program}.schema.json")));
        let text = text.unwrap_or_else(|error| panic!("the schema of {program}: {error}"));
        Self { root: serde_json::from_str(&text).expect("a schema is JSON") }
    }

    /// Fails the test unless `document` is what `$defs/<name>` describes.
    ///
    /// # Panics
    /// When it is not, with each mistake and its place.
    #[track_caller]
    pub fn check(&self, name: &str, document: &Value) {
        let mut mistakes = Vec::new();
        self.named(&format!("#/$defs/{name}"), document, "", &mut mistakes);
        assert!(mistakes.is_empty(), "not a `{name}`:\n{}\n{document:#}", mistakes.join("\n"));
    }

    fn named(&self, reference: &str, value: &Value, at: &str, mistakes: &mut Vec<String>) {
        match reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
            Some(schema) => self.visit(schema, value, at, mistakes),
            None => mistakes.push(format!("{at}: the schema has no {reference}")),
        }
    }

    fn visit(&self, schema: &Value, value: &Value, at: &str, mistakes: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().into_iter().flatten() {
            let holds = match keyword.as_str() {
                "$ref" => {
                    self.named(rule.as_str().unwrap_or_default(), value, at, mistakes);
                    true
                }
                "type" => list(rule).iter().any(|name| is_a(name, value)),
                "const" => value == rule,
                "enum" => list(rule).contains(value),
                "minimum" => value.as_f64() >= rule.as_f64(),
                "maximum" => value.as_f64() <= rule.as_f64(),
                "anyOf" => list(rule).iter().any(|one| self.fits(one, value)),
                "required" => list(rule).iter().all(|name| value.get(text(name)).is_some()),
                "properties" => {
                    self.fields(rule, value, at, mistakes);
                    true
                }
                "items" | "additionalProperties" => {
                    self.each(rule, value, at, mistakes);
                    true
                }
                "description" | "format" | "pattern" => true,
                _ => false,
            };
            if !holds {
                mistakes.push(format!("{at}: {value} against {keyword}: {rule}"));
            }
        }
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut mistakes = Vec::new();
        self.visit(schema, value, "", &mut mistakes);
        mistakes.is_empty()
    }

    fn fields(&self, schemas: &Value, value: &Value, at: &str, mistakes: &mut Vec<String>) {
        for (name, field) in value.as_object().unwrap_or(&Map::new()) {
            let at = format!("{at}/{name}");
            match schemas.get(name) {
                Some(schema) => self.visit(schema, field, &at, mistakes),
                None => mistakes.push(format!("{at}: the schema does not name this field")),
            }
        }
    }

    fn each(&self, schema: &Value, value: &Value, at: &str, mistakes: &mut Vec<String>) {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.visit(schema, item, &format!("{at}/{index}"), mistakes);
        }
        for (name, item) in value.as_object().into_iter().flatten() {
            self.visit(schema, item, &format!("{at}/{name}"), mistakes);
        }
    }
}

/// A rule that may be one value or several.
fn list(rule: &Value) -> &[Value] {
    rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice)
}

fn text(name: &Value) -> &str {
    name.as_str().unwrap_or_default()
}

fn is_a(name: &Value, value: &Value) -> bool {
    match text(name) {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mistakes(value: &Value) -> Vec<String> {
        let schema = Schema {
            root: json!({ "$defs": {
                "name": { "type": "string" },
                "thing": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": { "$ref": "#/$defs/name" },
                        "size": { "type": ["integer", "null"], "minimum": 1 },
                        "state": { "anyOf": [{ "const": 1 }, { "enum": ["on", "off"] }] },
                        "parts": { "type": "array", "items": { "$ref": "#/$defs/thing" } },
                    },
                },
            } }),
        };
        let mut mistakes = Vec::new();
        schema.named("#/$defs/thing", value, "", &mut mistakes);
        mistakes
    }

    #[test]
    fn what_the_schema_describes_has_no_mistake() {
        for value in [
            json!({ "name": "a" }),
            json!({ "name": "a", "size": 1, "state": "off" }),
            json!({ "name": "a", "state": 1, "parts": [{ "name": "b" }] }),
        ] {
            assert_eq!(mistakes(&value), Vec::<String>::new());
        }
    }

    #[test]
    fn anything_else_is_one_mistake_with_its_place() {
        for (value, place) in [
            (json!({}), ": "),
            (json!({ "name": 1 }), "/name: "),
            (json!({ "name": "a", "size": 0 }), "/size: "),
            (json!({ "name": "a", "state": "half" }), "/state: "),
            (json!({ "name": "a", "parts": [{ "name": "b", "x": 1 }] }), "/parts/0/x: "),
        ] {
            let found = mistakes(&value);
            assert!(found.len() == 1 && found[0].starts_with(place), "{value}: {found:?}");
        }
    }
}
