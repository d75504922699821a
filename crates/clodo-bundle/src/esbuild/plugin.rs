use super::{
    answer::{self, callback, copied, external, failure, made_up, question},
    packet::Value,
    service::{About, Plugin, Reply, Ticket},
};
use crate::{
    Module, ModuleKind,
    modules::read_module,
    node::{self, NodeCompat, NodeMode, NodeModule},
    project::{Project, normal},
    rules::{Rules, Ruling},
};
use clodo_types::{Finding, Location, Severity};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const REQUIRED: &str = "clodo-required-node-module";
const STAND_IN: &str = "clodo-absent-node-module";

/// What a project does to imports while esbuild bundles it.
#[derive(Debug)]
pub(crate) struct Imports<'a> {
    pub(crate) project: &'a Project,
    pub(crate) rules: &'a Rules,
    pub(crate) node: &'a NodeCompat,
    /// False for a script in the service-worker format, which cannot import anything.
    pub(crate) is_module: bool,
    /// Modules that stay files of their own, by their path.
    pub(crate) kept: BTreeMap<PathBuf, String>,
    /// The names of the files beside the entry point: wrangler 1 found them by bare name.
    pub(crate) beside_entry: BTreeSet<String>,
    pub(crate) entry_folder: &'a Path,
    /// The modules that were found, by name.
    pub(crate) modules: BTreeMap<String, Module>,
    pub(crate) notes: Vec<Finding>,
}

impl Imports<'_> {
    /// Which imports esbuild asks about.
    pub(crate) fn description(&self) -> Value {
        let exact = |names: Vec<&str>| {
            let names: Vec<String> = names.into_iter().map(regex::escape).collect();
            (!names.is_empty()).then(|| format!("^(?:{})$", names.join("|")))
        };
        let aliases = exact(self.project.config().alias.keys().map(String::as_str).collect());
        let beside = exact(self.beside_entry.iter().map(String::as_str).collect());
        let kept = (!self.kept.is_empty()).then(|| r"^\.{0,2}/".to_owned());
        let filters = [aliases, beside, kept].into_iter().flatten().chain(self.rules.patterns());
        let fixed = [NodeCompat::pattern(), "^cloudflare:".to_owned()];
        let on_resolve =
            filters.chain(fixed).zip(0..).map(|(filter, id)| callback(id, &filter, ""));
        let on_load = [REQUIRED, STAND_IN].into_iter().zip(1000..);
        Value::map([
            ("name", Value::text("clodo")),
            ("onStart", Value::Bool(false)),
            ("onEnd", Value::Bool(false)),
            ("onResolve", Value::List(on_resolve.collect())),
            ("onLoad", Value::List(on_load.map(|(space, id)| callback(id, ".*", space)).collect())),
        ])
    }

    fn decide(&mut self, id: u32, request: &Value) -> Reply {
        let path = request.get("path").as_text();
        if let Some(target) = self.project.config().alias.get(path) {
            if let Some(answer) = self.built_in(id, target, request) {
                return answer;
            }
            let folder = self.project.root().to_string_lossy().into_owned();
            return Reply::Ask(
                question(target, &folder, request),
                Ticket { callback: id, about: About::Alias },
            );
        }
        let folder = request.get("resolveDir").as_text();
        let file = path.split('?').next().unwrap_or(path);
        let target = normal(&Path::new(folder).join(file));
        if let Some(name) = self.kept.get(&target) {
            return Reply::Answer(external(id, &format!("./{name}")));
        }
        if self.beside_entry.contains(path)
            && let Some(Ruling::Module(kind)) = self.rules.of_import(&format!("./{path}"))
        {
            return Reply::Answer(self.module(id, &self.entry_folder.join(file), kind));
        }
        match self.rules.of_import(path) {
            Some(Ruling::Module(kind)) => {
                let about =
                    About::Module { path: file.to_owned(), folder: folder.to_owned(), kind };
                return Reply::Ask(question(file, folder, request), Ticket { callback: id, about });
            }
            Some(Ruling::ShutOut(why)) => return Reply::Answer(failure(id, &why)),
            None => {}
        }
        self.built_in(id, path, request).unwrap_or(Reply::Answer(Value::map([])))
    }

    /// Imports that the runtime answers, not a file.
    fn built_in(&mut self, id: u32, path: &str, request: &Value) -> Option<Reply> {
        if path.starts_with("cloudflare:") {
            return Some(Reply::Answer(self.runtime(id, path)));
        }
        let importer = request.get("importer").as_text();
        match self.node.mode {
            NodeMode::Full => {
                let space = match self.node.look_up(path)? {
                    NodeModule::Missing => {
                        self.note_absent(path, importer);
                        STAND_IN
                    }
                    NodeModule::Native if request.get("kind").as_text() == "require-call" => {
                        REQUIRED
                    }
                    NodeModule::Native => {
                        return Some(Reply::Answer(self.runtime(id, path)));
                    }
                };
                Some(Reply::Answer(made_up(id, path, space)))
            }
            NodeMode::AsyncLocalStorage if path == "node:async_hooks" => {
                Some(Reply::Answer(self.runtime(id, path)))
            }
            _ if path.starts_with("node:") => {
                let folder = request.get("resolveDir").as_text();
                let about = About::Node { path: path.to_owned(), importer: importer.to_owned() };
                Some(Reply::Ask(question(path, folder, request), Ticket { callback: id, about }))
            }
            _ => None,
        }
    }

    fn runtime(&self, id: u32, path: &str) -> Value {
        if self.is_module { external(id, path) } else { failure(id, &needs_module(path)) }
    }

    /// Reads a file that stays a module, and gives it the name that its content says.
    fn module(&mut self, id: u32, path: &Path, kind: ModuleKind) -> Value {
        if !self.is_module {
            return failure(id, &needs_module(&self.project.shown(path).to_string_lossy()));
        }
        match read_module(path, kind) {
            Ok(module) => {
                let answer = external(id, &module.name);
                self.modules.insert(module.name.clone(), module);
                answer
            }
            Err(why) => failure(id, &format!("`{}` {why}", self.project.shown(path).display())),
        }
    }

    fn note_absent(&mut self, path: &str, importer: &str) {
        let name = node::prefixed(path);
        let message = format!(
            "`{name}` does not exist in the Workers runtime at this compatibility date; what uses it fails when it runs"
        );
        self.note(
            "node-module-absent",
            message,
            path,
            importer,
            "a later `compatibility_date` may have it",
        );
    }

    fn note(&mut self, rule: &str, message: String, path: &str, importer: &str, hint: &str) {
        if self.notes.iter().any(|note| note.rule == rule && note.message == message) {
            return;
        }
        let at = self.place(path, importer);
        let (rule, hint) = (rule.to_owned(), Some(hint.to_owned()));
        self.notes.push(Finding { rule, severity: Severity::Note, at, message, hint });
    }

    /// Where a file first names an import.
    fn place(&self, path: &str, importer: &str) -> Option<Location> {
        let text = fs::read_to_string(importer).ok()?;
        let quoted = ["\"", "'", "`"].map(|quote| format!("{quote}{path}{quote}"));
        let offset = quoted.iter().filter_map(|import| text.find(import.as_str())).min()?;
        Some(Location::of_offset(self.project.shown(Path::new(importer)), &text, offset))
    }
}

