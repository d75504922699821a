//! Whether a file that is uploaded as it is is an ES module: no bundler looks at it.

use regex::Regex;
use std::sync::LazyLock;

static DEFAULT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bexport\s*(?:default\b|\{[^}]*\bdefault\b[^}]*\})").expect("a test compiles it")
});
static COMMENTS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)/\*.*?\*/|(?m:^\s*//.*$)").expect("a test compiles it"));

/// Whether the code has a default export, as a Worker in the module format has.
pub(crate) fn has_default_export(text: &str) -> bool {
    DEFAULT.is_match(&COMMENTS.replace_all(text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_worker_exports_a_default() {
        for yes in [
            "export default { fetch() {} }",
            "const a = {};\nexport{a as default};",
            "export { default } from './a.js'",
            "/* x */ export default class {}",
        ] {
            assert!(has_default_export(yes), "{yes}");
        }
        for no in [
            "addEventListener('fetch', e => {})",
            "// export default {}",
            "/*\n export default {}\n*/",
            "export const a = 1",
            "module.exports = {}",
        ] {
            assert!(!has_default_export(no), "{no}");
        }
    }
}
