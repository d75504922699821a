//! Which modules of Node.js the Workers runtime has, by compatibility date and flags.

/// How much of Node.js a Worker gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeMode {
    /// Nothing.
    None,
    /// `node:async_hooks` alone.
    AsyncLocalStorage,
    /// `node:` imports go to the runtime (`nodejs_compat` before 2024-09-23).
    Prefixed,
    /// Imports with and without `node:` go to the runtime.
    Full,
}

/// What becomes of an import of a Node.js module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeModule {
    /// The runtime has it.
    Native,
    /// The runtime does not have it at this date.
    Missing,
}

/// A Worker's view of Node.js.
#[derive(Clone, Debug)]
pub(crate) struct NodeCompat {
    pub(crate) mode: NodeMode,
    date: String,
    flags: Vec<String>,
}

/// In the runtime whenever `nodejs_compat` is.
const ALWAYS: &[&str] = &[
    "_stream_duplex",
    "_stream_passthrough",
    "_stream_readable",
    "_stream_transform",
    "_stream_writable",
    "_tls_common",
    "_tls_wrap",
    "assert",
    "assert/strict",
    "async_hooks",
    "buffer",
    "constants",
    "crypto",
    "diagnostics_channel",
    "dns",
    "dns/promises",
    "events",
    "module",
    "net",
    "path",
    "path/posix",
    "path/win32",
    "process",
    "querystring",
    "stream",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "string_decoder",
    "sys",
    "timers",
    "timers/promises",
    "tls",
    "url",
    "util",
    "util/types",
    "zlib",
];

/// In the runtime from a date on, or by `enable_nodejs_<flag>`; `disable_nodejs_<flag>` takes it out.
const DATED: &[(&str, &str, &[&str])] = &[
    (
        "http_modules",
        "2025-08-15",
        &[
            "_http_agent",
            "_http_client",
            "_http_common",
            "_http_incoming",
            "_http_outgoing",
            "http",
            "https",
        ],
    ),
    ("http_server_modules", "2025-09-01", &["_http_server"]),
    ("http2_module", "2025-09-01", &["http2"]),
    ("os_module", "2025-09-15", &["os"]),
    ("fs_module", "2025-09-15", &["fs", "fs/promises"]),
    ("console_module", "2025-09-21", &["console"]),
    ("vm_module", "2025-10-01", &["vm"]),
    ("punycode_module", "2025-12-04", &["punycode"]),
    ("cluster_module", "2025-12-04", &["cluster"]),
    ("trace_events_module", "2025-12-04", &["trace_events"]),
    ("domain_module", "2025-12-04", &["domain"]),
    ("wasi_module", "2025-12-04", &["wasi"]),
    ("inspector_module", "2026-01-29", &["inspector", "inspector/promises"]),
    ("sqlite_module", "2026-01-29", &["sqlite"]),
    ("dgram_module", "2026-01-29", &["dgram"]),
    ("stream_wrap_module", "2026-01-29", &["_stream_wrap"]),
    ("repl_module", "2026-03-17", &["repl"]),
    ("v8_module", "2026-03-17", &["v8"]),
    ("tty_module", "2026-03-17", &["tty"]),
    ("child_process_module", "2026-03-17", &["child_process"]),
    ("worker_threads_module", "2026-03-17", &["worker_threads"]),
    ("readline_module", "2026-03-17", &["readline", "readline/promises"]),
    ("perf_hooks_module", "2026-03-17", &["perf_hooks"]),
];

/// Only with the prefix, and never in the runtime.
const PREFIX_ONLY: &[&str] = &["sea", "test", "test/reporters"];

impl NodeCompat {
    pub(crate) fn new(date: Option<&str>, flags: &[String]) -> Self {
        let date = date.unwrap_or("2000-01-01").to_owned();
        let has = |flag: &str| flags.iter().any(|given| given == flag);
        let is_new = date.as_str() >= "2024-09-23";
        let full = has("nodejs_compat_v2")
            || (has("nodejs_compat") && is_new && !has("no_nodejs_compat_v2"));
        let mode = if full {
            NodeMode::Full
        } else if has("nodejs_compat") {
            NodeMode::Prefixed
        } else if has("nodejs_als") {
            NodeMode::AsyncLocalStorage
        } else {
            NodeMode::None
        };
        Self { mode, date, flags: flags.to_vec() }
    }

