//! From a GraphQL document to what is to be read and shown; nothing is read here.

use super::{
    GraphError,
    filter::{self, Filter},
    schema::{Dimension, Group, NODES, Node, Source},
};
use graphql_parser::query::{
    Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition, Selection,
    SelectionSet, Value as Literal,
};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Fields of one query, fragments included: more would only be there to do harm.
const MAX_FIELDS: usize = 2_000;
/// Fragments within fragments.
const MAX_DEPTH: usize = 24;
/// Cloudflare's limit of rows per node, and ours where a query names none.
const MAX_ROWS: usize = 10_000;

type Parsed = Field<'static, String>;

/// A response key and what stands there.
pub(super) type Keyed<T> = (String, T);

#[derive(Debug)]
pub(super) enum Root {
    Viewer(Vec<Keyed<Viewer>>),
    TypeName,
}

#[derive(Debug)]
pub(super) enum Viewer {
    Accounts(Accounts),
    TypeName,
}

#[derive(Debug)]
pub(super) struct Accounts {
    /// Only these; `None` = all that the token may use.
    pub(super) tags: Option<Vec<String>>,
    pub(super) fields: Vec<Keyed<AccountField>>,
}

#[derive(Debug)]
pub(super) enum AccountField {
    Tag,
    TypeName,
    Rows(Rows),
}

#[derive(Debug)]
pub(super) struct Rows {
    pub(super) node: &'static Node,
    pub(super) filter: Filter,
    pub(super) order: Vec<(Order, bool)>,
    pub(super) limit: usize,
    pub(super) fields: Vec<Keyed<RowField>>,
}

#[derive(Debug)]
pub(super) enum RowField {
    Group(Group, Vec<Keyed<(Source, f64)>>),
    Dimensions(Vec<Keyed<Dimension>>),
    Count,
    TypeName,
}

/// What rows are ordered by; true beside it = the largest first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    Dimension(Dimension),
    Value(Group, Source, f64),
    Count,
}

/// Reads a document.
pub(super) fn plan(
    document: &Document<'static, String>,
    operation: Option<&str>,
    variables: &Map<String, Value>,
) -> Result<Vec<Keyed<Root>>, GraphError> {
    let mut planner =
        Planner { fragments: HashMap::new(), variables: variables.clone(), left: MAX_FIELDS };
    for definition in &document.definitions {
        if let Definition::Fragment(fragment) = definition {
            planner.fragments.insert(fragment.name.as_str(), fragment);
        }
    }
    let set = planner.operation(document, operation)?;
    planner.fields(set, &[], |planner, field| match field.name.as_str() {
        "viewer" => Ok(Root::Viewer(planner.viewer(field)?)),
        "__typename" => Ok(Root::TypeName),
        name => Err(unknown(name, &[])),
    })
}

struct Planner<'a> {
    fragments: HashMap<&'a str, &'a FragmentDefinition<'static, String>>,
    variables: Map<String, Value>,
    left: usize,
}

impl<'a> Planner<'a> {
    /// The operation that is asked for; its variables' defaults are put in.
    fn operation(
        &mut self,
        document: &'a Document<'static, String>,
        wanted: Option<&str>,
    ) -> Result<&'a SelectionSet<'static, String>, GraphError> {
        let mut found = None;
        for definition in &document.definitions {
            let Definition::Operation(operation) = definition else { continue };
            let (name, variables, set) = match operation {
                OperationDefinition::Query(query) => (
                    query.name.as_deref(),
                    query.variable_definitions.as_slice(),
                    &query.selection_set,
                ),
                OperationDefinition::SelectionSet(set) => (None, [].as_slice(), set),
                OperationDefinition::Mutation(_) | OperationDefinition::Subscription(_) => {
                    return Err(GraphError::new("only queries are supported"));
                }
            };
            if wanted.is_some_and(|wanted| name != Some(wanted)) {
                continue;
            }
            if found.is_some() {
                return Err(GraphError::new(
                    "must provide operation name if query contains multiple operations",
                ));
            }
            found = Some((variables, set));
        }
        let Some((variables, set)) = found else {
            return Err(GraphError::new(match wanted {
                Some(wanted) => format!("unknown operation named \"{wanted}\""),
                None => "must provide an operation".to_owned(),
            }));
        };
        for variable in variables {
            if let Some(default) = &variable.default_value
                && !self.variables.contains_key(&variable.name)
            {
                let default = self.value(default, 0)?;
                self.variables.insert(variable.name.clone(), default);
            }
        }
        Ok(set)
    }

    fn viewer(&mut self, field: &'a Parsed) -> Result<Vec<Keyed<Viewer>>, GraphError> {
        self.arguments(field, &[], &["viewer"])?;
        let path = ["viewer"];
        self.fields(&field.selection_set, &path, |planner, field| match field.name.as_str() {
            "accounts" => Ok(Viewer::Accounts(planner.accounts(field)?)),
            "__typename" => Ok(Viewer::TypeName),
            name => Err(unknown(name, &path)),
        })
    }

