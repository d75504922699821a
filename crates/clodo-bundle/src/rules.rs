use crate::{
    ModuleKind,
    glob::{Reach, compile},
};
use clodo_types::{Finding, Severity};
use clodo_wrangler::ModuleRule;
use regex::Regex;

/// Which files are modules of which kind, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    active: Vec<Rule>,
    /// Rules that an earlier one of the same kind shuts out: a file that matches one is an error.
    shut_out: Vec<Rule>,
    pub(crate) notes: Vec<Finding>,
}

#[derive(Clone, Debug)]
struct Rule {
    kind: ModuleKind,
    source: ModuleRule,
    in_imports: Vec<Regex>,
    in_files: Vec<Regex>,
}

/// What the rules say about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// It is a module of this kind.
    Module(ModuleKind),
    /// It matches only a rule that does not apply; the text says why.
    ShutOut(String),
}

/// The kind of rule that Clodo cannot follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownKind(pub(crate) String);

impl Rules {
    /// The config's rules, then wrangler's own.
    pub(crate) fn new(config: &[ModuleRule]) -> Result<Self, UnknownKind> {
        let mut rules = Self { active: Vec::new(), shut_out: Vec::new(), notes: Vec::new() };
        // Kinds whose rules are complete, with whether the config said so in as many words.
        let mut complete: Vec<(String, bool)> = Vec::new();
        for (source, is_default) in config
            .iter()
            .cloned()
            .map(|rule| (rule, false))
            .chain(defaults().map(|rule| (rule, true)))
        {
            let rule = Rule::new(source)?;
            let name = &rule.source.kind;
            if let Some((_, said)) = complete.iter().find(|(kind, _)| kind == name) {
                if !said {
                    rules.notes.push(redundant(&rule.source, is_default));
                }
                rules.shut_out.push(rule);
                continue;
            }
            if rule.source.fallthrough != Some(true) {
                complete.push((name.clone(), rule.source.fallthrough == Some(false)));
            }
            rules.active.push(rule);
        }
        Ok(rules)
    }

    /// What becomes of an import; JavaScript is left to the bundler.
    pub(crate) fn of_import(&self, path: &str) -> Option<Ruling> {
        let matches = |rule: &&Rule| rule.in_imports.iter().any(|regex| regex.is_match(path));
        if let Some(rule) = self.active.iter().filter(|rule| !rule.is_script()).find(matches) {
            return Some(Ruling::Module(rule.kind));
        }
        self.shut_out.iter().find(matches).map(|rule| rule.refuse(path))
    }

    /// What becomes of a file, by its path below the folder of modules.
    pub(crate) fn of_file(&self, path: &str) -> Option<Ruling> {
        let matches = |rule: &&Rule| rule.in_files.iter().any(|regex| regex.is_match(path));
        if let Some(rule) = self.active.iter().find(matches) {
            return Some(Ruling::Module(rule.kind));
        }
        self.shut_out.iter().find(matches).map(|rule| rule.refuse(path))
    }

    /// Patterns for the imports that need a ruling.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = String> {
        let globs = self.active.iter().chain(&self.shut_out).flat_map(|rule| &rule.source.globs);
        globs.map(|glob| crate::glob::pattern(glob, Reach::Everything))
    }
}

impl Rule {
    fn new(source: ModuleRule) -> Result<Self, UnknownKind> {
        let kind = match source.kind.as_str() {
            "ESModule" => ModuleKind::EsModule,
            "CommonJS" => ModuleKind::CommonJs,
            "CompiledWasm" => ModuleKind::Wasm,
            "Text" => ModuleKind::Text,
            "Data" => ModuleKind::Data,
            other => return Err(UnknownKind(other.to_owned())),
        };
        let compiled = |reach| source.globs.iter().map(|glob| compile(glob, reach)).collect();
        let (in_imports, in_files) = (compiled(Reach::Everything), compiled(Reach::Folder));
        Ok(Self { kind, source, in_imports, in_files })
    }

