//! Who is told what a Worker does, as workerd's config describes it.

use super::{
    bindings::home_version,
    blueprint::{Repairs, service_name},
    capnp::Fields,
    modules,
    services::Services,
};
use crate::seams::{Generation, ServedVersion};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The entrypoint that [`wrapper`] adds.
const ENTRYPOINT: &str = "__ClodoTail";
const WRAPPER: &str = include_str!("js/consumer.js");

/// The scripts that some other script names as a consumer.
pub(crate) fn consumers(generation: &Generation) -> BTreeSet<&str> {
    generation.tails.values().flat_map(|tails| tails.consumers.iter().map(String::as_str)).collect()
}

/// A main module that adds an entrypoint for traces to a consumer's own modules; `None` where no
/// module can be put in front (service workers, Python).
pub(crate) fn wrapper(version: &ServedVersion) -> Option<(String, String)> {
    let main = modules::bare(version.main_module.as_deref()?);
    let is_script = |kind: &str| kind.contains("javascript+module");
    let own = version.modules.iter().find(|module| modules::bare(&module.name) == main)?;
    if !is_script(&own.content_type) {
        return None;
    }
    let (folder, file) = main.rsplit_once('/').map_or(("", main), |(folder, file)| (folder, file));
    let slash = if folder.is_empty() { "" } else { "/" };
    let source = WRAPPER.replace("__OWN__", &Value::from(format!("./{file}")).to_string());
    Some((format!("{folder}{slash}clodo-tail-consumer.js"), source))
}

/// The designators of everyone who is told about `version`.
pub(crate) fn of(
    version: &ServedVersion,
    generation: &Generation,
    repairs: &Repairs,
    services: &mut Services<'_>,
) -> Vec<String> {
    let Some(tails) = generation.tails.get(&version.script) else { return Vec::new() };
    let mut told = Vec::new();
    if tails.observed {
        let props = json!({ "script": version.script, "version": version.version_id });
        told.push(designator(services.sink(), None, &props));
    }
    let about = json!({ "id": version.version_id, "tag": version.tag });
    let props = json!({ "script": version.script, "version": about });
    for consumer in &tails.consumers {
        if closes_a_circle(generation, consumer, &version.script) {
            let (script, consumer) = (&version.script, consumer);
            tracing::warn!(%script, %consumer, "a Worker would be told of itself; left out");
        } else if let Some((service, wrapped)) = receiver(generation, repairs, consumer) {
            told.push(designator(&service, wrapped.then_some(ENTRYPOINT), &props));
        }
    }
    told
}

fn designator(service: &str, entrypoint: Option<&str>, props: &Value) -> String {
    let mut to = Fields::default().text("name", service);
    if let Some(entrypoint) = entrypoint {
        to = to.text("entrypoint", entrypoint);
    }
    to.raw("props", &Fields::default().text("json", &props.to_string()).done()).done()
}

/// The service that receives for a consumer, and whether it has the entrypoint.
fn receiver(generation: &Generation, repairs: &Repairs, consumer: &str) -> Option<(String, bool)> {
    let id = home_version(generation, consumer)?;
    let version = generation.versions.iter().find(|version| version.version_id == id)?;
    let service = service_name(consumer, id);
    let runs = version.main_module.is_some() || version.body_part.is_some();
    let broken = repairs.broken.contains_key(&service);
    (runs && !broken).then(|| (service, wrapper(version).is_some()))
}

/// Whether `target` would hear of its own work by way of `consumer`: each trace would make another.
fn closes_a_circle(generation: &Generation, consumer: &str, target: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![consumer];
    while let Some(script) = next.pop() {
        if script == target {
            return true;
        }
        if seen.insert(script) {
            let tails = generation.tails.get(script);
            next.extend(tails.into_iter().flat_map(|t| t.consumers.iter().map(String::as_str)));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::Tails;

    #[test]
    fn no_worker_is_told_of_itself_however_long_the_way() {
        let to = |name: &str| Tails { observed: false, consumers: vec![name.to_owned()] };
        let tails = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "e")];
        let generation = Generation {
            tails: tails.map(|(from, name)| (from.to_owned(), to(name))).into(),
            ..Generation::default()
        };
        for (script, consumer, expected) in
            [("a", "b", true), ("d", "a", false), ("e", "e", true), ("d", "nobody", false)]
        {
            assert_eq!(closes_a_circle(&generation, consumer, script), expected, "{script}");
        }
    }
}
