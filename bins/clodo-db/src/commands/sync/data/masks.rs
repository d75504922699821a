//! A file of rules: TOML, with the place of each word for messages.

use clodo_cli::{CliError, Exit};
use clodo_config::hint_for;
use clodo_db::{CopyProblem, CopyProblemKind, Fake, MaskRule, Masks, TableMask, Value};
use clodo_types::SourceError;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use toml_edit::{Document, Item, Key, TableLike, Value as Toml};

/// Rules, and where each stands.
#[derive(Clone, Debug, Default)]
pub(super) struct MasksFile {
    pub(super) masks: Masks,
    /// As messages show it.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Of tables and of columns, the offset in the text.
    places: BTreeMap<(String, Option<String>), usize>,
}

impl MasksFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no file of rules; each mistake is said with its place.
    pub(super) fn read(path: &Path, shown: PathBuf) -> Result<Self, CliError> {
        let text = fs::read_to_string(path).map_err(|error| {
            CliError::new(Exit::Usage, "files", format!("could not read {}", shown.display()))
                .with_source(error)
                .with_hint("check the path and its permissions; it has to be UTF-8 text")
        })?;
        let mut reading =
            Reading { file: Self { path: shown, text, ..Self::default() }, mistakes: Vec::new() };
        reading.document();
        match reading.mistakes.is_empty() {
            true => Ok(reading.file),
            false => Err(of_mistakes(reading.mistakes)),
        }
    }

    /// Problems with what the file says, each with its place; none of them is about something else.
    pub(super) fn located(&self, problems: &[CopyProblem]) -> Option<CliError> {
        let source = |problem: &CopyProblem| {
            let place =
                (problem.table.to_lowercase(), problem.column.as_deref().map(str::to_lowercase));
            let offset = *self.places.get(&place)?;
            let hint = match problem.kind {
                CopyProblemKind::UnknownTable | CopyProblemKind::UnknownColumn => {
                    let name = problem.column.as_ref().unwrap_or(&problem.table);
                    hint_for(name, problem.known.iter().map(String::as_str))
                }
                _ => problem.hint().to_owned(),
            };
            let error = SourceError::at_offset(&self.path, &self.text, offset, problem.to_string());
            Some(error.with_hint(hint))
        };
        let sources: Vec<SourceError> = problems.iter().filter_map(source).collect();
        (!sources.is_empty()).then(|| of_mistakes(sources))
    }
}

fn of_mistakes(mut mistakes: Vec<SourceError>) -> CliError {
    mistakes.sort_by_key(|one| (one.at.line, one.at.column));
    CliError::of_sources(mistakes).with_exit(Exit::Usage).with_kind("masks")
}

struct Reading {
    file: MasksFile,
    mistakes: Vec<SourceError>,
}

impl Reading {
    fn document(&mut self) {
        let text = self.file.text.clone();
        let document = match Document::parse(text.as_str()) {
            Ok(document) => document,
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
                self.mistake(offset, message, "a file of rules is TOML: `[tables.NAME]`");
                return;
            }
        };
        for (name, item) in document.as_table() {
            let offset = offset(document.as_table(), name, item);
            match (name, item.as_table_like()) {
                ("tables", Some(tables)) => self.tables(tables),
                ("tables", None) => {
                    self.mistake(
                        offset,
                        "`tables` is no table".to_owned(),
                        "write `[tables.NAME]`",
                    );
                }
                _ => {
                    let hint = hint_for(name, ["tables"]);
                    self.mistake(offset, format!("unknown key `{name}`"), &hint);
                }
            }
        }
    }

    fn mistake(&mut self, offset: usize, message: String, hint: &str) {
        let error = SourceError::at_offset(&self.file.path, &self.file.text, offset, message);
        self.mistakes.push(error.with_hint(hint));
    }

    /// Notes where something stands; SQLite does not tell capitals apart.
    fn place(&mut self, table: &str, column: Option<&str>, offset: usize) {
        let place = (table.to_lowercase(), column.map(str::to_lowercase));
        if self.file.places.insert(place, offset).is_some() {
            let name = column.unwrap_or(table);
            let message = format!("`{name}` stands there twice");
            self.mistake(offset, message, "take one of them out: capitals make no other name");
        }
    }

    fn tables(&mut self, tables: &dyn TableLike) {
        for (name, item) in tables.iter() {
            let at = offset(tables, name, item);
            self.place(name, None, at);
            let mask = match (item.as_str(), item.as_table_like()) {
                (Some("drop-rows"), _) => TableMask::DropRows,
                (_, Some(columns)) => TableMask::Columns(self.columns(name, columns)),
                _ => {
                    let message = format!("`{name}` has no rule that there is for a table");
                    self.mistake(at, message, "write \"drop-rows\", or a table of its columns");
                    continue;
                }
            };
            let masks = std::mem::take(&mut self.file.masks);
            self.file.masks = masks.with_table(name, mask);
        }
    }

    fn columns(&mut self, table: &str, columns: &dyn TableLike) -> BTreeMap<String, MaskRule> {
        let mut rules = BTreeMap::new();
        for (name, item) in columns.iter() {
            let at = offset(columns, name, item);
            self.place(table, Some(name), at);
            match rule(table, name, item) {
                Ok(rule) => {
                    rules.insert(name.to_owned(), rule);
                }
                Err((message, hint)) => self.mistake(at, message, &hint),
            }
        }
        rules
    }
}

/// All words that a rule can be.
const WORDS: [&str; 7] =
    ["keep", "null", "hash", "fake email", "fake name", "fake phone", "fake text"];

fn rule(table: &str, column: &str, item: &Item) -> Result<MaskRule, (String, String)> {
    let unknown = |what: &str| format!("`{column}` has a rule that there is not: {what}");
    if let Some(word) = item.as_str() {
        let fake = |fake: &Fake| word == format!("fake {}", fake.as_str());
        return match word {
            "keep" => Ok(MaskRule::Keep),
            "null" => Ok(MaskRule::Null),
            "hash" => Ok(MaskRule::Hash),
            "drop-rows" => Err((
                "rows are dropped of a table, not of a column".to_owned(),
                format!("write `{table} = \"drop-rows\"` under `[tables]`"),
            )),
            _ => match Fake::ALL.iter().find(|one| fake(one)) {
                Some(fake) => Ok(MaskRule::Fake(*fake)),
                None => Err((unknown(&format!("`{word}`")), hint_for(word, WORDS))),
            },
        };
    }
    let constant = item.as_table_like().filter(|table| table.len() == 1);
    match constant.and_then(|table| table.get("constant")).and_then(Item::as_value) {
        Some(Toml::String(text)) => Ok(MaskRule::Constant(Value::Text(text.value().clone()))),
        Some(Toml::Integer(number)) => Ok(MaskRule::Constant(Value::Integer(*number.value()))),
        Some(Toml::Float(number)) => Ok(MaskRule::Constant(Value::Real(*number.value()))),
        Some(Toml::Boolean(truth)) => Ok(MaskRule::Constant((*truth.value()).into())),
        _ => Err((
            unknown(item.type_name()),
            format!("write one of \"{}\", or {{ constant = … }}", WORDS.join("\", \"")),
        )),
    }
}

fn offset(table: &dyn TableLike, name: &str, item: &Item) -> usize {
    let span = table.key(name).and_then(Key::span).or_else(|| item.span());
    span.map_or(0, |span| span.start)
}
