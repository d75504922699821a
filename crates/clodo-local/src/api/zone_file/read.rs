use super::{
    ZoneFileError,
    generate::generate,
    lines::{Line, Word, lines},
    notes::Notes,
};
use serde_json::{Value, json};

/// A record of a file, with absolute names that do not end in a point.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) ttl: u64,
    pub(crate) content: String,
    pub(crate) priority: Option<u64>,
    pub(crate) data: Option<Value>,
    pub(crate) comment: Option<String>,
    pub(crate) tags: Vec<String>,
    /// None when the file does not say it.
    pub(crate) proxied: Option<bool>,
}

/// Reads a file; names that are not absolute belong to `zone`.
pub(crate) fn read(text: &str, zone: &str) -> Result<Vec<Entry>, ZoneFileError> {
    let mut reader = Reader { origin: zone.to_owned(), ttl: None, owner: None };
    let mut entries = Vec::new();
    for line in lines(text)? {
        match line.words[0].text().to_ascii_uppercase().as_str() {
            "$INCLUDE" => {
                return Err(ZoneFileError::new(line.number, "$INCLUDE directive not allowed"));
            }
            "$ORIGIN" => reader.origin = reader.absolute(&reader.argument(&line)?),
            "$TTL" => {
                let ttl = ttl_of(&reader.argument(&line)?);
                let wrong = || ZoneFileError::new(line.number, "$TTL needs a time");
                reader.ttl = Some(ttl.ok_or_else(wrong)?);
            }
            "$GENERATE" => {
                for line in generate(&line)? {
                    entries.push(reader.entry(&line)?);
                }
            }
            directive if directive.starts_with('$') => {
                let what = format!("{directive} is no directive");
                return Err(ZoneFileError::new(line.number, what));
            }
            _ => entries.push(reader.entry(&line)?),
        }
    }
    Ok(entries)
}

struct Reader {
    origin: String,
    ttl: Option<u64>,
    owner: Option<String>,
}

impl Reader {
    fn argument(&self, line: &Line) -> Result<String, ZoneFileError> {
        let missing = || ZoneFileError::new(line.number, "the directive needs a value");
        line.words.get(1).map(Word::text).ok_or_else(missing)
    }

    fn absolute(&self, name: &str) -> String {
        match name.strip_suffix('.') {
            Some(name) => name.to_owned(),
            None if name == "@" => self.origin.clone(),
            None if self.origin.is_empty() => name.to_owned(),
            None => format!("{name}.{}", self.origin),
        }
    }

    fn entry(&mut self, line: &Line) -> Result<Entry, ZoneFileError> {
        let wrong = |what: &str| ZoneFileError::new(line.number, what);
        let mut words = &line.words[..];
        if !line.indented {
            self.owner = Some(self.absolute(&words[0].text()));
            words = &words[1..];
        }
        let name = self.owner.clone().ok_or_else(|| wrong("the first record has no name"))?;
        let mut ttl = self.ttl.unwrap_or(1);
        // A time and a class may stand in either order before the type.
        let (kind, content) = loop {
            let Some((word, rest)) = words.split_first() else {
                return Err(wrong("the record has no type"));
            };
            let text = word.text().to_ascii_uppercase();
            match ttl_of(&text) {
                Some(given) => ttl = given,
                None if matches!(text.as_str(), "IN" | "CH" | "HS" | "CS") => {}
                None => break (text, rest),
            }
            words = rest;
        };
        if content.is_empty() {
            return Err(wrong("the record has no content"));
        }
        let notes = Notes::read(line.comment.as_deref().unwrap_or_default());
        let Notes { comment, tags, proxied } = notes;
        let blank = Entry { name, kind, ttl, comment, tags, proxied, ..Entry::default() };
        self.filled(blank, content).ok_or_else(|| wrong("the record's content is not whole"))
    }