    fn accounts(&mut self, field: &'a Parsed) -> Result<Accounts, GraphError> {
        let path = ["viewer", "accounts"];
        let arguments = self.arguments(field, &["filter", "limit"], &path)?;
        let tags = tags(arguments.get("filter").unwrap_or(&Value::Null))?;
        let fields =
            self.fields(&field.selection_set, &path, |planner, field| match field.name.as_str() {
                "accountTag" => Ok(AccountField::Tag),
                "__typename" => Ok(AccountField::TypeName),
                name => match NODES.iter().find(|node| node.name == name) {
                    Some(node) => planner.rows(node, field).map(AccountField::Rows),
                    None => Err(unknown(name, &path)),
                },
            })?;
        Ok(Accounts { tags, fields })
    }

    fn rows(&mut self, node: &'static Node, field: &'a Parsed) -> Result<Rows, GraphError> {
        let path = ["viewer", "accounts", node.name];
        let arguments = self.arguments(field, &["filter", "limit", "orderBy"], &path)?;
        let filter = filter::read(node, arguments.get("filter").unwrap_or(&Value::Null))
            .map_err(|error| error.at(&path))?;
        let limit = limit(node, arguments.get("limit")).map_err(|error| error.at(&path))?;
        let order = order(node, arguments.get("orderBy")).map_err(|error| error.at(&path))?;
        let fields = self.fields(&field.selection_set, &path, |planner, field| {
            planner.row_field(node, field, &path)
        })?;
        Ok(Rows { node, filter, order, limit, fields })
    }

    fn row_field(
        &mut self,
        node: &'static Node,
        field: &'a Parsed,
        path: &[&str],
    ) -> Result<RowField, GraphError> {
        self.arguments(field, &[], path)?;
        let name = field.name.as_str();
        let below = [path, &[name]].concat();
        match (name, Group::named(name)) {
            ("count", _) => Ok(RowField::Count),
            ("__typename", _) => Ok(RowField::TypeName),
            ("dimensions", _) => {
                let fields = self.fields(&field.selection_set, &below, |_, field| {
                    node.dimension(&field.name).ok_or_else(|| unknown(&field.name, &below))
                });
                Ok(RowField::Dimensions(fields?))
            }
            (_, Some(group)) => {
                let fields = self.fields(&field.selection_set, &below, |_, field| {
                    node.field(group, &field.name).ok_or_else(|| unknown(&field.name, &below))
                });
                Ok(RowField::Group(group, fields?))
            }
            (name, None) => Err(unknown(name, path)),
        }
    }

