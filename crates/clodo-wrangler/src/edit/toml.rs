use super::{EditError, Step, shown, wrapped};
use crate::source::Source;
use serde_json::Value as Json;
use toml_edit::{
    Array, ArrayOfTables, DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value,
};

pub(super) fn set(source: &Source, steps: &[Step<'_>], value: &Json) -> Result<String, EditError> {
    let mut document: DocumentMut =
        source.text().parse().map_err(|error: toml_edit::TomlError| {
            EditError::Unreadable(source.error(0, error.message()))
        })?;
    let edit = Edit { steps, value };
    edit.table(document.as_table_mut(), 0, Style::Block)?;
    Ok(document.to_string())
}

/// Whether new objects become tables with a header or stand inside a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Block,
    Inline,
}

struct Edit<'a> {
    steps: &'a [Step<'a>],
    value: &'a Json,
}

impl Edit<'_> {
    fn no_place(&self) -> EditError {
        EditError::NoPlace(shown(self.steps))
    }

    fn table(
        &self,
        table: &mut dyn TableLike,
        depth: usize,
        style: Style,
    ) -> Result<(), EditError> {
        let Some(Step::Key(key)) = self.steps.get(depth) else { return Err(self.no_place()) };
        if let Some(item) = table.get_mut(key).filter(|item| !item.is_none()) {
            return self.item(item, depth + 1);
        }
        let json = wrapped(&self.steps[depth + 1..], self.value).ok_or_else(|| self.no_place())?;
        let item = match style {
            Style::Block => self.block(&json)?,
            Style::Inline => Item::Value(self.inline(&json)?),
        };
        table.insert(key, item);
        Ok(())
    }

    fn item(&self, item: &mut Item, depth: usize) -> Result<(), EditError> {
        if depth == self.steps.len() {
            return self.replace(item);
        }
        match item {
            Item::Table(table) => self.table(table, depth, Style::Block),
            Item::ArrayOfTables(tables) => self.tables(tables, depth),
            Item::Value(value) => self.within(value, depth),
            Item::None => Err(self.no_place()),
        }
    }

    fn replace(&self, item: &mut Item) -> Result<(), EditError> {
        if let Item::Value(old) = item {
            return self.replace_value(old);
        }
        let mut new = self.block(self.value)?;
        if let (Item::Table(old), Item::Table(new)) = (&*item, &mut new) {
            *new.decor_mut() = old.decor().clone();
            new.set_position(old.position());
        }
        *item = new;
        Ok(())
    }

    // The comments around a value are the value's own, so they must be carried over.
    fn replace_value(&self, old: &mut Value) -> Result<(), EditError> {
        let mut new = self.inline(self.value)?;
        *new.decor_mut() = old.decor().clone();
        *old = new;
        Ok(())
    }

    fn tables(&self, tables: &mut ArrayOfTables, depth: usize) -> Result<(), EditError> {
        let Step::Item(index) = self.steps[depth] else { return Err(self.no_place()) };
        let last = depth + 1 == self.steps.len();
        if index == tables.len() {
            let json = wrapped(&self.steps[depth + 1..], self.value);
            let json = json.ok_or_else(|| self.no_place())?;
            let Item::Table(table) = self.block(&json)? else { return Err(self.no_place()) };
            tables.push(table);
            return Ok(());
        }
        let table = tables.get_mut(index).ok_or_else(|| self.no_place())?;
        if !last {
            return self.table(table, depth + 1, Style::Block);
        }
        let Item::Table(mut new) = self.block(self.value)? else { return Err(self.no_place()) };
        *new.decor_mut() = table.decor().clone();
        new.set_position(table.position());
        *table = new;
        Ok(())
    }

    fn within(&self, value: &mut Value, depth: usize) -> Result<(), EditError> {
        if depth == self.steps.len() {
            return self.replace_value(value);
        }
        match value {
            Value::InlineTable(table) => self.inline_table(table, depth),
            Value::Array(array) => self.array(array, depth),
            _ => Err(self.no_place()),
        }
    }

    fn inline_table(&self, table: &mut InlineTable, depth: usize) -> Result<(), EditError> {
        let count = table.len();
        self.table(table, depth, Style::Inline)?;
        if table.len() > count && count > 0 {
            // The space before the brace belonged to the value that was last.
            let mut values: Vec<_> = table.iter_mut().map(|(_, value)| value).collect();
            if let [.., before, new] = values.as_mut_slice() {
                let space = before.decor().suffix().cloned().unwrap_or_default();
                before.decor_mut().set_suffix("");
                new.decor_mut().set_suffix(space);
            }
        }
        Ok(())
    }

    fn array(&self, array: &mut Array, depth: usize) -> Result<(), EditError> {
        let Step::Item(index) = self.steps[depth] else { return Err(self.no_place()) };
        if let Some(value) = array.get_mut(index) {
            return self.within(value, depth + 1);
        }
        if index != array.len() {
            return Err(self.no_place());
        }
        let json = wrapped(&self.steps[depth + 1..], self.value);
        let mut new = self.inline(&json.ok_or_else(|| self.no_place())?)?;
        let prefix = array.iter().last().map(|last| indentation(last.decor().prefix()));
        new.decor_mut().set_prefix(prefix.unwrap_or_default());
        array.push_formatted(new);
        Ok(())
    }

    /// A value as it stands under a header: objects get one of their own.
    fn block(&self, json: &Json) -> Result<Item, EditError> {
        match json {
            Json::Object(object) => {
                let mut table = Table::new();
                // A table that only holds tables needs no header.
                table.set_implicit(!object.is_empty() && object.values().all(Json::is_object));
                for (key, value) in object {
                    table.insert(key, self.block(value)?);
                }
                Ok(Item::Table(table))
            }
            Json::Array(items) if !items.is_empty() && items.iter().all(Json::is_object) => {
                let mut tables = ArrayOfTables::new();
                for item in items {
                    if let Item::Table(table) = self.block(item)? {
                        tables.push(table);
                    }
                }
                Ok(Item::ArrayOfTables(tables))
            }
            other => self.inline(other).map(Item::Value),
        }
    }

    fn inline(&self, json: &Json) -> Result<Value, EditError> {
        match json {
            Json::Null => Err(EditError::NotToml(shown(self.steps))),
            Json::Bool(value) => Ok((*value).into()),
            Json::Number(number) => number
                .as_i64()
                .map(Value::from)
                .or_else(|| number.as_f64().filter(|_| number.is_f64()).map(Value::from))
                .ok_or_else(|| EditError::NotToml(shown(self.steps))),
            Json::String(text) => Ok(text.as_str().into()),
            Json::Array(items) => {
                let items: Result<Array, _> = items.iter().map(|item| self.inline(item)).collect();
                Ok(Value::Array(items?))
            }
            Json::Object(object) => {
                let mut table = InlineTable::new();
                for (key, value) in object {
                    table.insert(key, self.inline(value)?);
                }
                Ok(Value::InlineTable(table))
            }
        }
    }
}

// Where the next item goes: on a line of its own when the last one has one.
fn indentation(prefix: Option<&RawString>) -> String {
    let prefix = prefix.and_then(RawString::as_str).unwrap_or_default();
    match prefix.rfind('\n') {
        Some(at) => prefix[at..].to_owned(),
        None => " ".to_owned(),
    }
}