    fn filled(&self, entry: Entry, words: &[Word]) -> Option<Entry> {
        let text = |at: usize| words.get(at).map(Word::text);
        let number = |at: usize| text(at)?.parse::<u64>().ok();
        let name = |at: usize| text(at).map(|text| self.absolute(&text));
        Some(match entry.kind.as_str() {
            "CNAME" | "NS" | "PTR" | "DNAME" => Entry { content: name(0)?, ..entry },
            "MX" => Entry { priority: Some(number(0)?), content: name(1)?, ..entry },
            "SRV" => {
                let (priority, weight, port, target) =
                    (number(0)?, number(1)?, number(2)?, name(3)?);
                let content = format!("{weight} {port} {target}");
                let data = json!({
                    "priority": priority, "weight": weight, "port": port, "target": target,
                });
                Entry { priority: Some(priority), content, data: Some(data), ..entry }
            }
            "CAA" => {
                let (flags, tag, value) = (number(0)?, text(1)?, text(2)?);
                let content = format!("{flags} {tag} {value}");
                let data = json!({ "flags": flags, "tag": tag, "value": value });
                Entry { content, data: Some(data), ..entry }
            }
            "TXT" | "SPF" => {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.bytes.clone()).collect();
                Entry { content: String::from_utf8_lossy(&bytes).into_owned(), ..entry }
            }
            _ => {
                let each: Vec<String> = words.iter().map(Word::text).collect();
                Entry { content: each.join(" "), ..entry }
            }
        })
    }
}

/// Seconds, or `1h30m`.
fn ttl_of(text: &str) -> Option<u64> {
    let (mut sum, mut digits) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c.to_ascii_lowercase() {
            c if c.is_ascii_digit() => {
                digits.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    if digits.is_empty() {
        return (!text.is_empty()).then_some(sum);
    }
    sum.checked_add(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    fn shown(text: &str) -> Vec<String> {
        let entries = read(text, "acme.test").unwrap();
        let line = |e: Entry| {
            let priority = e.priority.map(|priority| format!(" [{priority}]")).unwrap_or_default();
            format!("{} {} {}{priority} {}", e.name, e.ttl, e.kind, e.content)
        };
        entries.into_iter().map(line).collect()
    }

    #[test]
    fn names_times_and_classes_are_read_in_every_order() {
        let text = "$TTL 1h\n@ IN SOA ns.acme.test. admin ( 1 2h 3 4 5 )\n\
            www 300 IN A 192.0.2.1\n    IN 1h30m A 192.0.2.2\n\
            $ORIGIN eu\nmail MX 10 mx\n@ IN CNAME other.test.\n\
            _sip._tcp SRV 1 5 5060 sip\nx CAA 0 issue \"letsencrypt.org\"\n\
            t TXT \"a b\" \"c\"\n$GENERATE 1-2 h$ A 192.0.2.$\n";
        assert_eq!(
            shown(text),
            [
                "acme.test 3600 SOA ns.acme.test. admin 1 2h 3 4 5",
                "www.acme.test 300 A 192.0.2.1",
                "www.acme.test 5400 A 192.0.2.2",
                "mail.eu.acme.test 3600 MX [10] mx.eu.acme.test",
                "eu.acme.test 3600 CNAME other.test",
                "_sip._tcp.eu.acme.test 3600 SRV [1] 5 5060 sip.eu.acme.test",
                "x.eu.acme.test 3600 CAA 0 issue letsencrypt.org",
                "t.eu.acme.test 3600 TXT a bc",
                "h1.eu.acme.test 3600 A 192.0.2.1",
                "h2.eu.acme.test 3600 A 192.0.2.2",
            ]
        );
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_its_line() {
        for (bad, what) in [
            ("\n$INCLUDE other", "line 2: $INCLUDE directive not allowed"),
            ("$ORIGIN", "line 1: the directive needs a value"),
            ("$TTL soon", "line 1: $TTL needs a time"),
            ("$WHAT 1", "line 1: $WHAT is no directive"),
            ("  A 192.0.2.1", "line 1: the first record has no name"),
            ("a IN", "line 1: the record has no type"),
            ("a A", "line 1: the record has no content"),
            ("a MX mail", "line 1: the record's content is not whole"),
        ] {
            assert_eq!(read(bad, "acme.test").unwrap_err().to_string(), what);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[ -~\n]{0,200}") {
            let _ = read(&text, "acme.test");
        }
    }
}
