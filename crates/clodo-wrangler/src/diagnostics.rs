use crate::{node::NOWHERE, source::Source};
use clodo_types::{Finding, Severity, SourceError};

/// At most so many findings come of one message about many keys.
const MOST: usize = 100;

/// What wrangler says about a config: messages in a tree, as it prints them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnostics {
    description: String,
    errors: Vec<Message>,
    warnings: Vec<Message>,
    children: Vec<Diagnostics>,
}

#[derive(Clone, Debug)]
struct Message {
    rule: &'static str,
    text: String,
    at: usize,
    // One message about many keys: what to say about each of them where it stands.
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    text: String,
    at: usize,
    hint: Option<String>,
}

impl Diagnostics {
    pub(crate) fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), ..Self::default() }
    }

    pub(crate) fn error(&mut self, at: usize, text: impl Into<String>) {
        self.errors.push(Message {
            rule: "wrangler-config",
            text: text.into(),
            at,
            parts: Vec::new(),
        });
    }

    pub(crate) fn warn(&mut self, rule: &'static str, at: usize, text: impl Into<String>) {
        self.warnings.push(Message { rule, text: text.into(), at, parts: Vec::new() });
    }

    /// Warns about keys that are not among the known ones.
    pub(crate) fn unexpected(&mut self, field: &str, keys: &[(String, usize)], known: &[&str]) {
        let said = |keys: &str| format!("Unexpected fields found in {field} field: {keys}");
        let quoted: Vec<String> = keys.iter().map(|(key, _)| format!("\"{key}\"")).collect();
        let parts = keys.iter().zip(&quoted).take(MOST).map(|((key, at), quoted)| Part {
            text: said(quoted),
            at: *at,
            hint: nearest(key, known).map(|name| format!("did you mean `{name}`?")),
        });
        self.warnings.push(Message {
            rule: "wrangler-unexpected-field",
            text: said(&quoted.join(",")),
            at: keys.first().map_or(NOWHERE, |(_, at)| *at),
            parts: parts.collect(),
        });
    }

    pub(crate) fn add_child(&mut self, child: Self) {
        if child.has(Level::Error) || child.has(Level::Warning) {
            self.children.push(child);
        }
    }

    pub(crate) fn has(&self, level: Level) -> bool {
        !self.at(level).is_empty() || self.children.iter().any(|child| child.has(level))
    }

    fn at(&self, level: Level) -> &[Message] {
        match level {
            Level::Error => &self.errors,
            Level::Warning => &self.warnings,
        }
    }

    /// All of one level, word for word as wrangler prints it.
    pub(crate) fn render(&self, level: Level) -> String {
        let own = self.at(level).iter().map(|message| format!("- {}", indented(&message.text)));
        let below = self.children.iter().filter(|child| child.has(level));
        let below = below.map(|child| format!("\n- {}", child.render(level)));
        let own: Vec<_> = own.collect();
        let below: Vec<_> = below.collect();
        indented(&format!("{}\n{}{}", self.description, own.join("\n"), below.join("\n")))
    }

    pub(crate) fn errors(&self, source: &Source) -> Vec<SourceError> {
        let mut all = Vec::new();
        self.visit(Level::Error, &mut |message| {
            all.push(source.error(message.at, message.text.clone()));
        });
        all
    }

    pub(crate) fn warnings(&self, source: &Source) -> Vec<Finding> {
        let mut all = Vec::new();
        let mut push = |rule: &str, text: &str, at, hint: Option<&String>| {
            all.push(Finding {
                rule: rule.to_owned(),
                severity: Severity::Note,
                at: Some(source.location(at)),
                message: text.to_owned(),
                hint: hint.cloned(),
            });
        };
        self.visit(Level::Warning, &mut |message| {
            let Message { rule, text, at, parts } = message;
            if parts.is_empty() {
                push(rule, text, *at, None);
            }
            parts.iter().for_each(|part| push(rule, &part.text, part.at, part.hint.as_ref()));
        });
        all
    }

    fn visit(&self, level: Level, seen: &mut dyn FnMut(&Message)) {
        self.at(level).iter().for_each(&mut *seen);
        self.children.iter().for_each(|child| child.visit(level, seen));
    }
}

/// Whether a message stops wrangler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
}

// Every line but the first moves to the right; a blank line stays blank.
fn indented(text: &str) -> String {
    let line = |(index, line): (usize, &str)| {
        if line.chars().all(|c| c.is_whitespace() || c == '\u{feff}') {
            return String::new();
        }
        if index == 0 { line.to_owned() } else { format!("  {line}") }
    };
    text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n")
}

// The known name that a mistyped one most likely stands for: at most two letters away.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    if key.len() > 64 {
        return None;
    }
    let near = known.iter().map(|name| (distance(key, name), *name));
    let near = near.filter(|(away, name)| *away <= 2 && *away * 2 <= name.len());
    near.min_by_key(|(away, _)| *away).map(|(_, name)| name)
}

// How many letters must be added, removed or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, theirs) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *theirs);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let known = ["minify", "main", "name", "crons", "routes", "route"];
        for (key, expected) in [
            ("minfy", Some("minify")),
            ("cron", Some("crons")),
            ("Routes", Some("routes")),
            ("x", None),
            ("something", None),
        ] {
            assert_eq!(nearest(key, &known), expected, "{key}");
        }
    }
}
