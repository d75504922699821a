use super::{
    file::MigrationFile,
    meaning::{Meaning, Step, inserted, steps},
    replay::{Replay, said},
    schema::Schema,
};
use crate::{
    inspect::{SourceStatement, is_statement_about_rows},
    split::split,
};
use clodo_sqlite::rusqlite::Error;
use clodo_types::{Finding, Location, Severity};
use std::collections::HashMap;

/// Code that works on a database, and goes on to do so until new code takes its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningCode {
    /// Whose it is, as a message should show it: `the deployed service shop in production`.
    pub whose: String,
    /// Texts in it that may be statements.
    pub statements: Vec<SourceStatement>,
}

impl RunningCode {
    /// Texts that were found in somebody's code.
    #[must_use]
    pub fn new(whose: impl Into<String>, statements: Vec<SourceStatement>) -> Self {
        Self { whose: whose.into(), statements }
    }
}

/// What [`check_code`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeCheck {
    /// Statements that stop working, in the order of what breaks them.
    pub findings: Vec<Finding>,
    /// How many different statements work on the database as it is.
    pub statements: usize,
    /// How many texts do not, so that nothing is said about them: they belong to another database,
    /// are put together when the program runs, or are no SQL.
    pub unfit: usize,
}

/// The rule of these findings, for `-- clodo:allow`.
const RULE: &str = "breaks-running-code";
const HINT: &str = "add what new code needs, deploy code that does without this, and take it away \
                    in a later migration; or write `-- clodo:allow breaks-running-code REASON` on \
                    the line before";

/// Finds statements of running code that work on a database with this schema, and no longer work once
/// all of `files` are applied: new code comes after the last of them. SQLite itself is asked, on an
/// empty database with the same schema, and runs none of them.
///
/// An `INSERT` that fits and fills no column that has to have a value counts too.
#[must_use]
pub fn check_code(schema: &Schema, files: &[&MigrationFile], code: &[RunningCode]) -> CodeCheck {
    tried(schema, files, code).unwrap_or_else(|error| CodeCheck {
        findings: vec![Finding {
            rule: "running-code-not-tried".to_owned(),
            severity: Severity::Note,
            at: None,
            message: format!("whether the files break running code was not tried: {error}"),
            hint: None,
        }],
        ..CodeCheck::default()
    })
}

/// Whether files can break code that runs: they do more than add tables and indexes.
#[must_use]
pub fn may_break_code(files: &[&MigrationFile]) -> bool {
    let breaks = |step: &Step<'_>| {
        step.meaning.changes_schema()
            && !matches!(step.meaning, Meaning::CreateTable { .. } | Meaning::CreateIndex { .. })
    };
    files.iter().any(|file| steps(&file.sql).is_ok_and(|steps| steps.iter().any(breaks)))
}

/// A statement of running code.
#[derive(Debug)]
struct Text<'c> {
    sql: &'c str,
    whose: &'c str,
    at: Option<&'c Location>,
    /// In how many other places of the same code it stands.
    others: usize,
    /// It needs `"names"` to be taken for text.
    is_loose: bool,
}

/// A statement of a migration that is carried out here, and its file.
type Change<'f> = (&'f MigrationFile, Step<'f>);

fn tried(
    schema: &Schema,
    files: &[&MigrationFile],
    code: &[RunningCode],
) -> Result<CodeCheck, Error> {
    let (replay, _) = Replay::as_far_as_possible(schema)?;
    let mut check = CodeCheck::default();
    let mut texts = Vec::new();
    for text in all(code) {
        match fitting(&replay, text)? {
            Some(text) => texts.push(text),
            None => check.unfit += 1,
        }
    }
    check.statements = texts.len();
    if texts.is_empty() {
        return Ok(check);
    }
    let mut changes = changes(files);
    let done = changes.iter().position(|(_, step)| replay.run(step.piece.text).is_err());
    // What a file would do behind a statement that fails, nobody knows.
    changes.truncate(done.unwrap_or(changes.len()));
    let mut broken = Vec::new();
    for text in texts {
        if fault(&replay, &text)?.is_some() {
            broken.push(text);
        }
    }
    check.findings = blamed(schema, &changes, &broken)?;
    Ok(check)
}

