//! Changes to the text of a config that leave its comments alone.
mod jsonc;
mod toml;

use crate::{source::Source, syntax, syntax::Language};
use clodo_types::SourceError;
use serde_json::Value;
use std::path::Path;

/// One step from a value to a value inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// To a property of an object or table.
    Key(&'a str),
    /// To an item of a list, from 0; one past the last appends.
    Item(usize),
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text is no valid config, so that nothing can be changed in it.
    #[error("the file cannot be edited before it can be read")]
    Unreadable(#[source] SourceError),
    /// A step leads into something that is no object or no list, or past a list's end.
    #[error("there is no place for the value at `{0}`")]
    NoPlace(String),
    /// TOML has no null, and no whole number beyond 64 bits.
    #[error("TOML cannot hold the value for `{0}`")]
    NotToml(String),
    /// No step was given.
    #[error("the whole file cannot be replaced by an edit")]
    NoStep,
}

/// Sets one value in the text of a config and returns the new text; objects and lists on the way
/// that are missing are made. The file's name decides between TOML and JSONC.
///
/// A value that takes another's place keeps its comments; an object that takes another's place
/// loses those inside.
///
/// # Errors
/// When the text cannot be parsed, a step leads nowhere, or the language cannot hold the value.
pub fn set(
    path: &Path,
    text: &str,
    steps: &[Step<'_>],
    value: &Value,
) -> Result<String, EditError> {
    if steps.is_empty() {
        return Err(EditError::NoStep);
    }
    let source = Source::decode(path, text.as_bytes()).map_err(EditError::Unreadable)?;
    syntax::parse(&source).map_err(EditError::Unreadable)?;
    let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let edited = match Language::of(path) {
        Some(Language::Toml) => toml::set(&source, steps, value)?,
        Some(Language::Jsonc) | None => jsonc::set(&source, steps, value)?,
    };
    Ok(format!("{mark}{edited}"))
}

fn shown(steps: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Key(key) if out.is_empty() => out.push_str(key),
            Step::Key(key) => out.extend([".", key]),
            Step::Item(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

// What stands at the end of steps that lead beyond what is there; a list starts at its start.
fn wrapped(rest: &[Step<'_>], value: &Value) -> Option<Value> {
    match rest {
        [] => Some(value.clone()),
        [Step::Key(key), rest @ ..] => {
            let inner = wrapped(rest, value)?;
            Some(Value::Object([((*key).to_owned(), inner)].into_iter().collect()))
        }
        [Step::Item(0), rest @ ..] => Some(Value::Array(vec![wrapped(rest, value)?])),
        [Step::Item(_), ..] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Item, Key};
    use serde_json::json;

    #[track_caller]
    fn check(file: &str, before: &str, steps: &[Step<'_>], value: Value, after: &str) {
        let edited = set(Path::new(file), before, steps, &value).unwrap();
        assert_eq!(edited, after);
        let parsed = |text: &str| {
            let source = Source::decode(Path::new(file), text.as_bytes()).unwrap();
            Value::Object(syntax::parse(&source).unwrap().root.to_json())
        };
        let mut at = &parsed(&edited);
        for step in steps {
            at = match step {
                Key(key) => &at[key],
                Item(index) => &at[index],
            };
        }
        assert_eq!(*at, value, "{edited}");
    }

    const TOML: &str = "# top\nname = \"a\" # keep\n\n[vars]\nA = 1 # one\n\n# databases\n[[d1_databases]] # first\nbinding = \"DB\"\n";

    #[test]
    fn a_toml_value_is_replaced_and_its_comment_stays() {
        let after = TOML.replace("\"a\"", "\"b\"");
        check("wrangler.toml", TOML, &[Key("name")], json!("b"), &after);
        let after = TOML.replace("A = 1", "A = [1, { x = true }]");
        let value = json!([1, { "x": true }]);
        check("wrangler.toml", TOML, &[Key("vars"), Key("A")], value, &after);
    }

    #[test]
    fn a_new_toml_key_joins_its_table() {
        let after = TOML.replace("# keep\n", "# keep\nmain = \"x.js\"\n");
        check("wrangler.toml", TOML, &[Key("main")], json!("x.js"), &after);
        let id = "018f3c5e-0000-7000-8000-000000000000";
        let after = format!("{TOML}database_id = \"{id}\"\n");
        let steps = [Key("d1_databases"), Item(0), Key("database_id")];
        check("wrangler.toml", TOML, &steps, json!(id), &after);
    }

    #[test]
    fn toml_tables_on_the_way_are_made() {
        let steps = [Key("env"), Key("staging"), Key("vars"), Key("B")];
        let after = format!("{TOML}\n[env.staging.vars]\nB = 2\n");
        check("wrangler.toml", TOML, &steps, json!(2), &after);
        let value = json!({ "binding": "KV", "id": "x" });
        let after = format!("{TOML}\n[[kv_namespaces]]\nbinding = \"KV\"\nid = \"x\"\n");
        check("wrangler.toml", TOML, &[Key("kv_namespaces"), Item(0)], value, &after);
        let after = format!("{TOML}\n[[d1_databases]]\nbinding = \"D2\"\n");
        let steps = [Key("d1_databases"), Item(1)];
        check("wrangler.toml", TOML, &steps, json!({ "binding": "D2" }), &after);
        check("wrangler.toml", "", &[Key("name")], json!("a"), "name = \"a\"\n");
    }

    #[test]
    fn inline_toml_stays_inline() {
        let before = "vars = { A = 1 } # v\nflags = [\n  \"a\", # one\n  \"b\",\n]\n";
        let after = before.replace("{ A = 1 }", "{ A = 1, B = \"x\" }");
        check("wrangler.toml", before, &[Key("vars"), Key("B")], json!("x"), &after);
        let after = before.replace("  \"b\",\n", "  \"b\",\n  \"c\",\n");
        check("wrangler.toml", before, &[Key("flags"), Item(2)], json!("c"), &after);
        let after = before.replace("\"a\"", "\"z\"");
        check("wrangler.toml", before, &[Key("flags"), Item(0)], json!("z"), &after);
    }

    const JSONC: &str = "// top\n{\n\t\"name\": \"a\", // keep\n\t/* vars */\n\t\"vars\": { \"A\": 1 },\n\t\"flags\": [\n\t\t\"a\", // one\n\t],\n}\n";

    #[test]
    fn a_jsonc_value_is_replaced_and_comments_stay() {
        let after = JSONC.replace("\"name\": \"a\"", "\"name\": \"b\"");
        check("wrangler.jsonc", JSONC, &[Key("name")], json!("b"), &after);
        let after = JSONC.replace("\"a\", // one", "7, // one");
        check("wrangler.jsonc", JSONC, &[Key("flags"), Item(0)], json!(7), &after);
        let twice = "{\"name\": 1, \"name\": 2}";
        check("wrangler.json", twice, &[Key("name")], json!(3), "{\"name\": 1, \"name\": 3}");
    }

    #[test]
    fn new_jsonc_values_join_what_is_there() {
        // An object on one line is spread when it grows.
        let spread = "{\n\t\t\"A\": 1,\n\t\t\"B\": null\n\t}";
        let after = JSONC.replace("{ \"A\": 1 }", spread);
        check("wrangler.jsonc", JSONC, &[Key("vars"), Key("B")], json!(null), &after);
        let after = JSONC.replace("// one\n", "// one\n\t\t\"b\",\n");
        check("wrangler.jsonc", JSONC, &[Key("flags"), Item(1)], json!("b"), &after);
        let steps = [Key("env"), Key("staging"), Key("name")];
        let made =
            "\t],\n\t\"env\": {\n\t\t\"staging\": {\n\t\t\t\"name\": \"s\",\n\t\t},\n\t},\n}";
        check("wrangler.jsonc", JSONC, &steps, json!("s"), &JSONC.replace("\t],\n}", made));
        check("wrangler.json", "{}", &[Key("name")], json!("a"), "{\n  \"name\": \"a\"\n}");
    }

    #[test]
    fn an_edit_that_leads_nowhere_is_refused() {
        let refused = |file: &str, text: &str, steps: &[Step<'_>], value: Value| {
            set(Path::new(file), text, steps, &value).unwrap_err().to_string()
        };
        let into_text = [Key("name"), Key("x")];
        for (file, text) in [("wrangler.toml", TOML), ("wrangler.jsonc", JSONC)] {
            let said = refused(file, text, &into_text, json!(1));
            assert_eq!(said, "there is no place for the value at `name.x`");
            assert!(refused(file, text, &[Key("vars"), Item(0)], json!(1)).contains("vars[0]"));
            assert!(refused(file, text, &[Key("new"), Item(2)], json!(1)).contains("new[2]"));
            assert!(refused(file, text, &[], json!(1)).contains("whole file"));
            assert!(refused(file, "= {", &[Key("a")], json!(1)).contains("cannot be edited"));
        }
        assert!(refused("wrangler.toml", "", &[Key("a")], json!(null)).contains("TOML"));
    }

    #[test]
    fn a_byte_order_mark_stays() {
        let edited = set(Path::new("wrangler.json"), "\u{feff}{}", &[Key("a")], &json!(1)).unwrap();
        assert!(edited.starts_with("\u{feff}{"));
    }
}
