//! From a path to a file, as Cloudflare's `html_handling` and `not_found_handling` say.

use crate::seams::{AssetEntry, ServedAssets};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A file, with the status to answer with.
    File {
        /// What lies there.
        entry: &'a AssetEntry,
        /// 200 or 404.
        status: u16,
    },
    /// The same content has a nicer path.
    Elsewhere(String),
}

/// How HTML files and slashes go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Html {
    Auto,
    Force,
    Drop,
    None,
}

/// Looks `path` (decoded) up, without the fallback for paths where there is nothing.
pub(crate) fn find<'a>(assets: &'a ServedAssets, path: &str) -> Option<Found<'a>> {
    Finder { assets, html: html(assets) }.find(path, true)
}

/// What answers where there is nothing.
pub(crate) fn fallback<'a>(assets: &'a ServedAssets, path: &str) -> Option<Found<'a>> {
    let file =
        |path: &str, status| assets.files.get(path).map(|entry| Found::File { entry, status });
    match assets.not_found_handling.as_deref() {
        Some("single-page-application") => file("/index.html", 200),
        Some("404-page") => {
            let mut folder = path;
            while let Some(at) = folder.rfind('/') {
                folder = &folder[..at];
                if let Some(found) = file(&format!("{folder}/404.html"), 404) {
                    return Some(found);
                }
            }
            None
        }
        _ => None,
    }
}

fn html(assets: &ServedAssets) -> Html {
    match assets.html_handling.as_deref() {
        Some("force-trailing-slash") => Html::Force,
        Some("drop-trailing-slash") => Html::Drop,
        Some("none") => Html::None,
        _ => Html::Auto,
    }
}

#[derive(Clone, Copy)]
struct Finder<'a> {
    assets: &'a ServedAssets,
    html: Html,
}

/// Where to look, in order.
enum Try {
    /// A file answers at this very path.
    Serve(String),
    /// If the first is a file and the second a path that shows it, go there.
    Go(String, String),
}

impl<'a> Finder<'a> {
    fn find(self, path: &str, may_redirect: bool) -> Option<Found<'a>> {
        let tries = match self.html {
            Html::Auto => auto(path),
            Html::Force => force(path),
            Html::Drop => dropped(path),
            Html::None => vec![Try::Serve(path.to_owned())],
        };
        tries.into_iter().find_map(|attempt| match attempt {
            Try::Serve(file) => self.file(&file),
            Try::Go(file, to) => may_redirect.then(|| self.go(&file, to)).flatten(),
        })
    }

    fn file(self, path: &str) -> Option<Found<'a>> {
        self.assets.files.get(path).map(|entry| Found::File { entry, status: 200 })
    }

    /// Only to a path that shows exactly this file.
    fn go(self, file: &str, to: String) -> Option<Found<'a>> {
        let wanted = self.assets.files.get(file)?;
        if self.assets.files.contains_key(&to) {
            return None;
        }
        match self.find(&to, false)? {
            Found::File { entry, .. } if entry.hash == wanted.hash => Some(Found::Elsewhere(to)),
            _ => None,
        }
    }
}

fn serve(path: impl Into<String>) -> Try {
    Try::Serve(path.into())
}

fn go(file: impl Into<String>, to: impl Into<String>) -> Try {
    Try::Go(file.into(), to.into())
}

fn auto(path: &str) -> Vec<Try> {
    let mut tries = Vec::with_capacity(5);
    if let Some(folder) = path.strip_suffix("/index") {
        tries.push(serve(path));
        tries.push(go(format!("{path}.html"), format!("{folder}/")));
        tries.push(go(format!("{folder}.html"), folder));
    } else if let Some(folder) = path.strip_suffix("/index.html") {
        tries.push(go(path, format!("{folder}/")));
        tries.push(go(format!("{folder}.html"), folder));
    } else if let Some(bare) = path.strip_suffix('/') {
        tries.push(serve(format!("{path}index.html")));
        tries.push(go(format!("{bare}.html"), bare));
    } else if let Some(bare) = path.strip_suffix(".html") {
        tries.push(go(path, bare));
        tries.push(go(format!("{bare}/index.html"), format!("{bare}/")));
    }
    tries.push(serve(path));
    tries.push(serve(format!("{path}.html")));
    tries.push(go(format!("{path}/index.html"), format!("{path}/")));
    tries
}

fn force(path: &str) -> Vec<Try> {
    let mut tries = Vec::with_capacity(5);
    if let Some(folder) = path.strip_suffix("/index") {
        tries.push(serve(path));
        tries.push(go(format!("{path}.html"), format!("{folder}/")));
        tries.push(go(format!("{folder}.html"), format!("{folder}/")));
    } else if let Some(folder) = path.strip_suffix("/index.html") {
        tries.push(go(path, format!("{folder}/")));
        tries.push(go(format!("{folder}.html"), format!("{folder}/")));
    } else if let Some(bare) = path.strip_suffix('/') {
        tries.push(serve(format!("{path}index.html")));
        tries.push(serve(format!("{bare}.html")));
    } else if let Some(bare) = path.strip_suffix(".html") {
        tries.push(go(path, format!("{bare}/")));
        tries.push(serve(path));
        tries.push(go(format!("{bare}/index.html"), format!("{bare}/")));
    }
    tries.push(serve(path));
    tries.push(go(format!("{path}.html"), format!("{path}/")));
    tries.push(go(format!("{path}/index.html"), format!("{path}/")));
    tries
}

