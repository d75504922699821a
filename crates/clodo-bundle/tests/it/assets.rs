use crate::sandbox::{Sandbox, bundler, explain};
use clodo_bundle::{AssetLimits, Bundle};
use clodo_wrangler::Assets;

fn site(files: &[(&str, &str)]) -> Sandbox {
    Sandbox::new(files).with(|config| {
        config.main = None;
        config.assets = Some(Assets {
            directory: Some("public".into()),
            binding: None,
            html_handling: None,
            not_found_handling: None,
            run_worker_first: None,
        });
    })
}

fn paths(bundle: &Bundle) -> Vec<&str> {
    bundle.assets.as_ref().unwrap().files.iter().map(|file| file.path.as_str()).collect()
}

#[tokio::test]
async fn a_folder_of_assets_is_a_worker_of_its_own() {
    let sandbox = site(&[
        ("public/index.html", "<h1>hi</h1>"),
        ("public/.well-known/security.txt", "Contact: x"),
        ("public/z.unknown", ""),
        ("public/_headers", "/*\n  X-A: b\n"),
        ("public/_redirects", "/a /b\n"),
        ("public/.assetsignore", "*.map\n"),
        ("public/app.js.map", "{}"),
    ]);
    let bundle = sandbox.bundle().await.unwrap();
    assert_eq!((&bundle.main_module, bundle.modules.len()), (&None, 0));
    assert_eq!(paths(&bundle), ["/.well-known/security.txt", "/index.html", "/z.unknown"]);
    let assets = bundle.assets.as_ref().unwrap();
    assert_eq!(assets.headers.as_deref(), Some("/*\n  X-A: b\n"));
    assert_eq!(assets.redirects.as_deref(), Some("/a /b\n"));
    let index = &assets.files[1];
    assert_eq!((index.size, index.hash.as_str()), (11, "e5e943f01929441dfbb0d4956a759fda"));
    assert_eq!(index.content_type.as_deref(), Some("text/html; charset=utf-8"));
    assert_eq!(std::fs::read(&index.source).unwrap(), b"<h1>hi</h1>");
    assert_eq!(assets.files[2].content_type, None);
}

#[tokio::test]
async fn a_changed_asset_changes_the_hash() {
    let sandbox = site(&[("public/index.html", "one"), ("public/_headers", "")]);
    let one = sandbox.bundle().await.unwrap();
    sandbox.write("public/index.html", b"two");
    let two = sandbox.bundle().await.unwrap();
    sandbox.write("public/_headers", b"/*\n  A: b\n");
    let three = sandbox.bundle().await.unwrap();
    sandbox.write("public/index.html", b"one");
    sandbox.write("public/_headers", b"");
    let four = sandbox.bundle().await.unwrap();
    assert!(one.hash != two.hash && two.hash != three.hash);
    assert_eq!(one.hash, four.hash);
}

#[tokio::test]
async fn ignoring_follows_git_except_for_capitals() {
    let sandbox = site(&[
        (
            "public/.assetsignore",
            "node_modules\r\n/secret/*\n!/secret/kept.txt\n*.TXT\n!note.txt\n\n# a comment\n",
        ),
        ("public/a/node_modules/b/c.js", ""),
        ("public/secret/kept.html", ""),
        ("public/secret/kept.txt", ""),
        ("public/a.txt", ""),
        ("public/note.txt", ""),
        ("public/# a comment", ""),
    ]);
    assert_eq!(paths(&sandbox.bundle().await.unwrap()), ["/# a comment", "/note.txt"]);
}

#[tokio::test]
async fn server_code_of_a_pages_project_is_not_published() {
    let sandbox = site(&[("public/_worker.js", "secret")]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    the asset `services/web/public/_worker.js` is the code of a Pages project, which would become public
    hint: add a file `.assetsignore` to the folder of assets, with the line `_worker.js`; an empty one uploads it anyway
    "#);
    sandbox.write("public/.assetsignore", b"_worker.js");
    assert!(paths(&sandbox.bundle().await.unwrap()).is_empty());
    sandbox.write("public/.assetsignore", b"");
    assert_eq!(paths(&sandbox.bundle().await.unwrap()), ["/_worker.js"]);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_shown_in_the_config() {
    let config = "{\n  \"assets\": {\n    \"directory\": \"public\"\n  }\n}\n";
    let sandbox = site(&[("wrangler.jsonc", config)]);
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    services/web/wrangler.jsonc:3:18: the folder of assets `services/web/public` does not exist
       |
     3 |     "directory": "public"
       |                  ^
    hint: correct `assets.directory`, or build the assets first
    "#);
}

#[tokio::test]
async fn too_much_is_refused_and_named() {
    let sandbox = site(&[("public/a.txt", "12345"), ("public/b.txt", "1"), ("public/c.txt", "1")]);
    let mut limits = AssetLimits::default();
    limits.bytes = 4;
    let error = bundler().with_asset_limits(limits).bundle(&sandbox.project()).await.unwrap_err();
    insta::assert_snapshot!(explain(&error), @r#"
    the asset `services/web/public/a.txt` has 5 bytes, and a file may have 4
    hint: list it in `.assetsignore` and serve it from R2
    "#);
    let mut limits = AssetLimits::default();
    limits.files = 2;
    let error = bundler().with_asset_limits(limits).bundle(&sandbox.project()).await.unwrap_err();
    insta::assert_snapshot!(explain(&error), @r#"
    the asset `services/web/public/c.txt` is one too many: a Worker may have 2 files
    hint: list what need not be served in `.assetsignore`
    "#);
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_and_said() {
    use std::os::unix::fs::symlink;
    let sandbox = site(&[("public/a.txt", "a"), ("shared/b.txt", "b")]);
    symlink(sandbox.path("shared"), sandbox.path("public/shared")).unwrap();
    symlink(sandbox.path("public/a.txt"), sandbox.path("public/same.txt")).unwrap();
    let bundle = sandbox.bundle().await.unwrap();
    assert_eq!(paths(&bundle), ["/a.txt", "/same.txt", "/shared/b.txt"]);
    let notes: Vec<&str> = bundle.notes.iter().map(|note| note.message.as_str()).collect();
    insta::assert_debug_snapshot!(notes, @r#"
    [
        "the asset `services/web/public/shared` is a link to something outside the folder of assets, which becomes public",
    ]
    "#);

    symlink("nowhere", sandbox.path("public/broken")).unwrap();
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    the asset `services/web/public/broken` is a link that leads nowhere
    hint: remove the link, or list it in `.assetsignore`
    "#);
    std::fs::remove_file(sandbox.path("public/broken")).unwrap();
    symlink("..", sandbox.path("public/loop")).unwrap();
    insta::assert_snapshot!(sandbox.failure().await, @r#"
    the asset `services/web/public/loop/public` is a link to a folder that contains it
    hint: remove the link, or list it in `.assetsignore`
    "#);
}
