//! Paths in a config are relative to its folder and use `/`.

/// What Node's `path.relative(folder, path.resolve(folder, text))` answers: no `.` and no inner
/// `..`, nothing for the folder itself; an absolute path stays absolute.
pub(crate) fn normalised(text: &str) -> String {
    let absolute = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            other => parts.push(other),
        }
    }
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

/// A path that is taken to lie below the folder even when it starts with `/`.
pub(crate) fn below(text: &str) -> String {
    normalised(&format!("./{text}"))
}

/// Node's `path.join`.
pub(crate) fn joined(folder: &str, file: &str) -> String {
    let joined = normalised(&format!("{folder}/{file}"));
    if joined.is_empty() { ".".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_says_nothing() {
        for (given, expected) in [
            ("./src/../src/index.ts", "src/index.ts"),
            ("../shared/x.js", "../shared/x.js"),
            ("../../x", "../../x"),
            ("a//b/", "a/b"),
            (".", ""),
            ("/a/../../b", "/b"),
        ] {
            assert_eq!(normalised(given), expected, "{given}");
        }
    }
}
