//! A version's code, as workerd's config describes it.

use super::{
    capnp::{self, Fields},
    tails,
};
use crate::seams::{ServedModule, ServedVersion};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The field that holds the code; the files it refers to are added to `files`.
/// With `consumes`, an entrypoint for traces is put in front of the Worker's own modules.
pub(crate) fn code(
    version: &ServedVersion,
    files: &mut BTreeMap<String, Bytes>,
    consumes: bool,
) -> Fields {
    if let Some(script) = script(version) {
        let file = add(files, &script.body);
        return Fields::default().embed("serviceWorkerScript", &file);
    }
    let main = version.main_module.as_deref().map(bare);
    let mut ordered: Vec<&ServedModule> = version.modules.iter().collect();
    // workerd starts with the first module. The sort is stable: the others keep their order.
    ordered.sort_by_key(|module| Some(bare(&module.name)) != main);
    let mut modules: Vec<String> =
        ordered.iter().map(|module| described(&module.name, module, files)).collect();
    if consumes && let Some((name, source)) = tails::wrapper(version) {
        modules.insert(0, inline(&name, &source));
    }
    Fields::default().list("modules", &modules)
}

/// One entry of the list of modules.
pub(crate) fn described(
    name: &str,
    module: &ServedModule,
    files: &mut BTreeMap<String, Bytes>,
) -> String {
    let file = add(files, &module.body);
    Fields::default().text("name", name).embed(kind(&module.content_type), &file).done()
}

/// An entry whose source stands in the config itself.
pub(crate) fn inline(name: &str, source: &str) -> String {
    Fields::default().text("name", name).raw("esModule", &capnp::text(source)).done()
}

/// A name without the `./` that some uploaders put in front.
pub(crate) fn bare(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

fn script(version: &ServedVersion) -> Option<&ServedModule> {
    let part = bare(version.body_part.as_deref()?);
    version.modules.iter().find(|module| bare(&module.name) == part)
}

/// Notes a file; returns its name.
pub(crate) fn add(files: &mut BTreeMap<String, Bytes>, body: &Bytes) -> String {
    let name = blake3::hash(body).to_hex()[..32].to_owned();
    files.entry(name.clone()).or_insert_with(|| body.clone());
    name
}

fn kind(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence {
        "application/javascript+module" | "text/javascript+module" => "esModule",
        "application/javascript" | "text/javascript" => "commonJsModule",
        "application/wasm" => "wasm",
        "text/plain" => "text",
        "application/json" => "json",
        "text/x-python" => "pythonModule",
        _ => "data",
    }
}
