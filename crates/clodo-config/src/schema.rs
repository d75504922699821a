use crate::sections::{self, Section, Shape};
use serde_json::{Map, Value, json};

/// The JSON Schema of `clodo.toml`, for editors.
#[must_use]
pub fn schema() -> Value {
    let mut schema = section(&sections::ROOT);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("clodo.toml");
    schema["required"] = json!(["portfolio", "services"]);
    schema["properties"]["portfolio"]["required"] = json!(["name"]);
    schema["properties"]["services"]["additionalProperties"]["required"] = json!(["path"]);
    schema
}

fn section(section: &'static Section) -> Value {
    let property = |key: &'static sections::Key| {
        let mut property = shape(&key.shape);
        property["description"] = json!(key.doc);
        (key.name.to_owned(), property)
    };
    let properties: Map<_, _> = section.all().map(property).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn shape(of: &'static Shape) -> Value {
    match of {
        Shape::Text(_) => json!({"type": "string"}),
        Shape::Choice(_, names) => json!({"enum": names()}),
        Shape::List(_) => json!({"type": "array", "items": {"type": "string"}}),
        Shape::OneOrMore(..) => json!({
            "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        }),
        Shape::Section(inner) => section(inner),
        Shape::Map(_, inner) => json!({"type": "object", "additionalProperties": shape(inner)}),
        Shape::Tables(inner) => json!({"type": "array", "items": section(inner)}),
        Shape::Vars => json!({"type": "object"}),
        Shape::Other(_, schema) => schema(),
        Shape::Later => json!({}),
    }
}