    /// Every field of a set, fragments opened, with its response key.
    fn fields<T>(
        &mut self,
        set: &'a SelectionSet<'static, String>,
        path: &[&str],
        mut read: impl FnMut(&mut Self, &'a Parsed) -> Result<T, GraphError>,
    ) -> Result<Vec<Keyed<T>>, GraphError> {
        let mut flat = Vec::new();
        self.flatten(set, 0, &mut flat)?;
        if flat.is_empty() {
            let name = path.last().copied().unwrap_or("query");
            return Err(
                GraphError::new(format!("\"{name}\" must have a selection of subfields")).at(path)
            );
        }
        let mut fields = Vec::new();
        for field in flat {
            let key = field.alias.clone().unwrap_or_else(|| field.name.clone());
            fields.push((key, read(self, field)?));
        }
        Ok(fields)
    }

    fn flatten(
        &mut self,
        set: &'a SelectionSet<'static, String>,
        depth: usize,
        flat: &mut Vec<&'a Parsed>,
    ) -> Result<(), GraphError> {
        for selection in &set.items {
            self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| GraphError::new("the query is too large"))?;
            match selection {
                Selection::Field(field) => {
                    if self.included(&field.directives)? {
                        flat.push(field);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    if self.included(&fragment.directives)? {
                        self.flatten(&fragment.selection_set, depth + 1, flat)?;
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let fragment = self.fragments.get(name).copied();
                    let fragment = fragment
                        .ok_or_else(|| GraphError::new(format!("unknown fragment \"{name}\"")))?;
                    if depth >= MAX_DEPTH {
                        return Err(GraphError::new(format!(
                            "the fragment \"{name}\" holds itself"
                        )));
                    }
                    if self.included(&spread.directives)? {
                        self.flatten(&fragment.selection_set, depth + 1, flat)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn included(&self, directives: &[Directive<'static, String>]) -> Result<bool, GraphError> {
        for directive in directives {
            let condition = directive.arguments.iter().find(|(name, _)| name == "if");
            let condition = condition.map(|(_, value)| self.value(value, 0)).transpose()?;
            let condition = condition.and_then(|value| value.as_bool());
            match (directive.name.as_str(), condition) {
                ("include", Some(yes)) if !yes => return Ok(false),
                ("skip", Some(yes)) if yes => return Ok(false),
                ("include" | "skip", Some(_)) => {}
                (name, _) => return Err(GraphError::new(format!("unknown directive \"@{name}\""))),
            }
        }
        Ok(true)
    }

    fn arguments(
        &self,
        field: &Parsed,
        known: &[&str],
        path: &[&str],
    ) -> Result<Map<String, Value>, GraphError> {
        let mut arguments = Map::new();
        for (name, value) in &field.arguments {
            if !known.contains(&name.as_str()) {
                let why = format!("unknown arg \"{name}\" for field \"{}\"", field.name);
                return Err(GraphError::new(why).at(path));
            }
            arguments.insert(name.clone(), self.value(value, 0)?);
        }
        Ok(arguments)
    }

    /// A literal as JSON, with variables put in; one that was not given is null.
    fn value(&self, literal: &Literal<'static, String>, depth: usize) -> Result<Value, GraphError> {
        if depth > MAX_DEPTH {
            return Err(GraphError::new("a value is nested too deeply"));
        }
        Ok(match literal {
            Literal::Variable(name) => self.variables.get(name).cloned().unwrap_or(Value::Null),
            Literal::Int(number) => number.as_i64().into(),
            Literal::Float(number) => (*number).into(),
            Literal::String(text) | Literal::Enum(text) => text.as_str().into(),
            Literal::Boolean(yes) => (*yes).into(),
            Literal::Null => Value::Null,
            Literal::List(list) => Value::Array(
                list.iter().map(|one| self.value(one, depth + 1)).collect::<Result<_, _>>()?,
            ),
            Literal::Object(fields) => {
                let field =
                    |(name, value): (&String, _)| Ok((name.clone(), self.value(value, depth + 1)?));
                Value::Object(fields.iter().map(field).collect::<Result<_, GraphError>>()?)
            }
        })
    }
}

fn tags(filter: &Value) -> Result<Option<Vec<String>>, GraphError> {
    let wrong = || {
        GraphError::new("error parsing args for \"accounts\": cannot parse the filter")
            .at(&["viewer", "accounts"])
    };
    let Some(fields) = filter.as_object() else {
        return if filter.is_null() { Ok(None) } else { Err(wrong()) };
    };
    let mut tags: Option<Vec<String>> = None;
    for (name, value) in fields {
        let wanted = match (name.as_str(), value) {
            ("accountTag", Value::String(tag)) => vec![tag.clone()],
            ("accountTag_in", Value::Array(list)) => {
                let texts = list.iter().map(|tag| tag.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        };
        tags = Some(match tags {
            Some(known) => known.into_iter().filter(|tag| wanted.contains(tag)).collect(),
            None => wanted,
        });
    }
    Ok(tags)
}

fn limit(node: &Node, wire: Option<&Value>) -> Result<usize, GraphError> {
    match wire {
        None | Some(Value::Null) => Ok(MAX_ROWS),
        Some(value) => {
            let limit = value.as_u64().and_then(|limit| usize::try_from(limit).ok());
            limit.filter(|limit| (1..=MAX_ROWS).contains(limit)).ok_or_else(|| {
                GraphError::new(format!(
                    "error parsing args for \"{}\": limit must be positive number and not greater than {MAX_ROWS}",
                    node.name
                ))
            })
        }
    }
}

fn order(node: &Node, wire: Option<&Value>) -> Result<Vec<(Order, bool)>, GraphError> {
    let list = match wire {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let wrong = |value: &Value| {
        let name = node.name;
        GraphError::new(format!("error parsing args for \"{name}\": unknown order {value}"))
    };
    list.iter().map(|value| by(node, value).ok_or_else(|| wrong(value))).collect()
}

/// `sum_requests_DESC`, `datetimeHour_ASC`, `count_DESC`.
fn by(node: &Node, value: &Value) -> Option<(Order, bool)> {
    let text = value.as_str()?;
    let (name, descending) = match text.strip_suffix("_DESC") {
        Some(name) => (name, true),
        None => (text.strip_suffix("_ASC")?, false),
    };
    if name == "count" {
        return Some((Order::Count, descending));
    }
    if let Some(dimension) = node.dimension(name) {
        return Some((Order::Dimension(dimension), descending));
    }
    let (group, name) = name.split_once('_')?;
    let group = Group::named(group)?;
    let (source, quantile) = node.field(group, name)?;
    Some((Order::Value(group, source, quantile), descending))
}

fn unknown(name: &str, path: &[&str]) -> GraphError {
    GraphError::new(format!("unknown field \"{name}\"")).at(path)
}
