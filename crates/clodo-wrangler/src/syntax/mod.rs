//! The two languages a config is written in, both read into one tree.
mod jsonc;
mod toml;

pub(crate) use jsonc::JSONC;

use crate::{node::Record, source::Source};
use clodo_types::SourceError;
use std::path::Path;

/// Which language a config is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Toml,
    Jsonc,
}

impl Language {
    /// By the file's name, as wrangler decides it.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy();
        if name.ends_with(".toml") {
            return Some(Self::Toml);
        }
        (name.ends_with(".json") || name.ends_with(".jsonc")).then_some(Self::Jsonc)
    }
}

/// A parsed file, and the places where a name came twice in one object.
pub(crate) struct Parsed {
    pub(crate) root: Record,
    pub(crate) repeated: Vec<usize>,
}

pub(crate) fn parse(source: &Source) -> Result<Parsed, SourceError> {
    match Language::of(source.path()) {
        Some(Language::Toml) => {
            toml::parse(source).map(|root| Parsed { root, repeated: Vec::new() })
        }
        Some(Language::Jsonc) => jsonc::parse(source),
        None => Err(source
            .error(0, "the file's name ends in neither `.toml`, `.json` nor `.jsonc`")
            .with_hint("wrangler reads `wrangler.json`, `wrangler.jsonc` and `wrangler.toml`")),
    }
}
