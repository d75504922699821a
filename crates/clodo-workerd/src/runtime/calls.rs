//! Service bindings to a Worker with several versions.

use super::{
    bindings::{BindingContext, designator},
    blueprint::service_name,
    capnp::Fields,
    services::Callee,
};
use serde_json::{Value, json};

/// The version that a call reaches is drawn by percentage, as for a request. `None` if there is
/// only one, or if the Worker is not in this process.
pub(crate) fn drawn(
    context: &mut BindingContext<'_, '_>,
    name: &str,
    to: Callee<'_>,
) -> Option<Fields> {
    let live = context.generation.live.get(to.script)?;
    if to.script == context.version.script || live.len() < 2 {
        return None;
    }
    let service = format!("clodo:draw:{}:{name}", context.service);
    let has_code = |id: &str| {
        let versions = &context.generation.versions;
        let version = versions.iter().find(|version| version.version_id == id);
        version.is_some_and(|version| version.main_module.is_some() || version.body_part.is_some())
    };
    let mut split: Vec<Value> = Vec::new();
    let mut bindings = Vec::new();
    for (at, (id, percentage)) in live.iter().enumerate() {
        // A version that does not export the entrypoint cannot be called; the others are.
        let dangling = context.dangling.contains(&(service.clone(), format!("V{at}")));
        if dangling || !has_code(id) {
            continue;
        }
        let callee = service_name(to.script, id);
        let field = designator(&callee, to.entrypoint, to.props);
        bindings.push(field.text("name", &format!("V{at}")).done());
        split.push(json!([id, percentage, format!("V{at}")]));
    }
    if split.len() < 2 {
        return None;
    }
    let split = json!({ "script": to.script, "versions": split }).to_string();
    bindings.push(Fields::default().text("name", "SPLIT").text("json", &split).done());
    context.services.draw(&service, &bindings);
    Some(designator(&service, None, None))
}
