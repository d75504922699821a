use super::{EditError, Step, shown, wrapped};
use crate::{source::Source, syntax::JSONC};
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value as Json;

pub(super) fn set(source: &Source, steps: &[Step<'_>], value: &Json) -> Result<String, EditError> {
    let root = CstRootNode::parse(source.text(), &JSONC)
        .map_err(|error| EditError::Unreadable(source.error(0, error.to_string())))?;
    let edit = Edit { steps, value };
    let node = root.value().ok_or_else(|| edit.no_place())?;
    edit.within(&node, 0)?;
    Ok(root.to_string())
}

struct Edit<'a> {
    steps: &'a [Step<'a>],
    value: &'a Json,
}

impl Edit<'_> {
    fn no_place(&self) -> EditError {
        EditError::NoPlace(shown(self.steps))
    }

    fn within(&self, node: &CstNode, depth: usize) -> Result<(), EditError> {
        match self.steps.get(depth) {
            Some(Step::Key(key)) => {
                let object = node.as_object().ok_or_else(|| self.no_place())?;
                self.property(&object, key, depth)
            }
            Some(Step::Item(index)) => {
                let array = node.as_array().ok_or_else(|| self.no_place())?;
                self.element(&array, *index, depth)
            }
            None => Err(self.no_place()),
        }
    }

    fn property(&self, object: &CstObject, key: &str, depth: usize) -> Result<(), EditError> {
        // Of two properties with one name the last counts.
        let mut properties = object.properties().into_iter().rev();
        let found = properties.find(|property| property.decoded_name().as_deref() == Some(key));
        let last = depth + 1 == self.steps.len();
        match found {
            Some(property) if last => property.set_value(input(self.value)),
            Some(property) => {
                let node = property.value().ok_or_else(|| self.no_place())?;
                return self.within(&node, depth + 1);
            }
            None => {
                object.append(key, input(&self.rest(depth + 1)?));
            }
        }
        Ok(())
    }

    fn element(&self, array: &CstArray, index: usize, depth: usize) -> Result<(), EditError> {
        let elements = array.elements();
        let last = depth + 1 == self.steps.len();
        match elements.get(index) {
            Some(node) if last => {
                replace(node, input(self.value));
                Ok(())
            }
            Some(node) => self.within(node, depth + 1),
            None if index == elements.len() => {
                array.append(input(&self.rest(depth + 1)?));
                Ok(())
            }
            None => Err(self.no_place()),
        }
    }

    fn rest(&self, depth: usize) -> Result<Json, EditError> {
        wrapped(&self.steps[depth..], self.value).ok_or_else(|| self.no_place())
    }
}

fn replace(node: &CstNode, new: CstInputValue) {
    if let Some(old) = node.as_object() {
        old.replace_with(new);
    } else if let Some(old) = node.as_array() {
        old.replace_with(new);
    } else if let Some(old) = node.as_string_lit() {
        old.replace_with(new);
    } else if let Some(old) = node.as_number_lit() {
        old.replace_with(new);
    } else if let Some(old) = node.as_boolean_lit() {
        old.replace_with(new);
    } else if let Some(old) = node.as_null_keyword() {
        old.replace_with(new);
    }
}

fn input(json: &Json) -> CstInputValue {
    match json {
        Json::Null => CstInputValue::Null,
        Json::Bool(value) => CstInputValue::Bool(*value),
        Json::Number(number) => CstInputValue::Number(number.to_string()),
        Json::String(text) => CstInputValue::String(text.clone()),
        Json::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Json::Object(object) => CstInputValue::Object(
            object.iter().map(|(key, value)| (key.clone(), input(value))).collect(),
        ),
    }
}