impl Plugin for Imports<'_> {
    fn on_resolve(&mut self, request: &Value) -> Reply {
        let is_ours = request.get("pluginData").as_int() == Some(answer::OURS);
        let id = request.get("ids").as_list().first().and_then(Value::as_int);
        match id {
            Some(id) if !is_ours && request.get("kind").as_text() != "entry-point" => {
                self.decide(id, request)
            }
            _ => Reply::Answer(Value::map([])),
        }
    }

    fn on_resolved(&mut self, ticket: Ticket, found: &Value) -> Value {
        let id = ticket.callback;
        let path = found.get("path").as_text();
        let failed = path.is_empty() || !found.get("errors").as_list().is_empty();
        match ticket.about {
            About::Module { path: import, folder, kind } => {
                let file = if failed { by_hand(&import, &folder) } else { PathBuf::from(path) };
                self.module(id, &file, kind)
            }
            About::Node { path, importer } if failed => {
                // With the flag the runtime has it; the date decides, as in wrangler.
                if self.node.mode != NodeMode::Prefixed {
                    let message = format!(
                        "`{path}` is a module of Node.js, which this Worker does not enable"
                    );
                    let hint = "add `nodejs_compat` to `compatibility_flags`";
                    self.note("node-module-not-enabled", message, &path, &importer, hint);
                }
                self.runtime(id, &path)
            }
            About::Alias if failed => copied(id, found, &["errors", "warnings"]),
            About::Alias | About::Node { .. } => {
                copied(id, found, &["path", "external", "namespace", "suffix", "sideEffects"])
            }
        }
    }

    fn on_load(&mut self, request: &Value) -> Value {
        let path = request.get("path").as_text();
        let text = match request.get("namespace").as_text() {
            REQUIRED => node::required(path),
            _ => node::stand_in(path),
        };
        let id = request.get("ids").as_list().first().cloned().unwrap_or(Value::Int(0));
        Value::map([
            ("id", id),
            ("contents", Value::Bytes(text.into_bytes())),
            ("loader", Value::text("js")),
        ])
    }
}

/// Where an import leads when esbuild does not know: the file itself, else one in a package.
fn by_hand(import: &str, folder: &str) -> PathBuf {
    let direct = normal(&Path::new(folder).join(import));
    if direct.is_file() || import.starts_with('.') {
        return direct;
    }
    let packages =
        Path::new(folder).ancestors().map(|folder| folder.join("node_modules").join(import));
    packages.into_iter().find(|path| path.is_file()).unwrap_or(direct)
}

fn needs_module(what: &str) -> String {
    format!(
        "`{what}` can only be imported by an ES module; a Worker without `export default` is a script in the service-worker format"
    )
}
