use clodo_bundle::Bundle;
use std::path::Path;

/// Rewrites places in the bundle (`index.js:1:53`) into places in the source
/// (`services/orders/src/index.ts:3:7`), as far as the source maps know them.
pub(crate) fn in_source(text: &str, bundle: &Bundle, folder: &Path) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive([' ', '\n', '(', ')']) {
        let (place, end) = match word.char_indices().next_back() {
            Some((at, ' ' | '\n' | '(' | ')')) => word.split_at(at),
            _ => (word, ""),
        };
        match original(place, bundle, folder) {
            Some(found) => out.push_str(&found),
            None => out.push_str(place),
        }
        out.push_str(end);
    }
    out
}

fn original(place: &str, bundle: &Bundle, folder: &Path) -> Option<String> {
    let (rest, column) = place.rsplit_once(':')?;
    let (module, line) = rest.rsplit_once(':')?;
    let map = bundle.source_map(module.trim_start_matches("./"))?;
    let found = map.locate(line.parse().ok()?, column.parse().ok()?)?;
    let path = folder.join(&found.path);
    Some(format!("{}:{}:{}", path.display(), found.line, found.column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use clodo_bundle::{Module, ModuleKind};

    #[test]
    fn a_place_in_the_bundle_becomes_one_in_the_source() {
        // One segment: line 1, column 1 of the bundle is line 3, column 5 of src/index.ts.
        let map = r#"{"version":3,"sources":["src/index.ts"],"names":[],"mappings":"AAEI"}"#;
        let module = |name: &str, kind, body: &str| Module {
            name: name.to_owned(),
            kind,
            body: Bytes::from(body.to_owned()),
        };
        let code = module("index.js", ModuleKind::EsModule, "x");
        let mut bundle = Bundle::new(Some("index.js".to_owned()), vec![code], None);
        bundle.source_maps = vec![module("index.js.map", ModuleKind::SourceMap, map)];
        let shown =
            in_source("Uncaught Error: a:b:c\n  at index.js:1:1\n", &bundle, Path::new("web"));
        assert_eq!(shown, "Uncaught Error: a:b:c\n  at web/src/index.ts:3:5\n");
    }
}
