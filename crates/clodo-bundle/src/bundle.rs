use crate::{SourceMap, hash::bundle_hash, names::names_in};
use bytes::Bytes;
use clodo_types::{BindingName, ContentHash, Finding};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// What is uploaded for one Worker: its modules and its assets.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bundle {
    /// The name of the module that is the entry point; `None` for an assets-only Worker.
    pub main_module: Option<String>,
    /// All modules, the main one included, sorted by name.
    pub modules: Vec<Module>,
    /// Source maps, by the module they belong to (`index.js` → `index.js.map`).
    pub source_maps: Vec<Module>,
    /// Static assets, when the Worker has any.
    pub assets: Option<AssetSet>,
    /// Changes exactly when an upload of this bundle would differ. Paths of the machine that built
    /// it, modification times and source maps do not count.
    pub hash: ContentHash,
    /// The names the code reads from its environment (`env.X`), as far as the text shows them.
    pub env_names: BTreeSet<BindingName>,
    /// The files that the modules were made from, relative to the project, sorted.
    pub inputs: Vec<PathBuf>,
    /// What is worth knowing about it; nothing here stops an upload.
    pub notes: Vec<Finding>,
}

impl Bundle {
    /// Puts a bundle together from parts: sorts them, hashes them and reads the code for names.
    #[must_use]
    pub fn new(
        main_module: Option<String>,
        modules: Vec<Module>,
        assets: Option<AssetSet>,
    ) -> Self {
        let (mut source_maps, mut modules): (Vec<_>, Vec<_>) =
            modules.into_iter().partition(|module| module.kind == ModuleKind::SourceMap);
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        source_maps.sort_by(|a, b| a.name.cmp(&b.name));
        let is_code =
            |module: &&Module| matches!(module.kind, ModuleKind::EsModule | ModuleKind::CommonJs);
        let env_names = modules
            .iter()
            .filter(is_code)
            .flat_map(|module| names_in(&String::from_utf8_lossy(&module.body)))
            .collect();
        let hash = bundle_hash(main_module.as_deref(), &modules, assets.as_ref());
        let (inputs, notes) = (Vec::new(), Vec::new());
        Self { main_module, modules, source_maps, assets, hash, env_names, inputs, notes }
    }

    /// The source map of a module, when there is one.
    #[must_use]
    pub fn source_map(&self, module: &str) -> Option<SourceMap> {
        let name = format!("{}.map", module.trim_start_matches("./"));
        let is_it = |map: &&Module| map.name.trim_start_matches("./") == name;
        SourceMap::parse(&self.source_maps.iter().find(is_it)?.body).ok()
    }
}

/// One module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name in the upload, such as `index.js` or `./abc-logo.txt`.
    pub name: String,
    /// What it is.
    pub kind: ModuleKind,
    /// Its content.
    pub body: Bytes,
}

/// What a module is; each kind has a content type in the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModuleKind {
    /// An ES module.
    EsModule,
    /// A CommonJS module, or a script in the service-worker format.
    CommonJs,
    /// Compiled WebAssembly.
    Wasm,
    /// Text, imported as a string.
    Text,
    /// Bytes, imported as an `ArrayBuffer`.
    Data,
    /// A source map; stored, never run.
    SourceMap,
}

/// Static assets and how they are served.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetSet {
    /// The files, sorted by path.
    pub files: Vec<AssetFile>,
    /// The content of `_headers`, when there is one.
    pub headers: Option<String>,
    /// The content of `_redirects`, when there is one.
    pub redirects: Option<String>,
}

/// One static file. Its content stays on disk until it is uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetFile {
    /// The path in the URL, with a leading `/`.
    pub path: String,
    /// 32 hexadecimal digits: blake3 of base64(content) followed by the extension without its dot,
    /// cut in half, as wrangler computes it.
    pub hash: String,
    /// Bytes.
    pub size: u64,
    /// The media type, when the extension tells.
    pub content_type: Option<String>,
    /// Where the content is.
    pub source: PathBuf,
}
