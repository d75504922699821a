use crate::{
    choices::{Generate, SecretKind, Strategy},
    fields::Fields,
    known::{Known, texts},
    node::{Content, Entry},
    placed::Placed,
    rollout::RolloutSettings,
    rollout_read, sections,
    source::Problems,
    suggest,
    vars::{self, Vars},
};
use clodo_types::{EnvironmentName, Location, SecretName, ServiceName};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

/// A service: a project folder with one Worker.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Service {
    /// The folder with the wrangler config, relative to the portfolio's; it never leaves that.
    pub path: PathBuf,
    /// Where the service says it is well, such as `/health`.
    pub health: Option<String>,
    /// Services that the file says go first.
    pub depends_on: Vec<Placed<ServiceName>>,
    /// How new versions take over, when the file says so.
    pub strategy: Option<Strategy>,
    /// What else the file says about how they take over.
    pub rollout: RolloutSettings,
    /// Variables of this service.
    pub vars: Vars,
    /// Secrets that it needs.
    pub secrets: Vec<SecretDeclaration>,
    /// What differs in one environment.
    pub environments: BTreeMap<EnvironmentName, ServiceInEnvironment>,
    /// Where the file declares it; none for a folder without a `clodo.toml`.
    pub at: Option<Location>,
}

/// What differs for a service in one environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServiceInEnvironment {
    /// How new versions take over, when the file says so.
    pub strategy: Option<Strategy>,
    /// What else the file says about how they take over.
    pub rollout: RolloutSettings,
    /// Variables.
    pub vars: Vars,
}

/// A secret that a service needs: what it is, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SecretDeclaration {
    /// Its name, `env.NAME` in the code.
    pub name: SecretName,
    /// Where it is made up instead of being given.
    pub generate: Option<Generate>,
    /// What it is used for.
    pub kind: SecretKind,
    /// The environment variable that the file names for it.
    pub env: Option<String>,
    /// Where the file declares it.
    pub at: Location,
}

impl SecretDeclaration {
    /// The environment variable that gives it: the declared one, else `CLODO_SECRET_<NAME>`.
    #[must_use]
    pub fn variable(&self) -> String {
        self.env.clone().unwrap_or_else(|| format!("CLODO_SECRET_{}", self.name))
    }
}

impl Service {
    /// A service of which nothing but the folder is known.
    pub(crate) fn in_folder(path: PathBuf) -> Self {
        Self {
            path,
            health: None,
            depends_on: Vec::new(),
            strategy: None,
            rollout: RolloutSettings::default(),
            vars: Vars::new(),
            secrets: Vec::new(),
            environments: BTreeMap::new(),
            at: None,
        }
    }
}

/// Reads `[services]`.
pub(crate) fn read(root: &Fields<'_>, known: &Known) -> BTreeMap<ServiceName, Service> {
    let mut folders: BTreeMap<PathBuf, ServiceName> = BTreeMap::new();
    root.map("services", |name: &ServiceName, entry| {
        let title = format!("`[services.{name}]`");
        let place = (&entry.node, entry.key_offset);
        let fields = Fields::of(root.problems, place, &sections::SERVICE, &title)?;
        let path = folder(&fields, &title);
        if let Some((path, offset)) = &path
            && let Some(other) = folders.insert(path.clone(), name.clone())
        {
            let message = format!("services `{other}` and `{name}` share one folder");
            root.problems.add_with_hint(*offset, message, "each service has a folder of its own");
        }
        Some(Service {
            path: path.map(|(path, _)| path).unwrap_or_default(),
            health: url_path(&fields, "health"),
            depends_on: dependencies(&fields, known),
            strategy: fields.choice("strategy"),
            rollout: rollout_read::settings(&fields, &format!("services.{name}")),
            vars: vars::read(&fields),
            secrets: secrets(&fields, name),
            environments: environments(&fields, known, name),
            at: Some(root.problems.source().location(entry.key_offset)),
        })
    })
}

fn folder(fields: &Fields<'_>, title: &str) -> Option<(PathBuf, usize)> {
    let Some((text, offset)) = fields.text("path") else {
        if fields.entry("path").is_none() {
            let hint = "add `path = \"…\"`, the folder that holds its wrangler config";
            fields.problems.add_with_hint(fields.offset, format!("{title} has no `path`"), hint);
        }
        return None;
    };
    match inside(text) {
        Ok(path) => Some((path, offset)),
        Err(why) => {
            fields.problems.add_with_hint(
                offset,
                format!("`path` {why}"),
                "name a folder below that of clodo.toml, such as `services/web`",
            );
            None
        }
    }
}