    /// What becomes of an import, when it names a module of Node.js; `node:` may be left out.
    pub(crate) fn look_up(&self, import: &str) -> Option<NodeModule> {
        let prefixed = import.strip_prefix("node:");
        let name = prefixed.unwrap_or(import);
        if ALWAYS.contains(&name) {
            return Some(NodeModule::Native);
        }
        if let Some((flag, since, _)) = DATED.iter().find(|(.., names)| names.contains(&name)) {
            // `sqlite` without the prefix is a package of that name.
            if name == "sqlite" && prefixed.is_none() {
                return None;
            }
            return Some(if self.is_on(flag, since) {
                NodeModule::Native
            } else {
                NodeModule::Missing
            });
        }
        (prefixed.is_some() && PREFIX_ONLY.contains(&name)).then_some(NodeModule::Missing)
    }

    fn is_on(&self, flag: &str, since: &str) -> bool {
        let has = |verb: &str| {
            self.flags.iter().any(|given| {
                given.strip_prefix(verb).and_then(|rest| rest.strip_prefix("_nodejs_"))
                    == Some(flag)
            })
        };
        (has("enable") || self.date.as_str() >= since) && !has("disable")
    }

    /// A pattern for all imports that name a module of Node.js.
    pub(crate) fn pattern() -> String {
        let dated = DATED.iter().flat_map(|(.., names)| *names);
        let names: Vec<&str> = ALWAYS.iter().chain(dated).copied().collect();
        format!("^(?:node:.+|{})$", names.join("|"))
    }
}

/// The name of a Node.js module, for a person.
pub(crate) fn prefixed(import: &str) -> String {
    if import.starts_with("node:") { import.to_owned() } else { format!("node:{import}") }
}

/// What `require("node:x")` becomes in an ES module, which has no `require`.
pub(crate) fn required(module: &str) -> String {
    format!("import library from {module:?};\nmodule.exports = library;\n")
}

/// Stands in for a module that the runtime lacks: it loads, and every use of it fails by name.
pub(crate) fn stand_in(module: &str) -> String {
    format!(
        "const name = {module:?};\n\
         const absent = (key) => function () {{\n\
         \tthrow new Error(`${{name}}.${{key}} does not exist in the Workers runtime at this compatibility date`);\n\
         }};\n\
         module.exports = Object.create(new Proxy({{}}, {{\n\
         \tget: (_, key) => typeof key !== \"string\" || key === \"then\" || key === \"__esModule\" ? undefined : absent(key),\n\
         }}));\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compat(date: &str, flags: &[&str]) -> NodeCompat {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        NodeCompat::new(Some(date), &flags)
    }

    #[test]
    fn the_mode_follows_date_and_flags() {
        for (date, flags, want) in [
            ("2026-01-01", &[][..], NodeMode::None),
            ("2026-01-01", &["nodejs_als"], NodeMode::AsyncLocalStorage),
            ("2024-09-22", &["nodejs_compat"], NodeMode::Prefixed),
            ("2024-09-23", &["nodejs_compat"], NodeMode::Full),
            ("2026-01-01", &["nodejs_compat", "no_nodejs_compat_v2"], NodeMode::Prefixed),
            ("2023-01-01", &["nodejs_compat_v2"], NodeMode::Full),
        ] {
            assert_eq!(compat(date, flags).mode, want, "{date} {flags:?}");
        }
        assert_eq!(NodeCompat::new(None, &["nodejs_compat".to_owned()]).mode, NodeMode::Prefixed);
    }

    #[test]
    fn modules_appear_with_their_date_or_flag() {
        let check = |date: &str, flags: &[&str], import: &str, want| {
            assert_eq!(compat(date, flags).look_up(import), want, "{date} {flags:?} {import}");
        };
        let (native, missing) = (Some(NodeModule::Native), Some(NodeModule::Missing));
        check("2024-09-23", &[], "path", native);
        check("2024-09-23", &[], "node:path/posix", native);
        check("2025-09-14", &[], "fs", missing);
        check("2025-09-15", &[], "node:fs/promises", native);
        check("2024-09-23", &["enable_nodejs_fs_module"], "fs", native);
        check("2026-09-15", &["disable_nodejs_fs_module"], "fs", missing);
        check("2026-11-17", &[], "node:test", missing);
        check("2026-11-17", &[], "test", None);
        check("2026-11-17", &[], "sqlite", None);
        check("2026-11-17", &[], "node:sqlite", native);
        check("2026-11-17", &[], "node:no-such", None);
        check("2026-11-17", &[], "left-pad", None);
    }

    #[test]
    fn the_pattern_finds_what_can_be_looked_up() {
        let regex = regex::Regex::new(&NodeCompat::pattern()).unwrap();
        for import in ["fs", "node:fs", "path/posix", "node:anything"] {
            assert!(regex.is_match(import), "{import}");
        }
        for import in ["./fs", "fsx", "pkg/fs", "punycode/"] {
            assert!(!regex.is_match(import), "{import}");
        }
    }
}
