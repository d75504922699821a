use crate::shell::{Outcome, cargo, read, run};
use serde_json::Value;
use std::collections::BTreeMap;

/// What no library brings along unless a feature of its own asks for it.
const UNASKED: [&str; 5] = ["clap", "native-tls", "openssl", "reqwest", "tokio-postgres"];

const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// Libraries that build for wasm32 without features, and what does not run there.
const WASM: [&str; 4] = ["clodo-types", "clodo-resilience", "clodo-http", "clodo-cf-api"];
const NATIVE: [&str; 10] = [
    "getrandom",
    "hyper",
    "mio",
    "reqwest",
    "ring",
    "rusqlite",
    "rustix",
    "rustls",
    "socket2",
    "tokio-rustls",
];
/// What tokio has on wasm32.
const TOKIO_ON_WASM: [&str; 4] = ["default", "macros", "sync", "time"];

/// Libraries for programs that speak no HTTP, and what a stack of it consists of.
const OFFLINE: [&str; 3] = ["clodo-db", "clodo-sqlite", "clodo-types"];
const HTTP: [&str; 8] =
    ["axum", "clodo-http", "http", "http-body", "hyper", "reqwest", "rustls", "tower"];

/// Libraries that are the place for one of the `UNASKED`.
const PLACES: [(&str, &str); 2] = [("clodo-cli", "clap"), ("clodo", "reqwest")];

/// Fails when a library pulls more than its features ask for, or does not build with one of them
/// alone.
pub(crate) fn check() -> Outcome {
    let libraries = libraries()?;
    let mut wrong = Vec::new();
    for name in libraries.keys() {
        let tree = tree(name, &[])?;
        wrong.extend(unasked(name, &tree));
        if OFFLINE.contains(&name.as_str()) {
            wrong.extend(online(name, &tree));
        }
    }
    for name in WASM {
        let tree = tree(name, &["--target", WASM_TARGET])?;
        wrong.extend(unfit(name, &tree));
    }
    if !wrong.is_empty() {
        return Err(format!("without features:\n  {}", wrong.join("\n  ")).into());
    }
    println!("{} libraries bring nothing along that was not asked for", libraries.len());
    build_for_wasm()?;
    for (name, features) in &libraries {
        for feature in features {
            run(check_of(name).args(["--features", feature]))?;
        }
        run(&mut check_of(name))?;
    }
    Ok(())
}

/// Builds what is to run on wasm32 for it, where the target's standard library is there or can be
/// fetched; else says that this was skipped.
fn build_for_wasm() -> Outcome {
    let there = std::process::Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    if !there.is_ok_and(|status| status.success()) {
        println!("skipped: {WASM_TARGET} cannot be fetched, so nothing was built for it");
        return Ok(());
    }
    for name in WASM {
        run(check_of(name).args(["--target", WASM_TARGET]))?;
    }
    println!("{} libraries build for {WASM_TARGET}", WASM.len());
    Ok(())
}

fn check_of(name: &str) -> std::process::Command {
    let mut check = cargo();
    check.args(["check", "--quiet", "--package", name, "--no-default-features"]);
    check
}

/// The libraries of the workspace and their features.
fn libraries() -> Outcome<BTreeMap<String, Vec<String>>> {
    let text = read(cargo().args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let library = |package: &&Value| {
        let path = package["manifest_path"].as_str().unwrap_or_default().replace('\\', "/");
        path.contains("/crates/")
    };
    let features = |package: &Value| {
        let features = package["features"].as_object().into_iter().flatten();
        features.map(|(name, _)| name.clone()).filter(|name| name != "default").collect()
    };
    let named = |package: &Value| {
        (package["name"].as_str().unwrap_or_default().to_owned(), features(package))
    };
    Ok(packages.filter(library).map(named).collect())
}

/// Package and features of each dependency that is not only for development.
type Tree = Vec<(String, Vec<String>)>;

fn tree(name: &str, more: &[&str]) -> Outcome<Tree> {
    let mut tree = cargo();
    tree.args(["tree", "--quiet", "--package", name, "--no-default-features"]);
    tree.args(["--edges", "normal", "--prefix", "none", "--format", "{p}|{f}"]).args(more);
    Ok(read(&mut tree)?.lines().filter_map(entry).collect())
}

/// `tokio v1.54.1|sync,time` is tokio with two features.
fn entry(line: &str) -> Option<(String, Vec<String>)> {
    let (package, features) = line.split_once('|')?;
    let name = package.split_whitespace().next()?.to_owned();
    let features = features.trim_end_matches(" (*)").split(',');
    Some((name, features.filter(|feature| !feature.is_empty()).map(str::to_owned).collect()))
}

fn unasked(library: &str, tree: &Tree) -> Vec<String> {
    let excepted = |name: &str| PLACES.contains(&(library, name));
    let found = tree.iter().map(|(name, _)| name.as_str());
    let mut wrong: Vec<_> =
        found.filter(|name| UNASKED.contains(name) && !excepted(name)).collect();
    wrong.dedup();
    wrong.into_iter().map(|name| format!("{library} brings {name} along")).collect()
}

fn online(library: &str, tree: &Tree) -> Vec<String> {
    let found = tree.iter().map(|(name, _)| name.as_str()).filter(|name| HTTP.contains(name));
    found.map(|name| format!("{library} brings {name} along, which is for HTTP")).collect()
}

fn unfit(library: &str, tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, features) in tree {
        if NATIVE.contains(&name.as_str()) {
            wrong.push(format!("{library} brings {name} along, which does not run on wasm32"));
        }
        let odd = |feature: &&String| !TOKIO_ON_WASM.contains(&feature.as_str());
        if name == "tokio"
            && features.iter().any(|feature| odd(&feature) && !feature.starts_with("tokio-"))
        {
            wrong.push(format!("{library} needs tokio's {}", features.join(", ")));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(lines: &[&str]) -> Tree {
        lines.iter().filter_map(|line| entry(line)).collect()
    }

    #[test]
    fn what_was_not_asked_for_is_named() {
        let found = tree(&["clodo-x v0.1.0 (/x)|", "clap v4.6.7|std", "serde v1.0.1|derive (*)"]);
        assert_eq!(unasked("clodo-x", &found), ["clodo-x brings clap along"]);
        assert!(unasked("clodo-cli", &found).is_empty());
    }

    #[test]
    fn what_speaks_http_is_named() {
        let found = tree(&["clodo-db v0.1.0 (/x)|", "tokio v1.54.1|sync", "hyper v1.7.0|"]);
        assert_eq!(online("clodo-db", &found), ["clodo-db brings hyper along, which is for HTTP"]);
    }

    #[test]
    fn what_does_not_run_on_wasm32_is_named() {
        let fit = tree(&["tokio v1.54.1|default,sync,time", "futures-util v0.3.1|std"]);
        assert!(unfit("clodo-x", &fit).is_empty());
        let found = tree(&["tokio v1.54.1|net,sync (*)", "mio v1.0.0|"]);
        assert_eq!(unfit("clodo-x", &found).len(), 2);
    }
}
