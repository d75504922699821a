use crate::conformance;
use crate::shell::{Outcome, cargo, command, read, root, run};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

/// The programs whose help texts make up `docs/cli.md`.
const PROGRAMS: [&str; 4] = ["clodo-deploy", "clodo-db", "clodo-local", "clodo-gateway"];

/// Writes every generated file, then builds the crates' docs with warnings denied.
pub(crate) fn write() -> Outcome {
    for (path, text) in generate()? {
        fs::write(root().join(&path), text)?;
        println!("wrote {}", path.display());
    }
    build()
}

/// Fails where a generated file differs from what would be written.
pub(crate) fn check() -> Outcome {
    let generated = generate()?;
    let is_stale = |path: &PathBuf, text: &String| {
        fs::read_to_string(root().join(path))
            .map_or(true, |have| have.replace("\r\n", "\n") != *text)
    };
    let stale: Vec<String> = generated
        .iter()
        .filter(|(path, text)| is_stale(path, text))
        .map(|(path, _)| path.display().to_string())
        .collect();
    if stale.is_empty() {
        return build();
    }
    Err(format!("stale: {}; run `cargo xtask docs`", stale.join(", ")).into())
}

fn build() -> Outcome {
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--all-features", "--quiet"]);
    run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn generate() -> Outcome<BTreeMap<PathBuf, String>> {
    run(cargo().args([
        "build",
        "--quiet",
        "--bins",
        "--package",
        "clodo-deploy-cli",
        "--package",
        "clodo-db-cli",
        "--package",
        "clodo-local-cli",
        "--package",
        "clodo-gateway-cli",
    ]))?;
    let example = |package: &str, name: &str| {
        read(cargo().args(["run", "--quiet", "--package", package, "--example", name]))
    };
    Ok(BTreeMap::from([
        (PathBuf::from("docs/cli.md"), cli()?),
        (PathBuf::from("docs/conformance.md"), conformance::generate()?),
        (PathBuf::from("docs/exit-codes.md"), example("clodo-cli", "exit_codes")?),
        (PathBuf::from("docs/clodo.schema.json"), example("clodo-config", "schema")?),
    ]))
}

fn cli() -> Outcome<String> {
    let mut text = String::from(
        "# Command-line reference\n\nWritten by `cargo xtask docs` from the programs' own `--help`.\n",
    );
    for program in PROGRAMS {
        let help = help(program, &[])?;
        section(&mut text, "##", program, &help)?;
        for name in commands(&help) {
            let own = self::help(program, &[&name])?;
            section(&mut text, "###", &format!("{program} {name}"), &own)?;
            // Some commands have commands of their own.
            for inner in commands(&own) {
                let own = self::help(program, &[&name, &inner])?;
                section(&mut text, "###", &format!("{program} {name} {inner}"), &own)?;
            }
        }
    }
    Ok(text)
}

fn section(text: &mut String, level: &str, title: &str, body: &str) -> Outcome {
    let lines: Vec<&str> = body.lines().map(str::trim_end).collect();
    write!(text, "\n{level} `{title}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end())?;
    Ok(())
}

fn help(program: &str, words: &[&str]) -> Outcome<String> {
    let path = target_directory()?.join("debug").join(program);
    read(command(&path.to_string_lossy()).args(words).arg("--help").env("COLUMNS", "100"))
}

fn target_directory() -> Outcome<PathBuf> {
    let text = read(cargo().args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let path =
        metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(path))
}

/// The names in a help text's list of commands.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.trim().is_empty())
        // Wrapped descriptions stand deeper than names.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_are_read_from_a_help_text() {
        let help = "Do things\n\nCommands:\n  deploy  Deploy\n          more\n  plan    Plan\n  help    Print\n\nOptions:\n  -h\n";
        assert_eq!(commands(help), ["deploy", "plan"]);
    }
}
