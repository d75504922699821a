use crate::sandbox::{Sandbox, bundler, main_text, names, text, without_npm};
use clodo_bundle::ModuleKind;
use clodo_types::Severity;
use clodo_wrangler::ModuleRule;
use std::time::Duration;

const HELLO: &str = "export default { async fetch(request: Request, env: { NAME: string }) { return new Response(env.NAME); } };\n";

#[tokio::test]
async fn typescript_becomes_one_module() {
    let sandbox = Sandbox::new(&[
        (
            "src/index.ts",
            "import { greet } from './greet';\nexport default { fetch: (_: Request, env: any) => new Response(greet(env.NAME)) };\n",
        ),
        (
            "src/greet.ts",
            "export const greet = (name: string): string => `hello ${name}`;\nexport const unused = 'nobody needs this';\n",
        ),
    ]);
    let bundle = sandbox.bundle().await.unwrap();
    insta::assert_snapshot!(main_text(&bundle), @r#"
    var __defProp = Object.defineProperty;
    var __name = (target, value) => __defProp(target, "name", { value, configurable: true });

    // src/greet.ts
    var greet = /* @__PURE__ */ __name((name) => `hello ${name}`, "greet");

    // src/index.ts
    var index_default = { fetch: /* @__PURE__ */ __name((_, env) => new Response(greet(env.NAME)), "fetch") };
    export {
      index_default as default
    };
    //# sourceMappingURL=index.js.map
    "#);
    assert_eq!(bundle.main_module.as_deref(), Some("index.js"));
    assert_eq!(bundle.modules[0].kind, ModuleKind::EsModule);
    assert_eq!(bundle.env_names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["NAME"]);
    assert_eq!(bundle.inputs, ["src/greet.ts", "src/index.ts"].map(std::path::PathBuf::from));
    assert!(bundle.notes.is_empty(), "{:?}", bundle.notes);
}

#[tokio::test]
async fn the_same_source_has_the_same_hash_in_another_folder() {
    let files = [("src/index.ts", HELLO), ("src/unused.ts", "export {};")];
    let (one, two) = (Sandbox::new(&files), Sandbox::new(&files));
    let (one, two) = (one.bundle().await.unwrap(), two.bundle().await.unwrap());
    assert_eq!(one.hash, two.hash);
    assert_eq!(one.modules, two.modules);
    let other = Sandbox::new(&[("src/index.ts", &HELLO.replace("async ", ""))]);
    assert_ne!(one.hash, other.bundle().await.unwrap().hash);
}

#[tokio::test]
async fn a_source_map_leads_back_to_the_source() {
    let source = "// one\n// two\nexport default {\n  fetch(): Response { return boom(); }\n};\ndeclare function boom(): Response;\n";
    let bundle = Sandbox::new(&[("src/index.ts", source)]).bundle().await.unwrap();
    let (line, column) = main_text(&bundle)
        .lines()
        .enumerate()
        .find_map(|(line, text)| Some((line + 1, text.find("boom")? + 1)))
        .unwrap();
    let map = bundle.source_map("index.js").unwrap();
    let original = map.locate(line, column).unwrap();
    assert_eq!(original.path, std::path::Path::new("src/index.ts"));
    assert_eq!((original.line, original.column), (4, 30));
    assert_eq!(original.line_text.unwrap(), "  fetch(): Response { return boom(); }");
}

#[tokio::test]
async fn imported_files_stay_modules_named_by_their_content() {
    let sandbox = Sandbox::new(&[
        (
            "src/index.ts",
            "import a from './a/same.txt';\nimport b from './b/same.txt';\nimport twice from './b/../a/same.txt';\nimport wasm from './add.wasm';\nimport again from './add.wasm?module';\nimport data from './data.bin';\nimport page from './page.html';\nexport default { fetch: () => new Response([a, b, twice, wasm, again, data, page].join()) };",
        ),
        ("src/a/same.txt", "from a"),
        ("src/b/same.txt", "from b"),
        ("src/page.html", "<p>"),
        ("src/data.bin", "\0\u{1}"),
    ]);
    sandbox.write("src/add.wasm", b"\0asm\x01\0\0\0");
    let bundle = sandbox.bundle().await.unwrap();
    let mut listed: Vec<String> =
        bundle.modules.iter().map(|module| format!("{} {:?}", module.name, module.kind)).collect();
    listed.sort();
    insta::assert_debug_snapshot!(listed, @r#"
    [
        "./3f29546453678b855931c174a97d6c0894b8f546-data.bin Data",
        "./63ada55c0ba212a5b1f8d5a70890788f00972bf4-page.html Text",
        "./6866447306f334e4f01477f8eb245ab2657da281-same.txt Text",
        "./aea1ebf62c32c9d5fc0aaac91d84f854fcc04a61-same.txt Text",
        "./c6006650182737e2b09bada7fc0774812b802917-add.wasm Wasm",
        "index.js EsModule",
    ]
    "#);
    let code = main_text(&bundle);
    for module in bundle.modules.iter().filter(|module| module.name.starts_with("./")) {
        assert!(code.contains(&format!("from \"{}\"", module.name)), "{} in {code}", module.name);
    }
    // Two files of one name, and one file by two paths.
    let (a, b) =
        ("aea1ebf62c32c9d5fc0aaac91d84f854fcc04a61", "6866447306f334e4f01477f8eb245ab2657da281");
    for (name, hash) in [("a", a), ("b", b), ("twice", a)] {
        let import = format!("import {name} from \"./{hash}-same.txt\"");
        assert!(code.contains(&import), "{import} in {code}");
    }
}

#[tokio::test]
async fn packages_bring_files_and_conditions() {
    let sandbox = Sandbox::new(&[
        (
            "src/index.ts",
            "import where from 'where';\nimport schema from 'where/schema.sql';\nexport default { fetch: () => new Response(where + schema) };",
        ),
        (
            "node_modules/where/package.json",
            r#"{"name":"where","exports":{".":{"workerd":"./workerd.js","default":"./node.js"},"./*":"./files/*"}}"#,
        ),
        ("node_modules/where/workerd.js", "export default 'on workerd';"),
        ("node_modules/where/node.js", "export default 'on node';"),
        ("node_modules/where/files/schema.sql", "select 1;"),
    ]);
    let bundle = sandbox.bundle().await.unwrap();
    assert!(main_text(&bundle).contains("on workerd"));
    let schema = bundle.modules.iter().find(|module| module.name.ends_with("-schema.sql")).unwrap();
    assert_eq!((text(schema), schema.kind), ("select 1;", ModuleKind::Text));
}

#[tokio::test]
async fn the_config_decides_about_names_and_replacements() {
    let source = "import money from 'money';\nfunction kept() {}\nconsole.log(VERSION, process.env.NODE_ENV, navigator.userAgent, kept, money);\nexport default { fetch() {} };";
    let sandbox =
        Sandbox::new(&[("src/index.ts", source), ("lib/euro.ts", "export default 'euro';")]).with(
            |config| {
                config.define.insert("VERSION".to_owned(), "\"1.2.3\"".to_owned());
                config.alias.insert("money".to_owned(), "./lib/euro".to_owned());
            },
        );
    let bundle = sandbox.bundle().await.unwrap();
    let code = main_text(&bundle);
    for part in [
        r#""1.2.3""#,
        r#""production""#,
        r#""Cloudflare-Workers""#,
        r#""euro""#,
        r#"__name(kept, "kept")"#,
    ] {
        assert!(code.contains(part), "{part} in {code}");
    }
    let small = sandbox.with(|config| {
        config.keep_names = false;
        config.minify = true;
    });
    let small = small.bundle().await.unwrap();
    assert!(!main_text(&small).contains("kept"));
    assert!(main_text(&small).lines().count() <= 3, "{}", main_text(&small));
}

#[tokio::test]
async fn minified_code_still_tells_what_it_reads() {
    let bundle = Sandbox::new(&[("src/index.ts", HELLO)]).with(|config| config.minify = true);
    let bundle = bundle.bundle().await.unwrap();
    assert!(!main_text(&bundle).contains("env"));
    assert_eq!(bundle.env_names.first().unwrap().as_str(), "NAME");
}

#[tokio::test]
async fn a_tsconfig_is_read() {
    let files = [
        (
            "src/index.ts",
            "import a from '@lib/a';\nexport default { fetch: () => new Response(a) };",
        ),
        ("lib/a.ts", "export default 'from lib';"),
        ("config/ts.json", r#"{"compilerOptions":{"paths":{"@lib/*":["../lib/*"]}}}"#),
    ];
    let sandbox =
        Sandbox::new(&files).with(|config| config.tsconfig = Some("config/ts.json".into()));
    assert!(main_text(&sandbox.bundle().await.unwrap()).contains("from lib"));
}

#[tokio::test]
async fn modules_of_the_runtime_stay_imports() {
    let source = "import { DurableObject } from 'cloudflare:workers';\nimport { Buffer } from 'buffer';\nimport path from 'node:path';\nconst fs = require('fs');\nimport { spawn } from 'node:test';\nexport class Counter extends DurableObject {}\nexport default { fetch: () => new Response(Buffer.from(path.join(fs.x, spawn)).toString()) };";
    let sandbox = Sandbox::new(&[("src/index.ts", source)])
        .with(|config| config.compatibility_flags = vec!["nodejs_compat".to_owned()]);
    let bundle = sandbox.bundle().await.unwrap();
    let code = main_text(&bundle);
    for part in
        [r#"from "cloudflare:workers""#, r#"from "buffer""#, r#"from "node:path""#, r#"from "fs""#]
    {
        assert!(code.contains(part), "{part} in {code}");
    }
    assert!(!code.contains(r#"from "node:test""#), "{code}");
    let notes: Vec<String> = bundle
        .notes
        .iter()
        .map(|note| format!("{} {:?} {}", note.at.as_ref().unwrap(), note.severity, note.message))
        .collect();
    insta::assert_debug_snapshot!(notes, @r#"
    [
        "services/web/src/index.ts:5:23 Note `node:test` does not exist in the Workers runtime at this compatibility date; what uses it fails when it runs",
    ]
    "#);
}

#[tokio::test]
async fn without_the_flag_node_is_left_to_the_runtime_and_said() {
    let source =
        "import path from 'node:path';\nexport default { fetch: () => new Response(path.sep) };";
    let bundle = Sandbox::new(&[("src/index.ts", source)]).bundle().await.unwrap();
    assert!(main_text(&bundle).contains(r#"from "node:path""#));
    let note = &bundle.notes[0];
    assert_eq!((note.rule.as_str(), note.severity), ("node-module-not-enabled", Severity::Note));
    assert_eq!(note.hint.as_deref(), Some("add `nodejs_compat` to `compatibility_flags`"));
}

#[tokio::test]
async fn a_script_without_a_default_export_is_a_service_worker() {
    let source = "import { greet } from './greet';\naddEventListener('fetch', (event: any) => event.respondWith(new Response(greet())));";
    let files = [("src/index.ts", source), ("src/greet.ts", "export const greet = () => 'hi';")];
    let bundle = Sandbox::new(&files).bundle().await.unwrap();
    assert_eq!(bundle.modules[0].kind, ModuleKind::CommonJs);
    assert!(!main_text(&bundle).contains("export"), "{}", main_text(&bundle));
}

#[tokio::test]
async fn additional_modules_stay_beside_the_bundle() {
    let files = [
        (
            "src/index.ts",
            "export default { async fetch(request: Request) { const { run } = await import('./lazy/deep/b.mjs'); return run(); } };",
        ),
        (
            "src/lazy/deep/b.mjs",
            "import { c } from './c.mjs';\nexport const run = () => new Response(c);",
        ),
        ("src/lazy/deep/c.mjs", "export const c = 'c';"),
        ("src/other.css", "p {}"),
    ];
    let sandbox = Sandbox::new(&files).with(|config| {
        config.find_additional_modules = true;
        config.rules = vec![ModuleRule {
            kind: "ESModule".to_owned(),
            globs: vec!["**/*.mjs".to_owned()],
            fallthrough: None,
        }];
    });
    let bundle = sandbox.bundle().await.unwrap();
    assert_eq!(names(&bundle), ["index.js", "lazy/deep/b.mjs", "lazy/deep/c.mjs"]);
    assert!(
        main_text(&bundle).contains(r#"import("./lazy/deep/b.mjs")"#),
        "{}",
        main_text(&bundle)
    );
}

#[tokio::test]
async fn what_is_ready_is_taken_as_it_is_without_esbuild() {
    let files = [
        (
            "dist/worker.js",
            "import text from './text.txt';\nimport './lib/a.js';\nexport default { fetch: () => new Response(text) };\n//# sourceMappingURL=worker.js.map",
        ),
        ("dist/worker.js.map", r#"{"version":3,"sources":[],"mappings":""}"#),
        ("dist/lib/a.js", "export {};"),
        ("dist/text.txt", "text"),
    ];
    let sandbox = Sandbox::new(&files).with(|config| {
        config.main = Some("dist/worker.js".into());
        config.no_bundle = true;
        config.rules = vec![ModuleRule {
            kind: "ESModule".to_owned(),
            globs: vec!["**/*.js".to_owned()],
            fallthrough: None,
        }];
    });
    let bundle = without_npm(&sandbox.path("cache")).bundle(&sandbox.project()).await.unwrap();
    assert_eq!(names(&bundle), ["lib/a.js", "text.txt", "worker.js"]);
    assert_eq!(main_text(&bundle), files[0].1);
    assert_eq!(bundle.source_maps[0].name, "worker.js.map");
}

#[tokio::test]
async fn a_build_command_runs_first() {
    let sandbox = Sandbox::new(&[("source.js", "export default {};")]).with(|config| {
        config.main = Some("dist/index.js".into());
        let copy = if cfg!(windows) {
            "mkdir dist & copy source.js dist\\index.js"
        } else {
            "mkdir dist && cp source.js dist/index.js"
        };
        config.build_command = Some(copy.to_owned());
    });
    assert_eq!(names(&sandbox.bundle().await.unwrap()), ["index.js"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_projects_bundle_at_once() {
    let bundler = bundler();
    let sandboxes: Vec<_> = (0..8)
        .map(|n| Sandbox::new(&[("src/index.ts", &HELLO.replace("NAME", &format!("NAME_{n}")))]))
        .collect();
    let bundler = std::sync::Arc::new(bundler);
    let tasks: Vec<_> = sandboxes
        .iter()
        .map(|sandbox| {
            let (bundler, project) = (bundler.clone(), sandbox.project());
            tokio::spawn(async move { bundler.bundle(&project).await })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        let bundle = task.await.unwrap().unwrap();
        assert_eq!(bundle.env_names.first().unwrap().as_str(), format!("NAME_{n}"));
    }
}

#[tokio::test]
async fn a_small_worker_bundles_quickly() {
    let sandbox = Sandbox::new(&[("src/index.ts", HELLO)]);
    let (bundler, project) = (bundler(), sandbox.project());
    bundler.bundle(&project).await.unwrap();
    let mut best = Duration::MAX;
    for _ in 0..10 {
        #[expect(clippy::disallowed_methods, reason = "this test measures")]
        let start = std::time::Instant::now();
        bundler.bundle(&project).await.unwrap();
        best = best.min(start.elapsed());
    }
    println!("best of 10: {best:?}");
    assert!(best < Duration::from_millis(50), "{best:?}");
}

#[tokio::test]
async fn an_entry_point_outside_the_folder_is_bundled() {
    let sandbox = Sandbox::new(&[("../shared/worker.ts", HELLO)])
        .with(|config| config.main = Some("../shared/worker.ts".into()));
    let bundle = sandbox.bundle().await.unwrap();
    assert_eq!(names(&bundle), ["worker.js"]);
    assert!(main_text(&bundle).contains("// ../shared/worker.ts"), "{}", main_text(&bundle));
}

#[tokio::test]
async fn a_source_that_is_not_utf8_is_noted() {
    let sandbox = Sandbox::new(&[]);
    sandbox.write("src/index.ts", b"const a = 1;\nexport default { a: 'x\xff' };");
    let bundle = sandbox.bundle().await.unwrap();
    let at = bundle.notes[0].at.as_ref().unwrap().to_string();
    assert_eq!(
        (bundle.notes[0].rule.as_str(), at.as_str()),
        ("source-not-utf8", "services/web/src/index.ts:2:23")
    );
}

#[tokio::test]
async fn the_projects_own_esbuild_is_preferred() {
    let cached = clodo_npm::esbuild().unwrap();
    let sandbox = Sandbox::new(&[("src/index.ts", HELLO)]);
    let installed = crate::sandbox::cache().ensure(&cached).await.unwrap();
    let own = sandbox.path("").join(cached.required());
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::copy(installed.binary(), &own).unwrap();
    sandbox.write("node_modules/.keep", b"");
    let package =
        own.ancestors().find(|folder| folder.parent().is_some_and(|up| up.ends_with("@esbuild")));
    std::fs::write(package.unwrap().join("package.json"), r#"{"version":"0.28.2"}"#).unwrap();
    let bundle = without_npm(&sandbox.path("cache")).bundle(&sandbox.project()).await.unwrap();
    assert_eq!(names(&bundle), ["index.js"]);
}
