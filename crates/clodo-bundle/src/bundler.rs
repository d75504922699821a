use crate::{
    AssetLimits, AssetSet, Bundle, BundleError, Module, ModuleKind, assets, command,
    esbuild::{self, EsbuildError, Job, Output, program},
    format::has_default_export,
    modules::{at_start, find_additional, note_bad_text, read_error},
    names::names_in,
    node::NodeCompat,
    project::Project,
    rules::{Rules, UnknownKind},
};
use clodo_npm::NpmCache;
use clodo_types::Finding;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::{OnceCell, Semaphore};

/// What Cloudflare takes at most, before compression.
const MOST_BYTES: u64 = 64 << 20;

/// Turns projects into bundles, several at a time.
#[derive(Debug)]
pub struct Bundler {
    cache: NpmCache,
    esbuild: Option<PathBuf>,
    timeout: Duration,
    limits: AssetLimits,
    running: Semaphore,
    /// The cache's esbuild, once somebody asked for it.
    installed: OnceCell<program::Program>,
}

impl Bundler {
    /// A bundler that uses each project's own esbuild, and the cache's for a project without one.
    /// Nothing is installed before it is needed.
    #[must_use]
    pub fn new(cache: NpmCache) -> Self {
        let running = std::thread::available_parallelism().map_or(4, |cores| cores.get() * 2);
        Self {
            cache,
            esbuild: None,
            timeout: Duration::from_secs(60),
            limits: AssetLimits::default(),
            running: Semaphore::new(running),
            installed: OnceCell::new(),
        }
    }

    /// Uses this esbuild for every project.
    #[must_use]
    pub fn with_esbuild(mut self, program: impl Into<PathBuf>) -> Self {
        self.esbuild = Some(program.into());
        self
    }

