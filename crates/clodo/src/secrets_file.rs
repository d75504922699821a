/// Reads a file of `NAME=value` lines as dotenv does: `export` before the name, comments, values in
/// `'…'`, `` `…` `` or `"…"` over several lines, `\n` in double quotes. What is no such line is
/// skipped.
pub(crate) fn read(text: &str) -> Vec<(String, String)> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (line, below) = split_line(rest);
        let Some((name, behind)) = name_of(line) else {
            rest = below;
            continue;
        };
        // From here on, since a quoted value may end some lines below.
        let at = line.len() - behind.len();
        let (value, after) = match quoted(&rest[at..]) {
            Some((value, used)) => (value, split_line(&rest[at + used..]).1),
            None => (plain(behind), below),
        };
        pairs.push((name.to_owned(), value));
        rest = after;
    }
    pairs
}

fn split_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// The name before `=`, and what comes behind it.
fn name_of(line: &str) -> Option<(&str, &str)> {
    let (name, behind) = line.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (!name.is_empty() && name.chars().all(fits)).then(|| (name, behind.trim_start()))
}

/// A value in quotes, and how long it is with them; `None` when no quote begins or ends it.
fn quoted(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let mut escaped = false;
    let end = text[1..].find(|c: char| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let inner = &text[1..=end];
    let value = match quote {
        '"' => inner.replace("\\n", "\n").replace("\\r", "\r"),
        _ => inner.to_owned(),
    };
    Some((value, end + 2))
}

fn plain(text: &str) -> String {
    let value = text.find(" #").map_or(text, |at| &text[..at]);
    if value.starts_with('#') { String::new() } else { value.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[(&str, &str)]) {
        let read = read(text);
        let read: Vec<_> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, want, "{text}");
    }

    #[test]
    fn a_secrets_file_is_read_as_dotenv_reads_it() {
        check(
            "A=1\nB = two words \r\n\n# C=3\nexport D='4'",
            &[("A", "1"), ("B", "two words"), ("D", "4")],
        );
        check(
            "A=a=b\nB=x # y\nC=x#y\nD=\nE=#f\n",
            &[("A", "a=b"), ("B", "x"), ("C", "x#y"), ("D", ""), ("E", "")],
        );
        check("nonsense\ntwo words=1\n=x\nA=1", &[("A", "1")]);
        check("\u{feff}A=1", &[("A", "1")]);
    }

    #[test]
    fn a_key_over_several_lines_stays_whole() {
        let pem = "KEY=\"-----BEGIN-----\nabc=\n-----END-----\" # the key\nNEXT='x # y'\n";
        check(pem, &[("KEY", "-----BEGIN-----\nabc=\n-----END-----"), ("NEXT", "x # y")]);
        check(
            r#"A="one\ntwo"
B='one\ntwo'
C="say \"hi\"""#,
            &[("A", "one\ntwo"), ("B", "one\\ntwo"), ("C", "say \\\"hi\\\"")],
        );
    }

    #[test]
    fn a_quote_that_never_ends_is_part_of_the_value() {
        check("A=\"x\nB=1", &[("A", "\"x"), ("B", "1")]);
        check("A='\nB=1", &[("A", "'"), ("B", "1")]);
    }
}
