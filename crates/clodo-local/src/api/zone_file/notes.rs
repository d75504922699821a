//! What Cloudflare writes behind a record: `; a comment cf_tags=team:dns,cf-proxied:true`.

const TAGS: &str = "cf_tags=";
const PROXIED: &str = "cf-proxied:";

/// What stands behind a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) comment: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) proxied: Option<bool>,
}

impl Notes {
    /// Reads a comment. The last ` cf_tags=` counts, so that a comment may hold the word.
    pub(super) fn read(text: &str) -> Self {
        let at = text.rfind(TAGS).filter(|at| *at == 0 || text.as_bytes()[at - 1] == b' ');
        let (comment, tags) = match at {
            Some(at) => (text[..at].trim(), &text[at + TAGS.len()..]),
            None => (text.trim(), ""),
        };
        let mut notes = Self {
            comment: Some(comment.to_owned()).filter(|comment| !comment.is_empty()),
            ..Self::default()
        };
        for tag in split(tags) {
            match tag.strip_prefix(PROXIED) {
                Some(word) => notes.proxied = Some(word == "true"),
                None if tag.starts_with("cf-") => {}
                None => notes.tags.push(unquoted(tag)),
            }
        }
        notes
    }

    /// The comment as it is written, without the semicolon; none when nothing is to be said.
    pub(super) fn written(&self) -> Option<String> {
        let mut tags: Vec<String> = self.tags.iter().map(|tag| quoted(tag)).collect();
        tags.extend(self.proxied.map(|proxied| format!("{PROXIED}{proxied}")));
        let comment = self.comment.as_deref().unwrap_or_default().replace(['\n', '\r'], " ");
        if tags.is_empty() && !comment.contains(TAGS) {
            return Some(comment).filter(|comment| !comment.is_empty());
        }
        Some(format!("{comment} {TAGS}{}", tags.join(",")).trim_start().to_owned())
    }
}

/// Tags apart by commas that stand in no quotes.
fn split(tags: &str) -> Vec<&str> {
    let (mut found, mut start, mut within, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in tags.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '"' => within = !within,
            ',' if !within => {
                found.push(&tags[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&tags[start..]);
    found.into_iter().map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

/// A value in quotes is a JSON string.
fn unquoted(tag: &str) -> String {
    let parts = tag.split_once(':').filter(|(_, value)| value.starts_with('"'));
    let read = parts.and_then(|(name, value)| {
        let value: String = serde_json::from_str(value).ok()?;
        Some(format!("{name}:{value}"))
    });
    read.unwrap_or_else(|| tag.to_owned())
}

fn quoted(tag: &str) -> String {
    match tag.split_once(':') {
        Some((name, value)) if value.contains(['"', '=', ',', '\\']) => {
            format!("{name}:{}", serde_json::Value::from(value))
        }
        _ => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, comment: Option<&str>, tags: &[&str], proxied: Option<bool>) {
        let notes = Notes::read(text);
        assert_eq!(notes.comment.as_deref(), comment, "{text}");
        assert_eq!(notes.tags, tags, "{text}");
        assert_eq!(notes.proxied, proxied, "{text}");
        let again = notes.written().map(|text| Notes::read(&text)).unwrap_or_default();
        assert_eq!(again, notes, "{text}");
    }

    #[test]
    fn comments_and_tags_are_told_apart_as_documented() {
        check("cf_tags=awesome", None, &["awesome"], None);
        check(
            r#"cf_tags=tag1,tag2:value2,tag3:"value,with,commas",tag4:"say \"hi\"""#,
            None,
            &["tag1", "tag2:value2", "tag3:value,with,commas", "tag4:say \"hi\""],
            None,
        );
        check("just a comment", Some("just a comment"), &[], None);
        check("contains cf_tags= as text cf_tags=", Some("contains cf_tags= as text"), &[], None);
        check("simple cf_tags=a,b:C-1", Some("simple"), &["a", "b:C-1"], None);
        check("cf_tags=test:1,cf-flatten-cname", None, &["test:1"], None);
        check("cf_tags=cf-proxied:false", None, &[], Some(false));
        check("", None, &[], None);
    }
}