    /// Sets how long one build may take; the default is a minute.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how much a Worker may bring as assets.
    #[must_use]
    pub fn with_asset_limits(mut self, limits: AssetLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Bundles a project. Writes nothing; dropping the future ends esbuild.
    ///
    /// # Errors
    /// When the code does not build, the config names what is not there, or esbuild cannot be had.
    pub async fn bundle(&self, project: &Project) -> Result<Bundle, BundleError> {
        if let Some(command) = &project.config().build_command {
            command::run(command, project).await?;
        }
        let assets = self.assets(project);
        let (code, assets) = tokio::join!(self.code(project), assets);
        let (code, (assets, asset_notes)) = (code?, assets?);
        check_size(&code)?;
        let mut bundle = Bundle::new(code.main, code.modules, assets);
        bundle.inputs = code.inputs;
        bundle.notes = code.notes;
        bundle.notes.extend(asset_notes);
        if project.config().minify
            && let Some(map) = bundle.main_module.as_ref().and_then(|main| bundle.source_map(main))
        {
            // Minified code calls its environment by a letter.
            bundle.env_names.extend(map.texts().flat_map(names_in));
        }
        Ok(bundle)
    }

    async fn assets(
        &self,
        project: &Project,
    ) -> Result<(Option<AssetSet>, Vec<Finding>), BundleError> {
        if project.config().assets.as_ref().is_none_or(|assets| assets.directory.is_none()) {
            return Ok((None, Vec::new()));
        }
        let (project, limits) = (project.clone(), self.limits);
        let collected =
            tokio::task::spawn_blocking(move || assets::collect(&project, limits)).await;
        let collected = collected.map_err(|_| BundleError::Stopped)??;
        Ok(collected.map_or_else(Default::default, |(assets, notes)| (Some(assets), notes)))
    }

    async fn code(&self, project: &Project) -> Result<Code, BundleError> {
        let Some(entry) = project.entry()? else {
            let has_assets =
                project.config().assets.as_ref().is_some_and(|assets| assets.directory.is_some());
            if has_assets {
                return Ok(Code::default());
            }
            let message =
                "there is nothing to upload: the config has no `main` and no `assets.directory`";
            let error = project.config_error("name", message, "");
            let error = error.with_hint("set `main` to the entry point, such as \"src/index.ts\"");
            return Err(BundleError::Config(Box::new(error)));
        };
        let rules = Rules::new(&project.config().rules).map_err(|UnknownKind(kind)| {
            let message = format!("modules of type `{kind}` are not supported yet");
            BundleError::Config(Box::new(project.config_error("type", message, kind)))
        })?;
        let mut code = if project.config().no_bundle {
            as_it_is(project, &entry, &rules)?
        } else {
            self.bundled(project, &entry, &rules).await?
        };
        code.notes.extend(rules.notes);
        Ok(code)
    }

    async fn bundled(
        &self,
        project: &Project,
        entry: &Path,
        rules: &Rules,
    ) -> Result<Code, BundleError> {
        let config = project.config();
        let node =
            NodeCompat::new(config.compatibility_date.as_deref(), &config.compatibility_flags);
        let additional = match config.find_additional_modules {
            true => find_additional(project, entry, rules)?,
            false => Vec::new(),
        };
        let kept = additional.iter().map(|(path, module)| (path.clone(), module.name.clone()));
        let job = Job { project, entry, rules, node: &node, kept: kept.collect() };
        let program = self.program(project).await?;
        let _turn = self.running.acquire().await.map_err(|_| BundleError::Stopped)?;
        let output = match tokio::time::timeout(self.timeout, esbuild::run(&program, &job)).await {
            Ok(output) => output?,
            Err(_) => {
                let source = EsbuildError::TimedOut(self.timeout.as_secs());
                return Err(BundleError::Esbuild { program: program.path, source });
            }
        };
        check_exports(project, entry, &output.exports)?;
        let largest = esbuild::largest(&output.inputs);
        let Output { main, source_map, modules, inputs, mut notes, .. } = output;
        let inputs: Vec<PathBuf> = inputs.into_keys().collect();
        notes.extend(note_bad_text(project, &main.body, &inputs));
        let name = main.name.clone();
        let additional = additional.into_iter().map(|(_, module)| module);
        let modules = [main].into_iter().chain(source_map).chain(modules).chain(additional);
        Ok(Code { main: Some(name), modules: modules.collect(), inputs, notes, largest })
    }

    async fn program(&self, project: &Project) -> Result<program::Program, BundleError> {
        if let Some(path) = &self.esbuild {
            let found = program::at(path).await;
            return found.map_err(|source| BundleError::Esbuild { program: path.clone(), source });
        }
        match program::of_project(project.root()) {
            Some(program) => Ok(program),
            None => {
                let installed = self.installed.get_or_try_init(|| program::of_cache(&self.cache));
                Ok(installed.await.map_err(BundleError::NoEsbuild)?.clone())
            }
        }
    }
}

/// The modules of a Worker, before they are hashed.
#[derive(Debug, Default)]
struct Code {
    main: Option<String>,
    modules: Vec<Module>,
    inputs: Vec<PathBuf>,
    notes: Vec<Finding>,
    largest: String,
}

/// The modules of a project that brings them ready: named by their path.
fn as_it_is(project: &Project, entry: &Path, rules: &Rules) -> Result<Code, BundleError> {
    let body = fs::read(entry).map_err(|source| read_error(project, entry, source))?;
    let Ok(text) = std::str::from_utf8(&body) else {
        let why = "the entry point is not UTF-8";
        return Err(BundleError::Source(vec![at_start(project, entry, why)]));
    };
    let is_module =
        entry.extension().is_some_and(|extension| extension == "mjs") || has_default_export(text);
    let kind = if is_module { ModuleKind::EsModule } else { ModuleKind::CommonJs };
    let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let source_map = map_beside(entry, text, &name);
    let main = Module { name: name.clone(), kind, body: body.into() };
    let additional = find_additional(project, entry, rules)?;
    let paths =
        [entry.to_owned()].into_iter().chain(additional.iter().map(|(path, _)| path.clone()));
    let inputs = paths.filter_map(|path| crate::project::relative(project.root(), &path)).collect();
    let modules = [main]
        .into_iter()
        .chain(source_map)
        .chain(additional.into_iter().map(|(_, module)| module));
    Ok(Code { main: Some(name), modules: modules.collect(), inputs, ..Code::default() })
}

/// The source map that a file names in its last lines, when it lies beside it.
fn map_beside(entry: &Path, text: &str, name: &str) -> Option<Module> {
    let comment =
        text.lines().rev().take(5).find_map(|line| line.strip_prefix("//# sourceMappingURL="))?;
    let body = fs::read(entry.parent()?.join(comment.trim())).ok()?;
    Some(Module { name: format!("{name}.map"), kind: ModuleKind::SourceMap, body: body.into() })
}

/// A class that a binding of this Worker names must be exported, or the upload would be refused.
fn check_exports(project: &Project, entry: &Path, exports: &[String]) -> Result<(), BundleError> {
    let config = project.config();
    let objects = config.durable_objects.iter().filter(|object| object.script_name.is_none());
    let objects = objects.map(|object| ("Durable Object", object.class_name.as_str()));
    let workflows = config.other.get("workflows").and_then(|list| list.as_array());
    let workflows =
        workflows.into_iter().flatten().filter(|workflow| workflow["script_name"].is_null());
    let workflows =
        workflows.filter_map(|workflow| Some(("workflow", workflow["class_name"].as_str()?)));
    let classes: BTreeSet<_> = objects.chain(workflows).collect();
    for (what, class) in classes {
        if !exports.iter().any(|name| name == class) {
            let shown = project.shown(entry);
            let message =
                format!("the {what} class `{class}` is not exported by `{}`", shown.display());
            let error = project.config_error("class_name", message, class);
            let error = error.with_hint(format!(
                "write `export class {class} …` there, or correct `class_name`"
            ));
            return Err(BundleError::Config(Box::new(error)));
        }
    }
    Ok(())
}

fn check_size(code: &Code) -> Result<(), BundleError> {
    let modules = code.modules.iter().filter(|module| module.kind != ModuleKind::SourceMap);
    let bytes: u64 = modules.map(|module| module.body.len() as u64).sum();
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(BundleError::TooLarge { bytes, most: MOST_BYTES, largest: code.largest.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_account_may_upload_is_refused_with_its_largest_parts() {
        let module = |kind, bytes: u64| {
            let body = vec![0; usize::try_from(bytes).unwrap()].into();
            Module { name: "a".to_owned(), kind, body }
        };
        let code = |kind, bytes| Code {
            modules: vec![module(ModuleKind::EsModule, 1), module(kind, bytes)],
            largest: "src/data.ts (70000000)".to_owned(),
            ..Code::default()
        };
        check_size(&code(ModuleKind::Data, MOST_BYTES - 1)).unwrap();
        check_size(&code(ModuleKind::SourceMap, MOST_BYTES)).unwrap();
        let error = check_size(&code(ModuleKind::Data, MOST_BYTES)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Worker has 67108865 bytes, and at most 67108864 can be uploaded; largest: src/data.ts (70000000)"
        );
    }
}
