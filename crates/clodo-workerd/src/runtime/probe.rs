//! Starts a version once, apart from everything else, to see whether it runs and what it exports.

use super::{
    bindings::fits_environment,
    blueprint::{Blueprint, Naming, Repairs, Surroundings, Target},
    complaints,
    modules::bare,
    pool::{Load, Pool, RequestBody},
    process::{Launcher, Process, StartError},
    shard::Numbers,
};
use crate::seams::{
    Generation, Handlers, ServedBinding, ServedModule, ServedVersion, ValidationError,
};
use http_body_util::BodyExt as _;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

const PROBE: &str = "clodo-probe.js";
const PROBE_SOURCE: &str = include_str!("js/probe.js");
/// Cloudflare allows one second of CPU time; a busy machine gets more patience than that.
const PATIENCE: Duration = Duration::from_secs(5);
/// What `js/probe.js` answers.
#[derive(Debug, Default, serde::Deserialize)]
struct Found {
    /// Each export, and the events that it handles.
    handlers: Vec<(String, Vec<String>)>,
    /// The exports that are Workflows.
    workflows: Vec<String>,
}

impl Found {
    fn of_script(version: &ServedVersion) -> Self {
        let handlers = vec![("default".to_owned(), events_of_script(version))];
        Self { handlers, workflows: Vec::new() }
    }

    fn sorted(self, startup_time_ms: u64) -> Handlers {
        let mut all: HashMap<_, _> = self.handlers.into_iter().collect();
        let handlers = all.remove("default").unwrap_or_default();
        let mut named_handlers: Vec<_> = all.into_iter().collect();
        named_handlers.sort();
        let mut workflows = self.workflows;
        workflows.sort();
        Handlers { handlers, named_handlers, workflows, startup_time_ms }
    }
}

const EVENTS: [&str; 5] = ["fetch", "scheduled", "queue", "email", "tail"];

/// Runs the versions together in one process, which is gone when this returns or is dropped. A
/// version that fails, or that could have made another fail, is tried again on its own, so that
/// what is said of it is true.
pub(crate) async fn probe_all(
    launcher: &Launcher,
    numbers: &Numbers,
    versions: &[Arc<ServedVersion>],
    around: &Surroundings,
) -> Vec<Result<Handlers, ValidationError>> {
    let mut found = vec![None; versions.len()];
    if versions.len() > 1 {
        together(launcher, numbers, versions, around, &mut found).await;
    }
    let mut all = Vec::new();
    for (found, version) in found.into_iter().zip(versions) {
        all.push(match found {
            Some(handlers) => Ok(handlers),
            None => probe(launcher, &numbers.next(), version, around).await,
        });
    }
    all
}

