//! A Worker project becomes modules and assets that are ready to upload.

mod bundle;

pub use bundle::{AssetFile, AssetSet, Bundle, Module, ModuleKind};
