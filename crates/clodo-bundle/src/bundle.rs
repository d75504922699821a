use bytes::Bytes;
use clodo_types::{BindingName, ContentHash};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
