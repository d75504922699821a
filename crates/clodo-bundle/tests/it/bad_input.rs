use crate::sandbox::{Sandbox, explain, without_npm};
use clodo_bundle::{BundleErrorKind, Bundler};
use clodo_npm::NpmCache;
use clodo_wrangler::{DurableObject, ModuleRule};
use std::time::Duration;

const FINE: &str = "export default { fetch() {} };\n";

#[tokio::test]
async fn a_syntax_error_points_at_the_line_the_user_wrote() {
    let source = "const ümlaut = 1;\nexport default {\n\tfetch() {\n\t\treturn new Response('ü' 'x');\n\t}\n};\n";
    let sandbox = Sandbox::new(&[("src/index.ts", source)]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/src/index.ts:4:27: expected ")" but found "'x'"
       |
     4 | 		return new Response('ü' 'x');
       | 		                        ^
    "#);
    let error = sandbox.bundle().await.unwrap_err();
    assert_eq!(error.kind(), BundleErrorKind::Source);
    assert_eq!((error.places()[0].at.line, error.places()[0].at.column), (4, 27));
}

#[tokio::test]
async fn errors_in_imported_files_name_those_files() {
    let sandbox = Sandbox::new(&[
        ("src/index.ts", "import './a';\nimport '../../shared/b';\nexport default {};"),
        ("src/a.ts", "let a = ;"),
        ("../shared/b.ts", "export const = 1;"),
    ]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/shared/b.ts:1:14: expected identifier but found "="
       |
     1 | export const = 1;
       |              ^
    services/web/src/a.ts:1:9: unexpected ";"
       |
     1 | let a = ;
       |         ^
    "#);
}

#[tokio::test]
async fn imports_that_lead_nowhere_say_what_to_do() {
    let source = "import a from 'left-pad';\nimport b from '@acme/money/euro';\nimport c from './gone';\nimport d from 'fs';\nimport e from './gone.wasm';\nexport default { a, b, c, d, e };";
    let sandbox = Sandbox::new(&[("src/index.ts", source)]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/src/index.ts:1:15: could not resolve "left-pad"
       |
     1 | import a from 'left-pad';
       |               ^
    services/web/src/index.ts:2:15: could not resolve "@acme/money/euro"
       |
     2 | import b from '@acme/money/euro';
       |               ^
    services/web/src/index.ts:3:15: could not resolve "./gone"
       |
     3 | import c from './gone';
       |               ^
    services/web/src/index.ts:4:15: could not resolve "fs"
       |
     4 | import d from 'fs';
       |               ^
    services/web/src/index.ts:5:15: `services/web/src/gone.wasm` does not exist
       |
     5 | import e from './gone.wasm';
       |               ^
    hint: run `npm install left-pad`; run `npm install @acme/money`; check the path; a file without its extension may be .ts, .tsx, .js or .json; add `nodejs_compat` to `compatibility_flags`
    "#);
}

#[tokio::test]
async fn a_missing_entry_point_is_shown_in_the_config() {
    let config = "{\n  // the Worker\n  \"name\": \"web\",\n  \"main\": \"src/index.ts\"\n}\n";
    let sandbox = Sandbox::new(&[("wrangler.jsonc", config), ("src/index.js", FINE)]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/wrangler.jsonc:4:11: the entry point `services/web/src/index.ts` does not exist
       |
     4 |   "main": "src/index.ts"
       |           ^
    hint: did you mean `services/web/src/index.js`?
    "#);
    let sandbox = Sandbox::new(&[("wrangler.jsonc", config), ("src/index.ts/x", "")]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/wrangler.jsonc:4:11: the entry point `services/web/src/index.ts` is a folder
       |
     4 |   "main": "src/index.ts"
       |           ^
    hint: correct `main`, or create the file; a Worker with a build step must be built first
    "#);
    let sandbox = Sandbox::new(&[("wrangler.jsonc", config)]).with(|config| config.main = None);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/wrangler.jsonc:3:11: there is nothing to upload: the config has no `main` and no `assets.directory`
       |
     3 |   "name": "web",
       |           ^
    hint: set `main` to the entry point, such as "src/index.ts"
    "#);
}

#[tokio::test]
async fn a_class_that_a_binding_needs_must_be_exported() {
    let config = "{\n  \"durable_objects\": {\"bindings\": [{\"name\": \"C\", \"class_name\": \"Counter\"}]}\n}\n";
    let counter = |config: &mut clodo_wrangler::WorkerConfig| {
        let name = "C".parse().unwrap();
        config.durable_objects =
            vec![DurableObject { name, class_name: "Counter".to_owned(), script_name: None }];
    };
    let sandbox = Sandbox::new(&[("wrangler.jsonc", config), ("src/index.ts", FINE)]).with(counter);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/wrangler.jsonc:2:64: the Durable Object class `Counter` is not exported by `services/web/src/index.ts`
       |
     2 |   "durable_objects": {"bindings": [{"name": "C", "class_name": "Counter"}]}
       |                                                                ^
    hint: write `export class Counter …` there, or correct `class_name`
    "#);
    let fine = format!("export class Counter {{}}\n{FINE}");
    let sandbox =
        Sandbox::new(&[("wrangler.jsonc", config), ("src/index.ts", &fine)]).with(counter);
    sandbox.bundle().await.unwrap();
}

#[tokio::test]
async fn a_replacement_that_is_no_expression_is_the_configs_fault() {
    let config = "{\n  \"define\": {\"A\": \"not an expression\"}\n}\n";
    let sandbox = Sandbox::new(&[("wrangler.jsonc", config), ("src/index.ts", FINE)])
        .with(|config| drop(config.define.insert("A".to_owned(), "not an expression".to_owned())));
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/wrangler.jsonc:2:13: invalid define value (must be an entity name or JS literal): not an expression
       |
     2 |   "define": {"A": "not an expression"}
       |             ^
    "#);
}

#[tokio::test]
async fn a_tsconfig_that_is_not_there_is_named() {
    let sandbox = Sandbox::new(&[
        ("wrangler.jsonc", "{\n  \"tsconfig\": \"gone.json\"\n}\n"),
        ("src/index.ts", FINE),
    ])
    .with(|config| config.tsconfig = Some("gone.json".into()));
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/wrangler.jsonc:2:15: cannot find tsconfig file "gone.json"
       |
     2 |   "tsconfig": "gone.json"
       |               ^
    "#);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused() {
    let sandbox =
        Sandbox::new(&[("src/index.ts", "import t from './t.txt';\nexport default { t };")]);
    sandbox.write("src/t.txt", b"abc\xff");
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/src/index.ts:1:15: `services/web/src/t.txt` is to be a text module, but is not UTF-8 (byte 3); a rule of type `Data` imports it as bytes
       |
     1 | import t from './t.txt';
       |               ^
    "#);
    let sandbox = Sandbox::new(&[]).with(|config| config.no_bundle = true);
    sandbox.write("src/index.ts", b"export default {}; // \xff");
    insta::assert_snapshot!(sandbox.failure().await, @"services/web/src/index.ts:1:1: the entry point is not UTF-8");
}

#[tokio::test]
async fn a_rule_that_is_shut_out_says_so() {
    let sandbox = Sandbox::new(&[
        ("src/index.ts", "import t from './t.txt';\nexport default { t };"),
        ("src/t.txt", "t"),
    ]);
    let sandbox = sandbox.with(|config| {
        let globs = vec!["**/*.md".to_owned()];
        config.rules = vec![ModuleRule { kind: "Text".to_owned(), globs, fallthrough: None }];
    });
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/src/index.ts:1:15: `./t.txt` matches the Text rule for **/*.txt, **/*.html, **/*.sql, which an earlier Text rule without `fallthrough = true` shuts out
       |
     1 | import t from './t.txt';
       |               ^
    "#);
}

#[tokio::test]
async fn a_script_cannot_import_modules() {
    let source = "import text from './t.txt';\nimport 'cloudflare:workers';\naddEventListener('fetch', () => text);";
    let sandbox = Sandbox::new(&[("src/index.ts", source), ("src/t.txt", "t")]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/src/index.ts:1:18: `services/web/src/t.txt` can only be imported by an ES module; a Worker without `export default` is a script in the service-worker format
       |
     1 | import text from './t.txt';
       |                  ^
    services/web/src/index.ts:2:8: `cloudflare:workers` can only be imported by an ES module; a Worker without `export default` is a script in the service-worker format
       |
     2 | import 'cloudflare:workers';
       |        ^
    "#);
}

#[tokio::test]
async fn without_esbuild_and_npm_the_error_says_what_to_install() {
    let sandbox = Sandbox::new(&[("src/index.ts", FINE)]);
    let error = without_npm(&sandbox.path("cache")).bundle(&sandbox.project()).await.unwrap_err();
    assert_eq!(error.kind(), BundleErrorKind::Tool);
    insta::assert_snapshot!(explain(&error), @r#"
    esbuild is not there
    caused by: esbuild-0.28.2 is needed, but `no-such-npm` was not found
    hint: install Node.js 20 or newer (which brings npm), or add `esbuild` to the project's devDependencies
    "#);
}

#[tokio::test]
async fn a_failing_build_command_is_shown() {
    let sandbox = Sandbox::new(&[("src/index.ts", FINE)]).with(|config| {
        config.build_command = Some("echo first && echo broken >&2 && exit 3".to_owned())
    });
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    the build command `echo first && echo broken >&2 && exit 3` failed
      first
      broken
    "#);
}

#[cfg(unix)]
fn fake_esbuild(sandbox: &Sandbox, script: &str) -> Bundler {
    use std::os::unix::fs::PermissionsExt;
    let path = sandbox.path("fake-esbuild");
    let text =
        format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo 0.28.2; exit; fi\n{script}\n");
    sandbox.write("fake-esbuild.new", text.as_bytes());
    let new = sandbox.path("fake-esbuild.new");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(new, &path).unwrap();
    Bundler::new(NpmCache::new(sandbox.path("cache"))).with_esbuild(path)
}

#[cfg(unix)]
#[tokio::test]
async fn an_esbuild_that_misbehaves_is_named() {
    for (script, want) in [
        ("kill -9 $$", "it ended in the middle of the work (signal: 9 (SIGKILL))"),
        ("exit 3", "it ended in the middle of the work (exit status: 3)"),
        ("printf '\\006\\000\\000\\0000.28.2'; exit 0", "it ended in the middle of the work"),
        ("printf '\\006\\000\\000\\0000.99.2'; exec /bin/cat", "version `0.99.2` is not supported"),
        (
            "printf '\\377\\377\\377\\377'; exec /bin/cat",
            "it answered something unexpected: a packet of 4294967295 bytes",
        ),
        (
            "printf '\\006\\000\\000\\0000.28.2\\003\\000\\000\\000abc'; exec /bin/sleep 60",
            "it answered something unexpected: the packet is malformed",
        ),
    ] {
        let sandbox = Sandbox::new(&[("src/index.ts", FINE)]);
        let bundler = fake_esbuild(&sandbox, script);
        let error = bundler.bundle(&sandbox.project()).await.unwrap_err();
        assert_eq!(error.kind(), BundleErrorKind::Tool);
        assert!(explain(&error).contains(want), "{script}: {}", explain(&error));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_esbuild_that_hangs_is_ended() {
    let sandbox = Sandbox::new(&[("src/index.ts", FINE)]);
    let bundler =
        fake_esbuild(&sandbox, "exec /bin/sleep 60").with_timeout(Duration::from_millis(300));
    let error = bundler.bundle(&sandbox.project()).await.unwrap_err();
    assert!(explain(&error).contains("it did not finish within 0 s"), "{}", explain(&error));
}