/// Tries all at once, then once more without those that workerd named as broken.
async fn together(
    launcher: &Launcher,
    numbers: &Numbers,
    versions: &[Arc<ServedVersion>],
    around: &Surroundings,
    found: &mut [Option<Handlers>],
) {
    // Names of our own: two uploads may be of the same Worker.
    let service = |at: usize| format!("check{at}");
    let mut left: Vec<usize> = (0..versions.len()).collect();
    for _ in 0..2 {
        let mut generation = Generation::default();
        for at in &left {
            let mut alone = alone(&versions[*at]);
            for mut version in alone.versions.drain(..).map(Arc::unwrap_or_clone) {
                (version.script, version.version_id) = (service(*at), at.to_string());
                generation.versions.push(Arc::new(version));
            }
        }
        let begun = Instant::now();
        match start_all(launcher, &numbers.next(), &generation, around).await {
            Ok(process) => {
                let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                let each = took / u64::try_from(left.len()).unwrap_or(1).max(1);
                for at in left {
                    found[at] = one_of(launcher, &process, at, &versions[at], each).await;
                }
                process.kill().await;
                return;
            }
            Err(StartError::Refused(said)) if launcher.learn_newest_date(&said) => {}
            Err(StartError::Refused(said)) => {
                let named = |at: &usize| {
                    let prefix = format!("service {}:", service(*at));
                    said.iter().any(|message| message.starts_with(&prefix))
                };
                let before = left.len();
                left.retain(|at| !named(at));
                if left.len() == before || left.len() < 2 {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

async fn one_of(
    launcher: &Launcher,
    process: &Process,
    at: usize,
    version: &ServedVersion,
    startup_time_ms: u64,
) -> Option<Handlers> {
    if !wraps(version) {
        return Some(Found::of_script(version).sorted(startup_time_ms));
    }
    let found = timeout(PATIENCE, ask(launcher, process, &at.to_string())).await.ok()??;
    Some(found.sorted(startup_time_ms))
}

/// Runs the version in a process of its own, which is gone when this returns or is dropped.
async fn probe(
    launcher: &Launcher,
    name: &str,
    version: &ServedVersion,
    around: &Surroundings,
) -> Result<Handlers, ValidationError> {
    let mut begun = Instant::now();
    let process = match start(launcher, name, version, around).await {
        Err(StartError::Refused(said)) if launcher.learn_newest_date(&said) => {
            begun = Instant::now();
            start(launcher, name, version, around).await
        }
        done => done,
    };
    let process = process.map_err(refused)?;
    let startup_time_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let found = if wraps(version) {
        timeout(PATIENCE, ask(launcher, &process, &version.version_id)).await.unwrap_or_default()
    } else {
        Some(Found::of_script(version))
    };
    process.kill().await;
    let found = found.ok_or_else(|| ValidationError::Runtime {
        message: "the process that checks uploads did not answer".to_owned(),
    })?;
    Ok(found.sorted(startup_time_ms))
}

async fn start(
    launcher: &Launcher,
    name: &str,
    version: &ServedVersion,
    around: &Surroundings,
) -> Result<Process, StartError> {
    start_all(launcher, name, &alone(version), around).await
}

async fn start_all(
    launcher: &Launcher,
    name: &str,
    generation: &Generation,
    around: &Surroundings,
) -> Result<Process, StartError> {
    let naming = Naming { prefix: name, link: Some(&*launcher.link) };
    let around = Surroundings { newest_date: launcher.newest_date(), ..around.clone() };
    let blueprint = Blueprint::of(generation, &around, &Repairs::default(), naming);
    launcher.start(name, &blueprint, PATIENCE).await
}

/// What decides the outcome of a probe.
pub(crate) fn fingerprint(version: &ServedVersion, around: &Surroundings) -> blake3::Hash {
    let naming = Naming { prefix: "", link: None };
    Blueprint::of(&alone(version), around, &Repairs::default(), naming).fingerprint()
}

/// What can be said about a version without running it.
pub(crate) fn look(version: &ServedVersion, today: &str) -> Result<(), ValidationError> {
    let script = |message: String| Err(ValidationError::Script { message });
    if let Some(date) = version.compatibility_date.as_deref()
        && date > today
    {
        return script(format!(
            "Can't set compatibility date in the future: \"{date}\". Today's date (UTC) is \"{today}\"."
        ));
    }
    for (name, binding) in &version.bindings {
        if let ServedBinding::Secret(secret) = binding
            && !fits_environment(secret)
        {
            return script(format!("the secret `{name}` is too long or holds a NUL character"));
        }
    }
    if let Some(main) = &version.main_module
        && !version.modules.iter().any(|module| bare(&module.name) == bare(main))
    {
        return script(format!("No such module \"{main}\"."));
    }
    Ok(())
}

/// The version without whatever refers to other Workers, led by the probe.
fn alone(version: &ServedVersion) -> Generation {
    let mut version = version.clone();
    version.bindings.retain(|(_, binding)| {
        !matches!(binding, ServedBinding::Service { .. } | ServedBinding::DurableObject { .. })
    });
    if let Some(main) = version.main_module.clone().filter(|_| wraps(&version)) {
        let specifier = serde_json::Value::from(format!("./{}", bare(&main))).to_string();
        let source = PROBE_SOURCE.replace("\"__USER_MODULE__\"", &specifier);
        version.modules.push(ServedModule {
            name: PROBE.to_owned(),
            content_type: "application/javascript+module".to_owned(),
            body: source.into(),
        });
        version.main_module = Some(PROBE.to_owned());
    }
    Generation { versions: vec![Arc::new(version)], ..Generation::default() }
}

// A module of ours cannot import a Python module, and a service worker exports nothing.
fn wraps(version: &ServedVersion) -> bool {
    version.body_part.is_none()
        && !version.modules.iter().any(|module| module.content_type.starts_with("text/x-python"))
}

async fn ask(launcher: &Launcher, process: &Process, version: &str) -> Option<Found> {
    let wanted = |target: &Target| matches!(target, Target::Version(id) if id == version);
    let (_, endpoint) = process.sockets().iter().find(|(target, _)| wanted(target))?;
    let pool = Pool::new(Arc::clone(&launcher.link), endpoint.clone(), Arc::new(Load::default()));
    let request = http::Request::get("/").header("host", "probe").body(RequestBody::Empty).ok()?;
    let answer = pool.send(request).await.ok()?;
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

fn events_of_script(version: &ServedVersion) -> Vec<String> {
    let sources: Vec<_> =
        version.modules.iter().map(|module| String::from_utf8_lossy(&module.body)).collect();
    let registers = |event: &str| {
        ["\"", "'", "`"].iter().any(|quote| {
            let call = format!("addEventListener({quote}{event}{quote}");
            sources.iter().any(|source| source.replace(' ', "").contains(&call))
        })
    };
    EVENTS.iter().filter(|event| registers(event)).map(|event| (*event).to_owned()).collect()
}

fn refused(error: StartError) -> ValidationError {
    match error {
        StartError::Io(error) => ValidationError::Runtime { message: error.to_string() },
        StartError::Late(_) => ValidationError::Script {
            message: "Script startup exceeded CPU time limit.".to_owned(),
        },
        StartError::Refused(messages) => {
            let own: Vec<_> =
                messages.iter().filter(|message| message.starts_with("service ")).collect();
            if own.is_empty() {
                return ValidationError::Runtime { message: messages.join("\n") };
            }
            let own: Vec<_> = own.into_iter().map(|text| complaints::readable(text)).collect();
            ValidationError::Script { message: own.join("\n") }
        }
    }
}
