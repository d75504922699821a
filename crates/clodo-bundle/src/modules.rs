//! Modules that stay files of their own: imported ones, and those that lie beside the entry point.

use crate::{
    BundleError, Module, ModuleKind,
    project::{Project, slashed},
    rules::{Rules, Ruling},
};
use clodo_types::{Finding, Location, Severity, SourceError};
use sha1::{Digest, Sha1};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Reads an imported file. Its name says its content, so that two files of one name do not meet.
pub(crate) fn read_module(path: &Path, kind: ModuleKind) -> Result<Module, String> {
    let body = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    if kind == ModuleKind::Text {
        check_text(&body)?;
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("./{}-{file}", hex::encode(Sha1::digest(&body)));
    Ok(Module { name, kind, body: body.into() })
}

fn check_text(body: &[u8]) -> Result<(), String> {
    match std::str::from_utf8(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "is to be a text module, but is not UTF-8 (byte {}); a rule of type `Data` imports it as bytes",
            error.valid_up_to()
        )),
    }
}

/// The files below the folder of modules that a rule makes modules, the entry point left out.
pub(crate) fn find_additional(
    project: &Project,
    entry: &Path,
    rules: &Rules,
) -> Result<Vec<(PathBuf, Module)>, BundleError> {
    let root = project.module_root(entry);
    let mut files = Vec::new();
    walk(project, &root, &mut files)?;
    files.sort();
    let config = project.root().join(project.config_path().file_name().unwrap_or_default());
    let mut found = Vec::new();
    for path in files.into_iter().filter(|path| path != entry && *path != config) {
        let name = slashed(path.strip_prefix(&root).unwrap_or(&path));
        match rules.of_file(&name) {
            None => {}
            Some(Ruling::ShutOut(why)) => {
                let error = project.config_error("rules", why, "");
                return Err(BundleError::Config(Box::new(error)));
            }
            Some(Ruling::Module(kind)) => {
                let body = fs::read(&path).map_err(|source| read_error(project, &path, source))?;
                if kind != ModuleKind::Data && kind != ModuleKind::Wasm {
                    check_text(&body)
                        .map_err(|why| BundleError::Source(vec![at_start(project, &path, why)]))?;
                }
                found.push((path, Module { name, kind, body: body.into() }));
            }
        }
    }
    Ok(found)
}

fn walk(project: &Project, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), BundleError> {
    let failed = |source| read_error(project, folder, source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // What tools keep beside a project is never part of it.
        let tools = [".git", ".clodo", ".wrangler"];
        if !entry.file_type().map_err(failed)?.is_dir() {
            files.push(path);
        } else if !tools.iter().any(|tool| entry.file_name() == *tool) {
            walk(project, &path, files)?;
        }
    }
    Ok(())
}

/// Bytes that are no text become `U+FFFD` in a bundle, without a word from esbuild.
pub(crate) fn note_bad_text(project: &Project, bundled: &[u8], inputs: &[PathBuf]) -> Vec<Finding> {
    // esbuild writes what is not ASCII as an escape.
    let bundled = String::from_utf8_lossy(bundled);
    if !bundled.contains("\\uFFFD") && !bundled.contains('\u{fffd}') {
        return Vec::new();
    }
    let note = |path: &PathBuf| {
        let path = project.root().join(path);
        let body = fs::read(&path).ok()?;
        let valid = std::str::from_utf8(&body).err()?.valid_up_to();
        let text = std::str::from_utf8(&body[..valid]).ok()?;
        Some(Finding {
            rule: "source-not-utf8".to_owned(),
            severity: Severity::Note,
            at: Some(Location::of_offset(project.shown(&path), text, valid)),
            message: "the file is not UTF-8; what is not becomes U+FFFD".to_owned(),
            hint: Some("save it as UTF-8".to_owned()),
        })
    };
    inputs.iter().filter_map(note).collect()
}

pub(crate) fn read_error(project: &Project, path: &Path, source: io::Error) -> BundleError {
    BundleError::Read { path: project.shown(path), source }
}

pub(crate) fn at_start(project: &Project, path: &Path, why: impl Into<String>) -> SourceError {
    SourceError {
        at: Location { path: project.shown(path), line: 1, column: 1 },
        message: why.into(),
        line_text: String::new(),
        hint: None,
    }
}
