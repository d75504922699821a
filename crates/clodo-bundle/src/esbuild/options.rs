//! The options that wrangler gives to esbuild.

use super::{Job, KEY, packet::Value, program::Version};
use std::path::Path;

/// The name of the output, without its extension.
pub(crate) fn stem(entry: &Path) -> String {
    entry.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A build of the entry point alone, which tells what it exports.
pub(crate) fn look(job: &Job<'_>, version: Version) -> Value {
    let mut flags = common(job, version);
    flags.push("--metafile".to_owned());
    request(job, flags, Vec::new())
}

/// The whole build. Without `is_module` the output is a script in the service-worker format.
pub(crate) fn build(job: &Job<'_>, version: Version, is_module: bool, plugin: Value) -> Value {
    let config = job.project.config();
    let mut flags = common(job, version);
    let mut flag = |text: &str| flags.push(text.to_owned());
    flag("--bundle");
    flag("--metafile");
    flag(if is_module { "--format=esm" } else { "--format=iife" });
    // The output is never written; in the project's folder, so that the paths in its map are right.
    flag(&format!("--outdir={}", job.project.root().display()));
    flag(&format!("--entry-names={}", stem(job.entry)));
    flag("--allow-overwrite");
    flag("--sourcemap");
    flag("--conditions=workerd,worker,browser");
    flag("--external:__STATIC_CONTENT_MANIFEST");
    if config.minify {
        flag("--minify");
    }
    if config.keep_names {
        flag("--keep-names");
    }
    for (key, option) in [("jsx_factory", "factory"), ("jsx_fragment", "fragment")] {
        if let Some(value) = config.other.get(key).and_then(|value| value.as_str()) {
            flag(&format!("--jsx-{option}={value}"));
        }
    }
    flags.extend(defines(job));
    request(job, flags, vec![plugin])
}

fn common(job: &Job<'_>, version: Version) -> Vec<String> {
    let mut flags: Vec<String> = ["--log-level=silent", "--log-limit=0", "--color=false"]
        .into_iter()
        .chain(["--loader:.js=jsx", "--loader:.mjs=jsx", "--loader:.cjs=jsx"])
        .map(str::to_owned)
        .collect();
    // Older versions do not know the newest names.
    let target = if version >= Version(0, 25, 0) { "es2024" } else { "es2022" };
    flags.push(format!("--target={target}"));
    if version >= Version(0, 25, 12) {
        flags.push("--supported:import-source=true".to_owned());
    }
    if let Some(tsconfig) = &job.project.config().tsconfig {
        flags.push(format!("--tsconfig={}", job.project.resolve(tsconfig).display()));
    }
    flags
}

/// Replacements in the code: wrangler's own, then the config's.
fn defines(job: &Job<'_>) -> Vec<String> {
    let config = job.project.config();
    let has = |flag: &str| config.compatibility_flags.iter().any(|given| given == flag);
    let is_dated = config.compatibility_date.as_deref().is_some_and(|date| date >= "2022-03-21");
    let has_navigator = has("global_navigator") || (is_dated && !has("no_global_navigator"));
    let mut defines = Vec::new();
    if has_navigator {
        defines.push(("navigator.userAgent", "\"Cloudflare-Workers\""));
    }
    let names =
        ["process.env.NODE_ENV", "global.process.env.NODE_ENV", "globalThis.process.env.NODE_ENV"];
    defines.extend(names.map(|name| (name, "\"production\"")));
    let given = config.define.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // A later definition of a name replaces an earlier one.
    defines.retain(|(name, _)| !config.define.contains_key(*name));
    defines.extend(given);
    defines.iter().map(|(name, value)| format!("--define:{name}={value}")).collect()
}

fn request(job: &Job<'_>, flags: Vec<String>, plugins: Vec<Value>) -> Value {
    let entry = job.entry.to_string_lossy().into_owned();
    let root = job.project.root().to_string_lossy().into_owned();
    Value::map([
        ("command", Value::text("build")),
        ("key", Value::Int(KEY)),
        ("entries", Value::List(vec![Value::texts([String::new(), entry])])),
        ("flags", Value::texts(flags)),
        ("write", Value::Bool(false)),
        ("stdinContents", Value::Null),
        ("stdinResolveDir", Value::Null),
        ("absWorkingDir", Value::text(root)),
        ("nodePaths", Value::List(Vec::new())),
        ("context", Value::Bool(false)),
        ("plugins", Value::List(plugins)),
    ])
}
