//! The services of a config: Workers, and what stands beside them.

use super::{
    blueprint::{Outbound, Surroundings},
    capnp::{self, Fields},
    modules,
};
use crate::seams::ServedNamespace;
use std::collections::{BTreeMap, BTreeSet};

/// The disk service that holds Durable Objects' files.
pub(crate) const DISK: &str = "clodo:disk";
/// The service that health pings ask: an empty folder, so no Worker's code runs.
pub(crate) const PING: &str = "clodo:ping";
/// What Cloudflare assumes for an upload without a date.
pub(crate) const OLDEST_DATE: &str = "2021-11-02";
/// The header that carries [`Surroundings::back_key`].
pub(crate) const KEY_HEADER: &str = "x-clodo-key";
/// The header that names what a request from workerd is for.
/// Names the resource that a binding stands for; the service behind the bindings reads it.
pub(crate) const RESOURCE_HEADER: &str = "x-clodo-res";

const STUB_DATE: &str = "2024-01-01";
/// From then on a service binding can call methods.
const RPC_DATE: &str = "2024-09-01";
const EVENTS: &str = "clodo:events";
const WORKFLOWS: &str = "clodo:workflows";
const PRIVATE: &str = "clodo:private";
const OUTBOUND: &str = "clodo:outbound";
const SINK: &str = "clodo:traces";
const EXTENSION: &str = "clodo:bindings";

/// What a service binding names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callee<'a> {
    /// The Worker.
    pub(crate) script: &'a str,
    /// What it exports; `None` for the default export.
    pub(crate) entrypoint: Option<&'a str>,
    /// What the entrypoint finds in `ctx.props`.
    pub(crate) props: Option<&'a serde_json::Value>,
}

/// A class whose instances can be run.
#[derive(Clone, Debug)]
pub(crate) struct WorkflowClass {
    pub(crate) version: String,
    pub(crate) class: String,
    /// The version's service.
    pub(crate) service: String,
}

/// Collects services by name; asking for one twice makes one.
#[derive(Debug)]
pub(crate) struct Services<'a> {
    around: &'a Surroundings,
    made: BTreeMap<String, String>,
    extended: bool,
}

impl<'a> Services<'a> {
    pub(crate) fn new(around: &'a Surroundings) -> Self {
        Self { around, made: BTreeMap::new(), extended: false }
    }

    /// The text form of every service, and of the extensions they need.
    pub(crate) fn done(self) -> (Vec<String>, Vec<String>) {
        let extensions = if self.extended { vec![extension()] } else { Vec::new() };
        (self.made.into_values().collect(), extensions)
    }

    /// A Worker.
    pub(crate) fn worker(&mut self, name: &str, worker: &Fields) {
        self.add(name, "worker", &worker.done());
    }

    /// A resource behind this process, such as `d1:<id>`; returns the service's name.
    pub(crate) fn resource(&mut self, kind: &str, id: &str) -> String {
        let resource = format!("{}/{kind}:{id}", self.around.account);
        let name = format!("clodo:{kind}:{id}");
        if !self.made.contains_key(&name) {
            let http = self.back_options(&resource);
            let external = Fields::default()
                .text("address", &self.around.back_address)
                .raw("http", &http.done());
            self.add(&name, "external", &external.done());
        }
        name
    }

    /// A Worker of this account that runs in another process: `fetch()` passes, RPC says why not.
    /// Returns the service's name.
    pub(crate) fn far(&mut self, script: &str) -> String {
        let name = format!("clodo:far:{script}");
        if !self.made.contains_key(&name) {
            let to = self.resource("service", script);
            let binding = Fields::default().text("name", "TO").text("service", &to).done();
            let script = Fields::default().text("name", "SCRIPT").text("text", script).done();
            let worker = Fields::default()
                .list("modules", &[modules::inline("far.js", FAR_SOURCE)])
                .text("compatibilityDate", STUB_DATE)
                .list("bindings", &[binding, script]);
            self.worker(&name, &worker);
        }
        name
    }

