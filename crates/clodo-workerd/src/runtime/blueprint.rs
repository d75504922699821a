//! From what an account serves to the config, files and environment of one workerd process.

use super::{
    bindings::{self, BindingContext},
    capnp::Fields,
    link::Link,
    modules,
    services::{self, Services, WorkflowClass},
    tails,
};
use crate::seams::{Generation, ServedBinding, ServedVersion};
use bytes::Bytes;
use clodo_types::Secret;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Where everything outside the process is, as its config must name it.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The account, 32 hex digits.
    pub(crate) account: String,
    /// Address of the listener that serves bindings.
    pub(crate) back_address: String,
    /// What proves to that listener that workerd is calling.
    pub(crate) back_key: Secret,
    /// Durable Objects' files; `None` keeps them in memory.
    pub(crate) durable_folder: Option<PathBuf>,
    /// An empty folder, served at the socket that health pings ask.
    pub(crate) empty_folder: PathBuf,
    /// Whether `fetch()` may leave this machine.
    pub(crate) outbound: Outbound,
    /// Whether some private addresses may be reached; which, the listener for bindings says.
    pub(crate) private: bool,
    /// Flags for V8, such as `--max-old-space-size=64`.
    pub(crate) v8_flags: Vec<String>,
    /// The newest compatibility date that this workerd knows; later ones are served as this one.
    pub(crate) newest_date: Option<String>,
}

/// Whether a Worker's `fetch()` may leave this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outbound {
    /// Only hostnames of this cloud answer; any other gets a clear error.
    #[default]
    Denied,
    /// Hostnames of this cloud answer from this cloud, others from the internet.
    Internet,
}

/// What to leave out, because workerd refused to start with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repairs {
    /// Services to replace by one that answers with this message.
    pub(crate) broken: BTreeMap<String, String>,
    /// Bindings (service, name) that refer to something that the other Worker does not have.
    pub(crate) dangling: BTreeSet<(String, String)>,
}

/// What a socket of the process leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The version with this id.
    Version(String),
    /// What passes events to the versions with these ids.
    Events(Vec<String>),
    /// What runs the Workflows of the versions with these ids.
    Workflows(Vec<String>),
    /// The health ping.
    Ping,
}

/// Everything that is needed to start one workerd process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blueprint {
    /// Cap'n Proto text; its constant is called `config`.
    pub(crate) config: String,
    /// Files that the config embeds: name (a hash) and content.
    pub(crate) files: BTreeMap<String, Bytes>,
    /// The whole environment of the process: nothing but secrets.
    pub(crate) environment: Vec<(String, Secret)>,
    /// Names of the sockets, and what they lead to.
    pub(crate) sockets: Vec<(String, Target)>,
    /// The Workers whose code runs in it.
    pub(crate) scripts: BTreeSet<String>,
    /// Whether two such processes must never run at once.
    pub(crate) exclusive: bool,
    /// Whether workerd must allow what it calls experimental: passing on events is.
    pub(crate) experimental: bool,
}

/// How the sockets of a process are called, and where they listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming<'a> {
    /// Unique per process.
    pub(crate) prefix: &'a str,
    /// Says the addresses; without one the config is only good for comparing.
    pub(crate) link: Option<&'a dyn Link>,
}

impl Naming<'_> {
    fn address(&self, socket: &str) -> String {
        self.link.map_or_else(|| socket.to_owned(), |link| link.listen_text(socket))
    }
}

impl Blueprint {
    /// The process that serves `generation`.
    pub(crate) fn of(
        generation: &Generation,
        around: &Surroundings,
        repairs: &Repairs,
        naming: Naming<'_>,
    ) -> Self {
        let mut plan = Planner::new(generation, around, repairs);
        for version in &generation.versions {
            plan.version(version, naming);
        }
        plan.finish(naming)
    }

    /// A hash of everything that a process is started with.
    pub(crate) fn fingerprint(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        // The names of files are hashes of their content, and stand in the config.
        hasher.update(self.config.as_bytes());
        for (name, value) in &self.environment {
            hasher.update(name.as_bytes()).update(b"=");
            hasher.update(value.expose().as_bytes()).update(b"\0");
        }
        hasher.finalize()
    }
}

/// The name of a version's service in the config; workerd's messages begin with it.
pub(crate) fn service_name(script: &str, version: &str) -> String {
    format!("{script}:{version}")
}

struct Planner<'a> {
    generation: &'a Generation,
    around: &'a Surroundings,
    repairs: &'a Repairs,
    out: Blueprint,
    services: Services<'a>,
    sockets: Vec<String>,
    /// Versions that can be given events: id and service.
    events: Vec<(String, String)>,
    workflows: Vec<WorkflowClass>,
}

impl<'a> Planner<'a> {
    fn new(generation: &'a Generation, around: &'a Surroundings, repairs: &'a Repairs) -> Self {
        Self {
            generation,
            around,
            repairs,
            out: Blueprint::default(),
            services: Services::new(around),
            sockets: Vec::new(),
            events: Vec::new(),
            workflows: Vec::new(),
        }
    }