/// Each statement of each code once.
fn all(code: &[RunningCode]) -> Vec<Text<'_>> {
    let mut texts: Vec<Text<'_>> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for RunningCode { whose, statements } in code {
        for statement in statements {
            for piece in split(&statement.sql) {
                let sql = piece.text.trim_end_matches(';');
                if !is_statement_about_rows(sql) {
                    continue;
                }
                let at = *known.entry((whose, sql)).or_insert(texts.len());
                match texts.get_mut(at) {
                    Some(text) => text.others += 1,
                    None => {
                        let at = statement.at.as_ref();
                        texts.push(Text { sql, whose, at, others: 0, is_loose: false });
                    }
                }
            }
        }
    }
    texts
}

/// The statement as it is understood by a database, if it works there.
fn fitting<'c>(replay: &Replay, mut text: Text<'c>) -> Result<Option<Text<'c>>, Error> {
    for is_loose in [false, true] {
        text.is_loose = is_loose;
        if fault(replay, &text)?.is_none() {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// Why a statement does not work, if so.
fn fault(replay: &Replay, text: &Text<'_>) -> Result<Option<String>, Error> {
    // A name that is gone must not become text in silence.
    replay.take_names_for_text(text.is_loose)?;
    let fits = replay.fits(text.sql);
    replay.take_names_for_text(true)?;
    if let Err(error) = fits {
        let said = said(&error).0;
        let said = said.split(" - should this be").next().unwrap_or(&said);
        return Ok(Some(said.to_owned()));
    }
    let Some((table, filled)) = inserted(text.sql) else { return Ok(None) };
    let required = replay.required(&table)?;
    let missing = required.into_iter().find(|column| !filled.contains(column));
    Ok(missing.map(|column| format!("NOT NULL constraint failed: {table}.{column}")))
}

/// What files do to the schema, statement by statement; those behind one that is no SQL are left out.
fn changes<'f>(files: &[&'f MigrationFile]) -> Vec<Change<'f>> {
    let mut changes = Vec::new();
    for file in files {
        let Ok(steps) = steps(&file.sql) else { break };
        let changing = steps.into_iter().filter(|step| step.meaning.changes_schema());
        changes.extend(changing.map(|step| (*file, step)));
    }
    changes
}

/// Finds for each statement that is broken in the end the change behind which it last stopped working.
fn blamed(
    schema: &Schema,
    changes: &[Change<'_>],
    broken: &[Text<'_>],
) -> Result<Vec<Finding>, Error> {
    if broken.is_empty() {
        return Ok(Vec::new());
    }
    let (replay, _) = Replay::as_far_as_possible(schema)?;
    let mut blame: Vec<Option<(usize, String)>> = vec![None; broken.len()];
    for (at, (file, step)) in changes.iter().enumerate() {
        replay.run(step.piece.text)?;
        let is_last = changes.get(at + 1).is_none_or(|(next, _)| next.name != file.name);
        for (blame, text) in blame.iter_mut().zip(broken) {
            // A table that is made anew is away for a moment.
            let Some(why) = fault(&replay, text)? else {
                *blame = None;
                continue;
            };
            let (since, said) = blame.get_or_insert((at, String::new()));
            // Only what holds behind the whole file is ever seen.
            if is_last && changes[*since].0.name == file.name {
                *said = why;
            }
        }
    }
    let found = blame.into_iter().zip(broken);
    let mut found: Vec<_> = found.filter_map(|(blame, text)| Some((blame?, text))).collect();
    found.sort_by_key(|((at, _), _)| *at);
    found.retain(|((at, _), _)| !changes[*at].1.allows(RULE));
    Ok(found.into_iter().map(|((at, why), text)| finding(&changes[at], text, &why)).collect())
}

fn finding((file, step): &Change<'_>, text: &Text<'_>, why: &str) -> Finding {
    let place = match (text.at, text.others) {
        (None, _) => String::new(),
        (Some(at), 0) => format!(" ({at})"),
        (Some(at), others) => format!(" ({at} and {others} more)"),
    };
    let (whose, sql) = (text.whose, short(text.sql));
    Finding {
        rule: RULE.to_owned(),
        severity: Severity::Block,
        at: Some(Location::of_offset(&file.path, &file.sql, step.piece.offset)),
        message: visible(&format!("{whose} runs `{sql}`{place}, which then fails: {why}")),
        hint: Some(HINT.to_owned()),
    }
}

/// A statement on one line, and no longer than a line.
fn short(sql: &str) -> String {
    const LONGEST: usize = 100;
    let words: Vec<&str> = sql.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Text of somebody's program: what moves a cursor, or turns the direction of what is read, is shown
/// as its number.
fn visible(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    let shown = |c: char| match c.is_control() || turns(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}