    /// The Worker that draws a version for every call.
    pub(crate) fn draw(&mut self, name: &str, bindings: &[String]) {
        let worker = Fields::default()
            .list("modules", &[modules::inline("draw.js", DRAW_SOURCE)])
            .text("compatibilityDate", RPC_DATE)
            .list("bindings", bindings);
        self.worker(name, &worker);
    }

    /// A Worker that answers everything with 503 and `why`.
    pub(crate) fn stub(&mut self, name: &str, why: &str, entrypoints: &BTreeSet<String>) {
        let source = stub_source(why, entrypoints);
        let worker = Fields::default()
            .list("modules", &[modules::inline("stub.js", &source)])
            .text("compatibilityDate", STUB_DATE);
        self.worker(name, &worker);
    }

    /// Where a script's global `fetch()` goes; returns the service's name.
    pub(crate) fn outbound(&mut self, script: &str) -> String {
        let local = self.resource("outbound", script);
        match self.around.outbound {
            Outbound::Denied if !self.around.private => local,
            Outbound::Denied => self.beyond(script, &local, ""),
            Outbound::Internet => self.beyond(script, &local, "1"),
        }
    }

    /// The wrapper module for kinds of bindings that workerd lacks.
    pub(crate) fn extension_module(&mut self) -> &'static str {
        self.extended = true;
        EXTENSION
    }

    pub(crate) fn disk(&mut self) {
        if let Some(folder) = &self.around.durable_folder {
            let disk = Fields::default()
                .text("path", &folder.display().to_string())
                .raw("writable", "true");
            self.add(DISK, "disk", &disk.done());
        }
    }

    /// The Worker that hands traces to this process; returns its name.
    pub(crate) fn sink(&mut self) -> &'static str {
        let back = self.resource("traces", "all");
        let binding = Fields::default().text("name", "BACK").text("service", &back);
        let worker = Fields::default()
            .list("modules", &[modules::inline("traces.js", TRACES_SOURCE)])
            .text("compatibilityDate", STUB_DATE)
            .list("bindings", &[binding.done()]);
        self.worker(SINK, &worker);
        SINK
    }

    pub(crate) fn ping(&mut self) {
        let path = self.around.empty_folder.display().to_string();
        self.add(PING, "disk", &Fields::default().text("path", &path).done());
    }

    /// The Worker that passes events to these versions (id and service); returns its name.
    pub(crate) fn events(&mut self, versions: &[(String, String)]) -> &'static str {
        let bindings: Vec<_> = versions
            .iter()
            .map(|(id, service)| Fields::default().text("name", id).text("service", service).done())
            .collect();
        let worker = Fields::default()
            .list("modules", &[modules::inline("events.js", EVENTS_SOURCE)])
            .text("compatibilityDate", STUB_DATE)
            .list("compatibilityFlags", &[capnp::text("service_binding_extra_handlers")])
            .list("bindings", &bindings);
        self.worker(EVENTS, &worker);
        EVENTS
    }

    /// The Worker that runs instances of Workflows: version, class and service of each, and the
    /// classes that turned out not to be there. Returns its name.
    pub(crate) fn workflows(
        &mut self,
        classes: &[WorkflowClass],
        dangling: &BTreeSet<(String, String)>,
    ) -> &'static str {
        let back = self.resource("workflow-runs", "all");
        let mut bindings =
            vec![Fields::default().text("name", "BACK").text("service", &back).done()];
        for WorkflowClass { version, class, service } in classes {
            let name = format!("{version}/{class}");
            if dangling.contains(&(WORKFLOWS.to_owned(), name.clone())) {
                continue;
            }
            let to = Fields::default().text("name", service).text("entrypoint", class).done();
            bindings.push(Fields::default().text("name", &name).raw("service", &to).done());
        }
        let worker = Fields::default()
            .list("modules", &[modules::inline("workflows.js", WORKFLOWS_SOURCE)])
            .text("compatibilityDate", RPC_DATE)
            .list("bindings", &bindings);
        self.worker(WORKFLOWS, &worker);
        WORKFLOWS
    }

    /// A Worker that asks this process whether it knows the hostname, and goes out if it does not
    /// and may.
    fn beyond(&mut self, script: &str, local: &str, internet: &str) -> String {
        let name = format!("{OUTBOUND}:{script}:internet");
        let mut bindings =
            vec![Fields::default().text("name", "LOCAL").text("service", local).done()];
        let internet = Fields::default().text("name", "INTERNET").text("text", internet);
        bindings.push(internet.done());
        if self.around.private {
            self.private();
            bindings
                .push(Fields::default().text("name", "PRIVATE").text("service", PRIVATE).done());
        }
        let worker = Fields::default()
            .list("modules", &[modules::inline("outbound.js", OUTBOUND_SOURCE)])
            .text("compatibilityDate", STUB_DATE)
            .list("bindings", &bindings);
        self.worker(&name, &worker);
        name
    }

    /// Reaches any address; only [`Services::beyond`] uses it, for what is allowed.
    fn private(&mut self) {
        let tls = Fields::default().raw("trustBrowserCas", "true");
        let allow: Vec<_> = ["public", "private", "local"].map(capnp::text).into();
        let network = Fields::default().list("allow", &allow).raw("tlsOptions", &tls.done());
        self.add(PRIVATE, "network", &network.done());
    }

    fn back_options(&self, resource: &str) -> Fields {
        let header = |name: &str, value: &str| {
            Fields::default().text("name", name).text("value", value).done()
        };
        let headers =
            [header(RESOURCE_HEADER, resource), header(KEY_HEADER, self.around.back_key.expose())];
        Fields::default()
            .text("forwardedProtoHeader", "x-forwarded-proto")
            .raw("injectRequestHeaders", &format!("[{}]", headers.join(", ")))
    }

    fn add(&mut self, name: &str, kind: &str, value: &str) {
        let service = Fields::default().text("name", name).raw(kind, value);
        self.made.insert(name.to_owned(), service.done());
    }
}

