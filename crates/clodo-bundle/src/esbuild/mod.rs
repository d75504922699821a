//! Drives the esbuild binary over the protocol of its own JavaScript library. The command line
//! would not do: only a plugin can keep an imported file a module of its own, under a name that
//! says its content, and only the protocol reports errors as data.

mod answer;
mod message;
mod options;
mod packet;
mod plugin;
pub(crate) mod program;
mod service;

pub use service::EsbuildError;

use crate::{
    BundleError, Module, ModuleKind,
    node::NodeCompat,
    project::{Project, slashed},
    rules::Rules,
};
use clodo_types::Finding;
use packet::Value;
use plugin::Imports;
use program::Program;
use service::{Plugin, Reply, Service, Ticket};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The number of the one build that a process does.
const KEY: u32 = 0;

/// What there is to bundle.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) project: &'a Project,
    pub(crate) entry: &'a Path,
    pub(crate) rules: &'a Rules,
    pub(crate) node: &'a NodeCompat,
    /// Modules that stay files of their own, by their path.
    pub(crate) kept: BTreeMap<PathBuf, String>,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) main: Module,
    pub(crate) source_map: Option<Module>,
    pub(crate) modules: Vec<Module>,
    /// What the entry point exports.
    pub(crate) exports: Vec<String>,
    /// The files that were read, relative to the project, with the bytes each adds to the bundle.
    pub(crate) inputs: BTreeMap<PathBuf, u64>,
    pub(crate) notes: Vec<Finding>,
}

/// Bundles in a process of its own.
pub(crate) async fn run(program: &Program, job: &Job<'_>) -> Result<Output, BundleError> {
    let broken = |source| BundleError::Esbuild { program: program.path.clone(), source };
    let version = program.version.to_string();
    let mut service = Service::start(&program.path, &version).await.map_err(broken)?;

    let look = options::look(job, program.version);
    let answer = service.call(look, &mut NoPlugin).await.map_err(broken)?;
    let looked = outcome(&answer, job)?;
    let is_module = exports(&looked).iter().any(|name| name == "default");

    let mut imports = imports(job, is_module)?;
    let build = options::build(job, program.version, is_module, imports.description());
    let answer = service.call(build, &mut imports).await.map_err(broken)?;
    let built = outcome(&answer, job)?;
    output(&answer, &built, imports, job)
        .ok_or_else(|| broken(EsbuildError::Protocol("a build without an output".to_owned())))
}

/// For a build that only parses one file.
#[derive(Debug)]
struct NoPlugin;

impl Plugin for NoPlugin {
    fn on_resolve(&mut self, _: &Value) -> Reply {
        Reply::Answer(Value::map([]))
    }

    fn on_resolved(&mut self, _: Ticket, _: &Value) -> Value {
        Value::map([])
    }

    fn on_load(&mut self, _: &Value) -> Value {
        Value::map([])
    }
}

fn imports<'a>(job: &Job<'a>, is_module: bool) -> Result<Imports<'a>, BundleError> {
    let entry_folder = job.entry.parent().unwrap_or(job.project.root());
    let read = |source| BundleError::Read { path: job.project.shown(entry_folder), source };
    let mut beside_entry = BTreeSet::new();
    for entry in fs::read_dir(entry_folder).map_err(read)?.flatten() {
        let name = entry.file_name().into_string();
        // Only a file that a rule makes a module is ever asked about.
        if let Ok(name) = name
            && job.rules.of_import(&format!("./{name}")).is_some()
        {
            beside_entry.insert(name);
        }
    }
    Ok(Imports {
        project: job.project,
        rules: job.rules,
        node: job.node,
        is_module,
        kept: job.kept.clone(),
        beside_entry,
        entry_folder,
        modules: BTreeMap::new(),
        notes: Vec::new(),
    })
}

/// The metafile of a build, unless it failed.
fn outcome(answer: &Value, job: &Job<'_>) -> Result<serde_json::Value, BundleError> {
    let refused = answer.get("error").as_text();
    if !refused.is_empty() {
        return Err(message::config_error(refused, job.project));
    }
    let errors = answer.get("errors").as_list();
    // What has no place in the code comes from the options, and those come from the config.
    if let Some(error) = errors.iter().find(|error| *error.get("location") == Value::Null) {
        return Err(message::config_error(error.get("text").as_text(), job.project));
    }
    if !errors.is_empty() {
        return Err(BundleError::Source(message::source_errors(errors, job.project, job.node)));
    }
    Ok(serde_json::from_slice(answer.get("metafile").as_bytes()).unwrap_or_default())
}

/// The output of the entry point, in a metafile.
fn entry_output(metafile: &serde_json::Value) -> Option<&serde_json::Value> {
    let outputs = metafile["outputs"].as_object()?;
    outputs.values().find(|output| output["entryPoint"].is_string())
}

fn exports(metafile: &serde_json::Value) -> Vec<String> {
    let names = entry_output(metafile).and_then(|output| output["exports"].as_array());
    names.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

fn output(
    answer: &Value,
    metafile: &serde_json::Value,
    imports: Imports<'_>,
    job: &Job<'_>,
) -> Option<Output> {
    let stem = options::stem(job.entry);
    let file = |name: &str| {
        let files = answer.get("outputFiles").as_list();
        let is_it = |file: &&Value| Path::new(file.get("path").as_text()).ends_with(name);
        files.iter().find(is_it).map(|file| file.get("contents").as_bytes().to_vec().into())
    };
    let name = format!("{stem}.js");
    let map_name = format!("{name}.map");
    let exports = exports(metafile);
    let kind = if exports.is_empty() { ModuleKind::CommonJs } else { ModuleKind::EsModule };
    let sizes = entry_output(metafile)?["inputs"].as_object()?;
    let inputs = metafile["inputs"].as_object()?.keys();
    let size = |path: &str| sizes.get(path).and_then(|input| input["bytesInOutput"].as_u64());
    let is_file = |path: &&String| !path.starts_with("clodo-");
    let inputs = inputs.filter(is_file).map(|path| (PathBuf::from(path), size(path).unwrap_or(0)));
    Some(Output {
        main: Module { body: file(&name)?, name, kind },
        source_map: file(&map_name).map(|body| Module {
            name: map_name,
            kind: ModuleKind::SourceMap,
            body,
        }),
        modules: imports.modules.into_values().collect(),
        exports,
        inputs: inputs.collect(),
        notes: imports.notes,
    })
}

/// The largest inputs of a bundle, for a message.
pub(crate) fn largest(inputs: &BTreeMap<PathBuf, u64>) -> String {
    let mut sizes: Vec<_> = inputs.iter().map(|(path, size)| (*size, path)).collect();
    sizes.sort_by(|a, b| b.cmp(a));
    let shown = sizes.iter().take(3).map(|(size, path)| format!("{} ({size})", slashed(path)));
    shown.collect::<Vec<_>>().join(", ")
}
