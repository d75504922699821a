use super::packet::Value;
use crate::{
    BundleError,
    node::{NodeCompat, NodeMode},
    project::{Project, normal},
};
use clodo_types::{Location, SourceError};
use std::path::{Path, PathBuf};

/// Turns esbuild's messages into errors at places of the user's files.
pub(crate) fn source_errors(
    messages: &[Value],
    project: &Project,
    node: &NodeCompat,
) -> Vec<SourceError> {
    messages.iter().map(|message| source_error(message, project, node)).collect()
}

fn source_error(message: &Value, project: &Project, node: &NodeCompat) -> SourceError {
    let text = message.get("text").as_text();
    let location = message.get("location");
    let line_text = location.get("lineText").as_text();
    // esbuild counts columns in bytes, from 0.
    let column = location.get("column").as_int().unwrap_or(0) as usize;
    let column = line_text.get(..column).unwrap_or(line_text).chars().count();
    let at = Location {
        path: shown(location.get("file").as_text(), project),
        line: location.get("line").as_int().unwrap_or(1).max(1) as usize,
        column: column + 1,
    };
    let (line_text, at) = window(line_text, at);
    SourceError { at, message: lower(text), line_text, hint: hint(text, node) }
}

/// An option that esbuild refuses, at the key of the config that it comes from.
pub(crate) fn config_error(text: &str, project: &Project) -> BundleError {
    let key =
        ["tsconfig", "define", "jsx"].into_iter().find(|key| text.to_lowercase().contains(key));
    let value = text.split_once(": ").map_or("", |(_, value)| value);
    BundleError::Config(Box::new(project.config_error(key.unwrap_or("main"), lower(text), value)))
}

/// A path that esbuild gives relative to the project, or with the name of a made-up module in front.
fn shown(file: &str, project: &Project) -> PathBuf {
    project.shown(&normal(&project.root().join(Path::new(file))))
}

/// A line of minified code is longer than a screen: what is far behind the place is left out.
fn window(line: &str, at: Location) -> (String, Location) {
    const SHOWN: usize = 200;
    let line: String = line.trim_end().chars().take(SHOWN.max(at.column)).collect();
    if line.chars().count() > SHOWN {
        // The place is told by its numbers alone.
        return (String::new(), at);
    }
    (line, at)
}

/// The message as a phrase: esbuild begins it with a capital letter.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return "it does not build".to_owned() };
    // A name in capitals stays: `JSON`, `JSX`.
    if chars.clone().next().is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    first.to_lowercase().chain(chars).collect()
}

fn hint(text: &str, node: &NodeCompat) -> Option<String> {
    let rest = text.split_once("ould not resolve \"")?.1;
    let import = rest.split_once('"')?.0;
    if import.starts_with('.') || import.starts_with('/') {
        return Some(
            "check the path; a file without its extension may be .ts, .tsx, .js or .json"
                .to_owned(),
        );
    }
    if NodeCompat::new(Some("9999-12-31"), &[]).look_up(import).is_some() {
        return Some(match node.mode {
            NodeMode::Prefixed => {
                format!("write `node:{import}`, or set `compatibility_date` to 2024-09-23 or later")
            }
            _ => "add `nodejs_compat` to `compatibility_flags`".to_owned(),
        });
    }
    let parts = if import.starts_with('@') { 2 } else { 1 };
    let package: Vec<&str> = import.split('/').take(parts).collect();
    Some(format!("run `npm install {}`", package.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_that_leads_nowhere_has_a_way_out() {
        let check = |import: &str, flags: &[String], want: &str| {
            let node = NodeCompat::new(Some("2024-01-01"), flags);
            let text = format!("Could not resolve \"{import}\"");
            assert!(
                hint(&text, &node).unwrap().contains(want),
                "{import}: {:?}",
                hint(&text, &node)
            );
        };
        let compat = ["nodejs_compat".to_owned()];
        check("left-pad", &[], "npm install left-pad`");
        check("left-pad/lib/a.js", &[], "npm install left-pad`");
        check("@acme/money/eur", &[], "npm install @acme/money`");
        check("./a", &[], "check the path");
        check("fs", &[], "nodejs_compat");
        check("fs", &compat, "`node:fs`");
        assert_eq!(hint("Expected \";\"", &NodeCompat::new(None, &[])), None);
    }

    #[test]
    fn a_message_is_a_phrase() {
        assert_eq!(lower("Expected \";\" but found \"x\""), "expected \";\" but found \"x\"");
        assert_eq!(lower("JSX is odd"), "JSX is odd");
        assert_eq!(lower(""), "it does not build");
    }
}