    fn version(&mut self, version: &ServedVersion, naming: Naming<'_>) {
        if version.main_module.is_none() && version.body_part.is_none() {
            return; // Only assets: the front serves them.
        }
        self.out.scripts.insert(version.script.clone());
        let name = service_name(&version.script, &version.version_id);
        self.workflows_of(version, &name);
        if let Some(why) = self.repairs.broken.get(&name) {
            let entrypoints = self.entrypoints_asked_of(&version.script);
            self.services.stub(&name, why, &entrypoints);
        } else {
            let worker = self.worker(version, &name);
            self.services.worker(&name, &worker);
        }
        self.socket(&name, Target::Version(version.version_id.clone()), naming);
        if self.generation.events.contains(&version.version_id) {
            self.events.push((version.version_id.clone(), name));
        }
    }

    /// A version that could not be started has none.
    fn workflows_of(&mut self, version: &ServedVersion, service: &str) {
        if self.repairs.broken.contains_key(service) {
            return;
        }
        let classes = self.generation.workflows.get(&version.version_id);
        let one = |class: &String| WorkflowClass {
            version: version.version_id.clone(),
            class: class.clone(),
            service: service.to_owned(),
        };
        self.workflows.extend(classes.into_iter().flatten().map(one));
    }

    fn worker(&mut self, version: &ServedVersion, service: &str) -> Fields {
        let consumes = tails::consumers(self.generation).contains(version.script.as_str());
        let mut fields = modules::code(version, &mut self.out.files, consumes);
        fields = fields.text("compatibilityDate", &self.date(version));
        let flags: Vec<_> =
            version.compatibility_flags.iter().map(|flag| super::capnp::text(flag)).collect();
        fields = fields.list("compatibilityFlags", &flags);
        let mut context = BindingContext {
            generation: self.generation,
            version,
            service,
            dangling: &self.repairs.dangling,
            services: &mut self.services,
            environment: &mut self.out.environment,
            files: &mut self.out.files,
        };
        let bound = bindings::all(&mut context);
        fields = fields.list("bindings", &bound);
        let outbound = self.services.outbound(&version.script);
        fields = fields.text("globalOutbound", &outbound);
        let tails = tails::of(version, self.generation, self.repairs, &mut self.services);
        fields = fields.list("tails", &tails);
        self.durable(version, fields)
    }

    fn date(&self, version: &ServedVersion) -> String {
        let date = version.compatibility_date.as_deref().unwrap_or(services::OLDEST_DATE);
        match self.around.newest_date.as_deref() {
            Some(newest) if date > newest => newest.to_owned(),
            _ => date.to_owned(),
        }
    }

    /// Objects live with one version of their Worker only: two would open the same files.
    fn durable(&mut self, version: &ServedVersion, fields: Fields) -> Fields {
        if bindings::home_version(self.generation, &version.script)
            != Some(version.version_id.as_str())
        {
            return fields;
        }
        let own = self.generation.namespaces.iter().filter(|space| space.script == version.script);
        let namespaces: Vec<String> = own.map(services::durable_namespace).collect();
        if namespaces.is_empty() {
            return fields;
        }
        let storage = if self.around.durable_folder.is_some() {
            self.out.exclusive = true;
            self.services.disk();
            Fields::default().text("localDisk", services::DISK)
        } else {
            Fields::default().raw("inMemory", "void")
        };
        fields
            .list("durableObjectNamespaces", &namespaces)
            .raw("durableObjectStorage", &storage.done())
    }

    fn entrypoints_asked_of(&self, script: &str) -> BTreeSet<String> {
        let bindings = self.generation.versions.iter().flat_map(|version| &version.bindings);
        bindings
            .filter_map(|(_, binding)| match binding {
                ServedBinding::Service { script: asked, entrypoint, .. } if asked == script => {
                    entrypoint.clone()
                }
                _ => None,
            })
            .collect()
    }

    fn socket(&mut self, service: &str, target: Target, naming: Naming<'_>) {
        let name = format!("{}s{}", naming.prefix, self.sockets.len());
        let http = Fields::default()
            .text("forwardedProtoHeader", "x-forwarded-proto")
            .text("cfBlobHeader", "cf-blob");
        let socket = Fields::default()
            .text("name", &name)
            .text("address", &naming.address(&name))
            .raw("http", &http.done())
            .text("service", service);
        self.sockets.push(socket.done());
        self.out.sockets.push((name, target));
    }

    fn finish(mut self, naming: Naming<'_>) -> Blueprint {
        if !self.events.is_empty() {
            self.out.experimental = true;
            let router = self.services.events(&self.events);
            let versions = self.events.iter().map(|(version, _)| version.clone()).collect();
            self.socket(router, Target::Events(versions), naming);
        }
        if !self.workflows.is_empty() {
            let runner = self.services.workflows(&self.workflows, &self.repairs.dangling);
            let mut versions: Vec<_> =
                self.workflows.iter().map(|class| class.version.clone()).collect();
            versions.dedup();
            self.socket(runner, Target::Workflows(versions), naming);
        }
        self.services.ping();
        self.socket(services::PING, Target::Ping, naming);
        let flags: Vec<_> =
            self.around.v8_flags.iter().map(|flag| super::capnp::text(flag)).collect();
        let (services, extensions) = self.services.done();
        let config = Fields::default()
            .list("services", &services)
            .list("sockets", &self.sockets)
            .list("extensions", &extensions)
            .list("v8Flags", &flags)
            .raw("logging", "(structuredLogging = true)");
        self.out.config = format!(
            "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = {};\n",
            config.done()
        );
        self.out
    }
}