    fn is_script(&self) -> bool {
        matches!(self.kind, ModuleKind::EsModule | ModuleKind::CommonJs)
    }

    fn refuse(&self, path: &str) -> Ruling {
        let ModuleRule { kind, globs, .. } = &self.source;
        Ruling::ShutOut(format!(
            "`{path}` matches the {kind} rule for {}, which an earlier {kind} rule without `fallthrough = true` shuts out",
            globs.join(", ")
        ))
    }
}

fn defaults() -> impl Iterator<Item = ModuleRule> {
    let rule = |kind: &str, globs: &[&str]| ModuleRule {
        kind: kind.to_owned(),
        globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
        fallthrough: None,
    };
    [
        rule("Text", &["**/*.txt", "**/*.html", "**/*.sql"]),
        rule("Data", &["**/*.bin"]),
        rule("CompiledWasm", &["**/*.wasm", "**/*.wasm?module"]),
    ]
    .into_iter()
}

fn redundant(rule: &ModuleRule, is_default: bool) -> Finding {
    let whose = if is_default { "wrangler's own" } else { "a later" };
    Finding {
        rule: "module-rule-shut-out".to_owned(),
        severity: Severity::Note,
        at: None,
        message: format!(
            "{whose} {} rule for {} does not apply, because an earlier {} rule does not fall through",
            rule.kind,
            rule.globs.join(", "),
            rule.kind
        ),
        hint: Some(
            "set `fallthrough` in the earlier rule: true lets the next rule apply, false is the same without this note"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: &str, glob: &str, fallthrough: Option<bool>) -> ModuleRule {
        ModuleRule { kind: kind.to_owned(), globs: vec![glob.to_owned()], fallthrough }
    }

    #[test]
    fn without_rules_wranglers_own_apply() {
        let rules = Rules::new(&[]).unwrap();
        for (path, kind) in [
            ("./a.txt", ModuleKind::Text),
            ("../page.html", ModuleKind::Text),
            ("pkg/up.sql", ModuleKind::Text),
            ("./a.bin", ModuleKind::Data),
            ("./a.wasm", ModuleKind::Wasm),
            ("./a.wasm?module", ModuleKind::Wasm),
        ] {
            assert_eq!(rules.of_import(path), Some(Ruling::Module(kind)), "{path}");
        }
        assert_eq!(rules.of_import("./a.js"), None);
        assert_eq!(rules.of_file("lib/a.mjs"), None);
        assert!(rules.notes.is_empty());
    }

    #[test]
    fn a_rule_shuts_out_later_ones_of_its_kind_unless_it_falls_through() {
        for (fallthrough, applies, notes) in
            [(None, false, 1), (Some(false), false, 0), (Some(true), true, 0)]
        {
            let rules = Rules::new(&[rule("Text", "**/*.md", fallthrough)]).unwrap();
            assert_eq!(rules.of_import("./a.md"), Some(Ruling::Module(ModuleKind::Text)));
            let default = rules.of_import("./a.txt").unwrap();
            assert_eq!(default == Ruling::Module(ModuleKind::Text), applies, "{default:?}");
            assert_eq!(rules.notes.len(), notes, "{fallthrough:?}");
        }
    }

    #[test]
    fn scripts_are_modules_as_files_but_not_as_imports() {
        let rules = Rules::new(&[rule("ESModule", "lib/**/*.js", None)]).unwrap();
        assert_eq!(rules.of_file("lib/b/a.js"), Some(Ruling::Module(ModuleKind::EsModule)));
        assert_eq!(rules.of_import("lib/b/a.js"), None);
    }

    #[test]
    fn a_kind_nobody_knows_is_refused() {
        assert_eq!(
            Rules::new(&[rule("PythonModule", "*.py", None)]).unwrap_err(),
            UnknownKind("PythonModule".to_owned())
        );
    }
}