fn dropped(path: &str) -> Vec<Try> {
    let mut tries = Vec::with_capacity(5);
    if let Some(folder) = path.strip_suffix("/index") {
        tries.push(serve(path));
        tries.push(go(format!("{folder}.html"), or_root(folder)));
        tries.push(go(format!("{path}.html"), or_root(folder)));
    } else if let Some(folder) = path.strip_suffix("/index.html") {
        tries.push(go(path, or_root(folder)));
        tries.push(serve(path));
        tries.push(go(format!("{folder}.html"), or_root(folder)));
    } else if path == "/" {
        tries.push(serve("/index.html"));
    } else if let Some(bare) = path.strip_suffix('/') {
        tries.push(go(format!("{bare}.html"), bare));
        tries.push(go(format!("{bare}/index.html"), bare));
    } else if let Some(bare) = path.strip_suffix(".html") {
        tries.push(go(path, bare));
        tries.push(go(format!("{bare}/index.html"), bare));
    }
    tries.push(serve(path));
    tries.push(serve(format!("{path}.html")));
    tries.push(serve(format!("{path}/index.html")));
    tries
}

fn or_root(folder: &str) -> &str {
    if folder.is_empty() { "/" } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets(html: &str, not_found: &str) -> ServedAssets {
        let files = ["/index.html", "/about.html", "/docs/index.html", "/docs/404.html", "/a.js"];
        let entry = |path: &str| AssetEntry { hash: path.into(), content_type: None, size: 1 };
        ServedAssets {
            files: files.map(|path| (path.to_owned(), entry(path))).into(),
            html_handling: Some(html.into()),
            not_found_handling: Some(not_found.into()),
            ..ServedAssets::default()
        }
    }

    fn check(html: &str, path: &str, expected: &str) {
        let assets = assets(html, "none");
        let found = match find(&assets, path) {
            Some(Found::File { entry, .. }) => format!("= {}", entry.hash),
            Some(Found::Elsewhere(to)) => format!("> {to}"),
            None => "-".to_owned(),
        };
        assert_eq!(found, expected, "{html} {path}");
    }

    #[test]
    fn auto_trailing_slash_shows_files_without_and_folders_with_a_slash() {
        for (path, expected) in [
            ("/", "= /index.html"),
            ("/index", "> /"),
            ("/index.html", "> /"),
            ("/about", "= /about.html"),
            ("/about/", "> /about"),
            ("/about.html", "> /about"),
            ("/about/index", "> /about"),
            ("/about/index.html", "> /about"),
            ("/docs", "> /docs/"),
            ("/docs/", "= /docs/index.html"),
            ("/docs.html", "> /docs/"),
            ("/docs/index.html", "> /docs/"),
            ("/a.js", "= /a.js"),
            ("/nope", "-"),
        ] {
            check("auto-trailing-slash", path, expected);
        }
    }

    #[test]
    fn force_trailing_slash_always_ends_in_one() {
        for (path, expected) in [
            ("/", "= /index.html"),
            ("/about", "> /about/"),
            ("/about/", "= /about.html"),
            ("/about.html", "> /about/"),
            ("/docs", "> /docs/"),
            ("/docs/index.html", "> /docs/"),
            ("/a.js", "= /a.js"),
        ] {
            check("force-trailing-slash", path, expected);
        }
    }

    #[test]
    fn drop_trailing_slash_never_ends_in_one() {
        for (path, expected) in [
            ("/", "= /index.html"),
            ("/index.html", "> /"),
            ("/about/", "> /about"),
            ("/about", "= /about.html"),
            ("/docs", "= /docs/index.html"),
            ("/docs/", "> /docs"),
            ("/docs/index.html", "> /docs"),
        ] {
            check("drop-trailing-slash", path, expected);
        }
        check("none", "/about", "-");
        check("none", "/about.html", "= /about.html");
    }

    #[test]
    fn where_nothing_lies_the_fallback_answers() {
        let spa = assets("auto-trailing-slash", "single-page-application");
        assert!(matches!(fallback(&spa, "/x/y"), Some(Found::File { status: 200, .. })));
        let page = assets("auto-trailing-slash", "404-page");
        let found = fallback(&page, "/docs/deep/er");
        let Some(Found::File { entry, status: 404 }) = found else { panic!("{found:?}") };
        assert_eq!(entry.hash, "/docs/404.html");
        assert_eq!(fallback(&page, "/elsewhere"), None);
    }
}