/// A Durable Object class; its files lie in a folder named by the unique key.
pub(crate) fn durable_namespace(space: &ServedNamespace) -> String {
    let sql = if space.sqlite { "true" } else { "false" };
    Fields::default()
        .text("className", &space.class_name)
        .text("uniqueKey", &space.id)
        .raw("enableSql", sql)
        .done()
}

fn stub_source(why: &str, entrypoints: &BTreeSet<String>) -> String {
    let why = serde_json::Value::from(why);
    let mut exports = String::new();
    for name in entrypoints.iter().filter(|name| *name != "default") {
        let name = serde_json::Value::from(name.as_str());
        exports.push_str(&format!("export {{ Stub as {name} }};\n"));
    }
    format!(
        "import {{ WorkerEntrypoint }} from \"cloudflare:workers\";\n\
         class Stub extends WorkerEntrypoint {{\n  fetch() {{\n    \
         return new Response({why}, {{ status: 503, headers: {{ \"x-clodo-stub\": \"1\" }} }});\n  }}\n}}\n\
         export default Stub;\n{exports}"
    )
}

fn extension() -> String {
    let module = Fields::default()
        .text("name", EXTENSION)
        .raw("internal", "true")
        .raw("esModule", &capnp::text(EXTENSION_SOURCE));
    Fields::default().list("modules", &[module.done()]).done()
}

const EVENTS_SOURCE: &str = include_str!("js/events.js");
const DRAW_SOURCE: &str = include_str!("js/draw.js");
const FAR_SOURCE: &str = include_str!("js/far.js");
const OUTBOUND_SOURCE: &str = include_str!("js/outbound.js");
const EXTENSION_SOURCE: &str = concat!(
    include_str!("js/values.js"),
    include_str!("js/workflow.js"),
    include_str!("js/bindings.js")
);
const WORKFLOWS_SOURCE: &str =
    concat!(include_str!("js/values.js"), include_str!("js/workflows.js"));
const TRACES_SOURCE: &str = include_str!("js/traces.js");