/// A relative path without detours; `.` is the portfolio's own folder.
fn inside(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() || text.contains('\0') {
        return Err("is empty or not a path");
    }
    // What is absolute on one system must not become relative on another.
    if text.starts_with(['/', '\\']) || text.get(1..2) == Some(":") {
        return Err("is absolute");
    }
    let mut path = PathBuf::new();
    for part in Path::new(&text.replace('\\', "/")).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return Err("leads out of the project"),
        }
    }
    Ok(if path.as_os_str().is_empty() { PathBuf::from(".") } else { path })
}

/// A path of a URL, without host and fragment.
pub(crate) fn url_path(fields: &Fields<'_>, key: &'static str) -> Option<String> {
    let (text, offset) = fields.text(key)?;
    let fits = text.starts_with('/') && !text.contains(|c: char| c.is_whitespace() || c == '#');
    if !fits {
        let hint = "write the path alone, such as `/health`";
        let message = format!("`{key}` must be a path that starts with `/`");
        fields.problems.add_with_hint(offset, message, hint);
    }
    fits.then(|| text.to_owned())
}

fn dependencies(fields: &Fields<'_>, known: &Known) -> Vec<Placed<ServiceName>> {
    let mut all: Vec<Placed<ServiceName>> = fields.list("depends_on");
    all.retain(|name| {
        let found = known.services.contains(&name.value);
        if !found {
            let hint = suggest::hint_for(name.value.as_str(), texts(&known.services));
            let message = format!("`depends_on` names an unknown service `{}`", name.value);
            fields.problems.add_at(name, message, hint);
        }
        found
    });
    all
}

fn environments(
    fields: &Fields<'_>,
    known: &Known,
    service: &ServiceName,
) -> BTreeMap<EnvironmentName, ServiceInEnvironment> {
    let problems = fields.problems;
    fields.map("environments", |name: &EnvironmentName, entry| {
        let title = format!("`[services.{service}.environments.{name}]`");
        let place = (&entry.node, entry.key_offset);
        let inner = Fields::of(problems, place, &sections::SERVICE_IN_ENVIRONMENT, &title)?;
        known.has_environment(problems, name, entry).then(|| ServiceInEnvironment {
            strategy: inner.choice("strategy"),
            rollout: rollout_read::settings(
                &inner,
                &format!("services.{service}.environments.{name}"),
            ),
            vars: vars::read(&inner),
        })
    })
}

fn secrets(fields: &Fields<'_>, service: &ServiceName) -> Vec<SecretDeclaration> {
    let all = fields
        .map("secrets", |name: &SecretName, entry| secret(fields.problems, service, name, entry));
    all.into_values().collect()
}

fn secret(
    problems: &Problems<'_>,
    service: &ServiceName,
    name: &SecretName,
    entry: &Entry,
) -> Option<SecretDeclaration> {
    if !matches!(entry.node.content, Content::Table(_)) {
        problems.add_unseen(
            entry.node.offset,
            format!("a secret's value does not belong in this file: `{name}`"),
            format!("write `{name} = {{}}`, and give the value in CLODO_SECRET_{name}"),
        );
        return None;
    }
    let title = format!("the secret `{name}` of `{service}`");
    let place = (&entry.node, entry.key_offset);
    let fields = Fields::of(problems, place, &sections::SECRET, &title)?;
    Some(SecretDeclaration {
        name: name.clone(),
        generate: fields.choice("generate"),
        kind: fields.choice("kind").unwrap_or(SecretKind::Opaque),
        env: fields.text("env").and_then(|(text, offset)| variable(problems, "env", text, offset)),
        at: problems.source().location(entry.key_offset),
    })
}

/// The name of an environment variable.
pub(crate) fn variable(
    problems: &Problems<'_>,
    key: &str,
    text: &str,
    offset: usize,
) -> Option<String> {
    let fits = !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !fits {
        // Somebody may have put the value here.
        problems.add_unseen(
            offset,
            format!("`{key}` must be the name of an environment variable"),
            "use letters, digits and `_`, such as `ORDER_SIGNING_KEY`",
        );
    }
    fits.then(|| text.to_owned())
}
