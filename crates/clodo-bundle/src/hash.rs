use crate::{AssetSet, Module, ModuleKind};
use clodo_types::ContentHash;

/// The hash of what an upload would hold. Every part goes in with its length, so that no two
/// different bundles are the same bytes; parts that have no order go in sorted.
pub(crate) fn bundle_hash(
    main_module: Option<&str>,
    modules: &[Module],
    assets: Option<&AssetSet>,
) -> ContentHash {
    let mut hash = Canonical(blake3::Hasher::new());
    hash.bytes(b"clodo bundle 1");
    hash.optional(main_module);
    let mut modules: Vec<&Module> =
        modules.iter().filter(|module| module.kind != ModuleKind::SourceMap).collect();
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    hash.count(modules.len());
    for module in modules {
        hash.bytes(module.name.as_bytes());
        hash.bytes(kind_name(module.kind).as_bytes());
        hash.bytes(&module.body);
    }
    hash.count(usize::from(assets.is_some()));
    if let Some(assets) = assets {
        hash.assets(assets);
    }
    ContentHash::from_digest(hash.0.finalize().as_bytes())
}

/// Spelled out: the order of the enum's variants must not matter.
fn kind_name(kind: ModuleKind) -> &'static str {
    match kind {
        ModuleKind::EsModule => "esm",
        ModuleKind::CommonJs => "commonjs",
        ModuleKind::Wasm => "wasm",
        ModuleKind::Text => "text",
        ModuleKind::Data => "data",
        ModuleKind::SourceMap => "map",
    }
}

struct Canonical(blake3::Hasher);

impl Canonical {
    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.count(usize::from(text.is_some()));
        self.bytes(text.unwrap_or_default().as_bytes());
    }

    fn assets(&mut self, assets: &AssetSet) {
        self.optional(assets.headers.as_deref());
        self.optional(assets.redirects.as_deref());
        let mut files: Vec<_> = assets.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        self.count(files.len());
        for file in files {
            self.bytes(file.path.as_bytes());
            self.bytes(file.hash.as_bytes());
            self.count(usize::try_from(file.size).unwrap_or(usize::MAX));
            self.optional(file.content_type.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AssetFile;
    use proptest::{
        prelude::{Strategy, any, prop, proptest},
        sample::select,
    };

    const KINDS: [ModuleKind; 5] = [
        ModuleKind::EsModule,
        ModuleKind::CommonJs,
        ModuleKind::Wasm,
        ModuleKind::Text,
        ModuleKind::Data,
    ];

    fn modules() -> impl Strategy<Value = Vec<Module>> {
        let module = ("[a-c./]{0,4}", select(&KINDS[..]), any::<Vec<u8>>());
        let module = module.prop_map(|(name, kind, body)| Module { name, kind, body: body.into() });
        prop::collection::vec(module, 0..5).prop_map(|mut modules| {
            modules.sort_by(|a, b| a.name.cmp(&b.name));
            modules.dedup_by(|a, b| a.name == b.name);
            modules
        })
    }

    fn files() -> impl Strategy<Value = Vec<AssetFile>> {
        let file = ("/[a-c/]{0,4}", "[0-9a-f]{32}", any::<u32>(), any::<Option<bool>>());
        let file = file.prop_map(|(path, hash, size, kind)| AssetFile {
            path,
            hash,
            size: size.into(),
            content_type: kind.map(|kind| if kind { "text/html" } else { "text/css" }.to_owned()),
            source: "/anywhere".into(),
        });
        prop::collection::vec(file, 0..4).prop_map(|mut files| {
            files.sort_by(|a, b| a.path.cmp(&b.path));
            files.dedup_by(|a, b| a.path == b.path);
            files
        })
    }

    proptest! {
        #[test]
        fn different_bundles_have_different_hashes(a in modules(), b in modules(), x in files(), y in files()) {
            let hash = |modules: &[Module], files: &[AssetFile]| {
                let assets = AssetSet { files: files.to_vec(), headers: None, redirects: None };
                bundle_hash(Some("index.js"), modules, Some(&assets))
            };
            assert_eq!(hash(&a, &x) == hash(&b, &y), a == b && x == y);
        }

        #[test]
        fn any_changed_byte_name_or_kind_shows(modules in modules(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let before = bundle_hash(Some("a"), &modules, None);
            assert_ne!(before, bundle_hash(Some("b"), &modules, None));
            assert_ne!(before, bundle_hash(None, &modules, None));
            if modules.is_empty() {
                return Ok(());
            }
            let index = at.index(modules.len());
            let mut changed = modules.clone();
            changed[index].name.push('!');
            assert_ne!(before, bundle_hash(Some("a"), &changed, None));
            for kind in KINDS.into_iter().filter(|kind| *kind != modules[index].kind) {
                let mut changed = modules.clone();
                changed[index].kind = kind;
                assert_ne!(before, bundle_hash(Some("a"), &changed, None));
            }
            let mut body = modules[index].body.to_vec();
            if !body.is_empty() {
                let byte = at.index(body.len());
                body[byte] ^= 1 << bit;
                let mut changed = modules.clone();
                changed[index].body = body.into();
                assert_ne!(before, bundle_hash(Some("a"), &changed, None));
            }
        }

        #[test]
        fn order_does_not_count(modules in modules(), files in files()) {
            let set = |files: Vec<AssetFile>| AssetSet { files, headers: Some("h".into()), redirects: None };
            let backwards: Vec<Module> = modules.iter().rev().cloned().collect();
            let files_backwards: Vec<AssetFile> = files.iter().rev().cloned().collect();
            assert_eq!(
                bundle_hash(None, &modules, Some(&set(files))),
                bundle_hash(None, &backwards, Some(&set(files_backwards)))
            );
        }
    }

    #[test]
    fn source_maps_do_not_count() {
        let main = Module { name: "a.js".into(), kind: ModuleKind::EsModule, body: "a".into() };
        let map =
            Module { name: "a.js.map".into(), kind: ModuleKind::SourceMap, body: "{}".into() };
        assert_eq!(bundle_hash(None, &[main.clone(), map], None), bundle_hash(None, &[main], None));
    }

    #[test]
    fn the_hash_is_the_same_on_every_machine() {
        let main = Module { name: "index.js".into(), kind: ModuleKind::EsModule, body: "1".into() };
        let hash = bundle_hash(Some("index.js"), &[main], None).to_string();
        assert_eq!(hash, "8fa062d94d15f8bc");
    }
}
