//! Holds the reader to wrangler's own answers, recorded by `tests/record.mjs`.
use crate::{
    diagnostics::Level,
    reading::{Effective, File},
    source::Source,
    syntax,
};
use serde_json::{Map, Value};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files that wrangler reads and this crate refuses, on purpose.
const REFUSED_HERE: [&str; 1] = ["list.jsonc"];

/// Syntax errors that this crate's parser places elsewhere: at the end of the line that lacks its
/// comma, at the brace that is never closed.
const PLACED_HERE: [&str; 2] = ["syntax-comma.jsonc", "syntax-end.jsonc"];

/// How the messages begin when wrangler itself stumbles over what it has read.
const STUMBLES: [&str; 3] =
    ["Cannot use 'in' operator", "Cannot read properties of", "The \"path\" argument must be"];

/// What wrangler adds for its own use, and `site`, which is only reported.
const NOT_READ: [&str; 5] =
    ["dev", "site", "topLevelName", "definedEnvironments", "targetEnvironment"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn json(name: &str) -> Map<String, Value> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn configs() -> Vec<String> {
    let names = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut names: Vec<_> =
        names.filter(|name| name.ends_with(".toml") || name.ends_with(".jsonc")).collect();
    names.sort();
    names
}

fn parsed(name: &str) -> Result<syntax::Parsed, clodo_types::SourceError> {
    let extension = name.rsplit('.').next().unwrap();
    let bytes = fs::read(folder().join(name)).unwrap();
    let source = Source::decode(Path::new(&format!("wrangler.{extension}")), &bytes)?;
    syntax::parse(&source)
}

fn read(name: &str, parsed: &syntax::Parsed, environment: &str) -> Effective {
    let extension = name.rsplit('.').next().unwrap();
    let shown = format!("wrangler.{extension}");
    let file = File { root: &parsed.root, shown_path: &shown, name: &shown };
    file.read(Some(environment))
}

// Whole numbers beyond 2^63 come back from JSON as another kind of number.
fn loosened(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(loosened).collect(),
        Value::Object(object) => Value::Object(
            object.iter().map(|(key, value)| (key.clone(), loosened(value))).collect(),
        ),
        other => other.clone(),
    }
}

// What is wrong with our answer, if anything.
fn compare(
    name: &str,
    environment: &str,
    expected: &Value,
    defaults: &Map<String, Value>,
) -> Result<(), String> {
    let parsed = parsed(name);
    if let Some(thrown) = expected["thrown"].as_str() {
        return refused(name, environment, thrown, &expected["at"]["line"], parsed);
    }
    let parsed = parsed.map_err(|error| error.to_string())?;
    let answer = read(name, &parsed, environment);
    for (level, key) in [(Level::Error, "errors"), (Level::Warning, "warnings")] {
        let ours = if answer.diagnostics.has(level) {
            answer.diagnostics.render(level)
        } else {
            String::new()
        };
        same_text(&ours, expected[key].as_str().unwrap_or_default())?;
    }
    if expected.get("errors").is_some() {
        return Ok(());
    }
    let mut whole = defaults.clone();
    whole.extend(expected["config"].as_object().unwrap().clone());
    let mut config = answer.config.to_json();
    for key in NOT_READ {
        whole.remove(key);
        config.remove(key);
    }
    for key in whole.keys().chain(config.keys()) {
        let (ours, theirs) = (config.get(key).map(loosened), whole.get(key).map(loosened));
        if ours != theirs {
            return Err(format!("`{key}`\n  ours:   {ours:?}\n  theirs: {theirs:?}"));
        }
    }
    Ok(())
}

fn refused(
    name: &str,
    environment: &str,
    thrown: &str,
    line: &Value,
    parsed: Result<syntax::Parsed, clodo_types::SourceError>,
) -> Result<(), String> {
    let anywhere = line.is_null() || PLACED_HERE.contains(&name);
    match parsed {
        Err(error) if anywhere || line.as_u64() == u64::try_from(error.at.line).ok() => Ok(()),
        Err(error) => Err(format!("wrangler: {thrown}, line {line}; here: {error}")),
        // Where wrangler itself stumbles over what it reads, an error will do.
        Ok(parsed) if STUMBLES.iter().any(|start| thrown.starts_with(start)) => {
            let errs = read(name, &parsed, environment).diagnostics.has(Level::Error);
            if errs { Ok(()) } else { Err(format!("no error; wrangler: {thrown}")) }
        }
        Ok(_) => Err(format!("no error; wrangler: {thrown}")),
    }
}

fn same_text(ours: &str, theirs: &str) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    let different = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    let (one, other) = different.unwrap_or((ours, theirs));
    Err(format!("\n  ours:   {one}\n  theirs: {other}"))
}

#[test]
fn every_config_reads_as_in_wrangler() {
    let defaults = json("defaults.json");
    let (mut looked_at, mut wrong) = (0, Vec::new());
    for name in configs() {
        if REFUSED_HERE.contains(&name.as_str()) {
            assert!(parsed(&name).is_err(), "{name}");
            continue;
        }
        let recorded = json(&format!("{name}.json"));
        for (environment, expected) in recorded["4.164.0"].as_object().unwrap() {
            if let Err(difference) = compare(&name, environment, expected, &defaults) {
                wrong.push(format!("{name} in `{environment}`: {difference}"));
            }
            looked_at += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at > 80, "the corpus is gone: {looked_at}");
}
