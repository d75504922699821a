use super::{
    check::{self, Facts},
    problem::{CopyError, CopyProblem, CopyProblemKind},
    rule::{MaskRule, Masks, TableMask},
};
use crate::{
    backup::{
        held::held,
        layout::{Key, Layout, Table},
        virtuals::{self, Carry},
    },
    database::Database,
    migrations::SUMS,
};
use std::collections::BTreeMap;

/// Which rows are copied.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CopyOptions {
    /// The tables; all when it is empty.
    pub tables: Vec<String>,
    /// The tables that record migrations, beside Clodo's own.
    pub records: Vec<String>,
    /// Each column that is copied has to be named by a rule.
    pub every_column: bool,
}

impl CopyOptions {
    /// Names the tables.
    #[must_use]
    pub fn with_tables(mut self, tables: impl IntoIterator<Item = String>) -> Self {
        self.tables.extend(tables);
        self
    }

    /// Names a table that records migrations.
    #[must_use]
    pub fn with_records(mut self, table: impl Into<String>) -> Self {
        self.records.push(table.into());
        self
    }

    /// Refuses columns without a rule.
    #[must_use]
    pub fn with_every_column(mut self, every: bool) -> Self {
        self.every_column = every;
        self
    }
}

/// What [`copy`](super::copy) does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CopyPlan {
    /// The tables whose rows are copied, those that others refer to first.
    pub tables: Vec<PlannedTable>,
    /// The tables whose rows stay as the destination has them, with how many it has.
    pub kept: BTreeMap<String, u64>,
    ways: BTreeMap<String, Way>,
}

/// A table whose rows are copied.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlannedTable {
    /// Its name.
    pub name: String,
    /// How many rows the source has.
    pub rows: u64,
    /// How many the destination has, which go.
    pub goes: u64,
    /// None of the source's rows is copied.
    pub dropped: bool,
    /// What becomes of its columns.
    pub columns: Vec<PlannedColumn>,
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlannedColumn {
    /// Its name.
    pub name: String,
    /// Its rule.
    pub rule: MaskRule,
    /// The column that it refers to, whose rule it follows.
    pub follows: Option<(String, String)>,
}

/// Where the content of a table comes from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::backup) enum Way {
    /// The destination.
    Kept,
    /// Nowhere.
    Empty,
    /// The source, by these rules of its columns.
    Rows(Vec<MaskRule>),
    /// The source says which rows of another table it indexes.
    Index,
    /// It indexes all that another table holds.
    Rebuilt,
}

impl CopyPlan {
    /// Whether a rule needs a key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.rules().any(MaskRule::is_keyed)
    }

    /// How many rows of the destination go.
    #[must_use]
    pub fn goes(&self) -> u64 {
        self.tables.iter().map(|table| table.goes).sum()
    }

    fn rules(&self) -> impl Iterator<Item = &MaskRule> {
        let copied = self.tables.iter().filter(|table| !table.dropped);
        copied.flat_map(|table| &table.columns).map(|column| &column.rule)
    }

    /// A table that came since is left as it is.
    pub(in crate::backup) fn way(&self, table: &str) -> &Way {
        self.ways.get(&table.to_ascii_lowercase()).unwrap_or(&Way::Kept)
    }
}

/// Works out what is copied; nothing is written. Without a destination it is for a database that is not
/// there yet.
///
/// # Errors
/// When a database cannot be read, or what is asked for does not fit the source.
pub async fn plan_copy(
    source: &dyn Database,
    destination: Option<&dyn Database>,
    masks: &Masks,
    options: &CopyOptions,
) -> Result<CopyPlan, CopyError> {
    let layout = Layout::read(source).await?;
    if layout.is_empty() {
        return Err(CopyError::Nothing);
    }
    let mut plan = Planning { masks, options, problems: Vec::new(), plain: BTreeMap::new() };
    plan.names(&layout);
    for table in &layout.tables {
        plan.table(table);
    }
    let mut derived = Vec::new();
    for table in &layout.virtuals {
        match virtuals::carry(source, &layout, table).await? {
            Carry::Rows => plan.table(table),
            carry => derived.push((table, carry)),
        }
    }
    let facts = Facts::read(source).await?;
    let follows = check::references(&mut plan.plain, &facts, &mut plan.problems);
    plan.columns(&facts);
    let derived: Vec<(String, Way)> = derived
        .into_iter()
        .map(|(table, carry)| (table.name.clone(), plan.derived(&layout, table, &carry)))
        .collect();
    if !plan.problems.is_empty() {
        return Err(CopyError::Problems(plan.problems));
    }
    let rows = held(source).await?.rows;
    let there = match destination {
        Some(destination) => held(destination).await?.rows,
        None => BTreeMap::new(),
    };
    let counts = Counts { rows, there, fresh: destination.is_none() };
    Ok(counts.finish(plan, follows, derived))
}

/// What becomes of a table, before it is known whether that is possible.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plain {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) fate: Fate,
    /// One for each column; none where nobody said anything.
    pub(super) rules: Vec<Option<MaskRule>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Copied,
    Dropped,
    /// It was not asked for.
    Left,
    Records,
}

struct Planning<'a> {
    masks: &'a Masks,
    options: &'a CopyOptions,
    problems: Vec<CopyProblem>,
    /// By name, in lower case.
    plain: BTreeMap<String, Plain>,
}

impl Planning<'_> {
    fn is_records(&self, table: &str) -> bool {
        let mut records = self.options.records.iter().map(String::as_str).chain([SUMS]);
        records.any(|name| name.eq_ignore_ascii_case(table))
    }

    fn problem(
        &mut self,
        kind: CopyProblemKind,
        table: &str,
        column: Option<&str>,
        known: &[String],
    ) {
        self.problems.push(CopyProblem {
            kind,
            table: table.to_owned(),
            column: column.map(str::to_owned),
            known: known.to_vec(),
        });
    }

    /// Every table that somebody named has to be there.
    fn names(&mut self, layout: &Layout) {
        let own = |table: &&Table| !self.is_records(&table.name);
        let all = layout.tables.iter().chain(&layout.virtuals);
        let known: Vec<String> = all.filter(own).map(|table| table.name.clone()).collect();
        let given: Vec<String> = self.options.tables.clone();
        let ruled: Vec<String> = self.masks.all().map(|(name, _)| name.to_owned()).collect();
        for name in given.iter().chain(&ruled) {
            let kind = match known.iter().any(|one| one.eq_ignore_ascii_case(name)) {
                true => continue,
                false if self.is_records(name) => CopyProblemKind::Records,
                false => CopyProblemKind::UnknownTable,
            };
            self.problem(kind, name, None, &known);
        }
    }

    fn is_chosen(&self, table: &str) -> bool {
        let chosen = &self.options.tables;
        chosen.is_empty() || chosen.iter().any(|name| name.eq_ignore_ascii_case(table))
    }

    fn table(&mut self, table: &Table) {
        let mask = self.masks.of(&table.name);
        let fate = match mask {
            _ if self.is_records(&table.name) => Fate::Records,
            _ if !self.is_chosen(&table.name) => Fate::Left,
            Some(TableMask::DropRows) => Fate::Dropped,
            _ => Fate::Copied,
        };
        let rule = |column: &String| mask.and_then(|mask| mask.rule(column)).cloned();
        let plain = Plain {
            name: table.name.clone(),
            columns: table.columns.clone(),
            fate,
            rules: table.columns.iter().map(rule).collect(),
        };
        self.plain.insert(table.name.to_ascii_lowercase(), plain);
    }

    /// Every column that somebody named has to be there, and perhaps every column has to be named.
    fn columns(&mut self, facts: &Facts) {
        for (name, mask) in self.masks.all() {
            let (Some(plain), TableMask::Columns(rules)) =
                (self.plain.get(&name.to_ascii_lowercase()), mask)
            else {
                continue;
            };
            let known = plain.columns.clone();
            for column in rules.keys() {
                let kind = match known.iter().any(|one| one.eq_ignore_ascii_case(column)) {
                    true => continue,
                    false if facts.is_generated(name, column) => CopyProblemKind::Generated,
                    false => CopyProblemKind::UnknownColumn,
                };
                self.problem(kind, name, Some(column), &known);
            }
        }
        if !self.options.every_column {
            return;
        }
        let copied = self.plain.values().filter(|table| table.fate == Fate::Copied);
        let unnamed: Vec<(String, String)> = copied
            .flat_map(|table| {
                let columns = table.columns.iter().zip(&table.rules);
                let unnamed = columns.filter(|(_, rule)| rule.is_none());
                unnamed.map(|(column, _)| (table.name.clone(), column.clone()))
            })
            .collect();
        for (table, column) in unnamed {
            self.problem(CopyProblemKind::NoRule, &table, Some(&column), &[]);
        }
    }

    /// A table that follows another one, or keeps words only.
    fn derived(&mut self, layout: &Layout, table: &Table, carry: &Carry) -> Way {
        let mask = self.masks.of(&table.name);
        let fate = |name: &str| self.plain.get(&name.to_ascii_lowercase()).map(|plain| plain.fate);
        let way = match carry {
            // It shows what is there.
            Carry::Nothing | Carry::Rows => Way::Rows(Vec::new()),
            Carry::Index { content, .. } => match fate(content) {
                Some(Fate::Copied) if self.keeps_numbers(layout, content) => Way::Index,
                Some(Fate::Left) => Way::Kept,
                Some(Fate::Dropped) => Way::Empty,
                // Of a view nobody knows which tables it shows.
                _ => Way::Rebuilt,
            },
            Carry::Shadows(_) => match (mask, self.is_chosen(&table.name)) {
                (_, false) => Way::Kept,
                (Some(TableMask::DropRows), _) => Way::Empty,
                _ if self.options.every_column || !self.masks.is_empty() => {
                    self.problem(CopyProblemKind::Contentless, &table.name, None, &[]);
                    Way::Empty
                }
                _ => Way::Rows(Vec::new()),
            },
        };
        let is_ruled = matches!(mask, Some(TableMask::Columns(_)));
        if is_ruled || (mask.is_some() && !matches!(carry, Carry::Shadows(_))) {
            self.problem(CopyProblemKind::Derived, &table.name, None, &[]);
        }
        way
    }

    /// Whether the rows of a table have the numbers that they had.
    fn keeps_numbers(&self, layout: &Layout, table: &str) -> bool {
        let find = |one: &&Table| one.name.eq_ignore_ascii_case(table);
        let Some(Key::Alias(at)) = layout.tables.iter().find(find).map(|one| &one.key) else {
            return true;
        };
        let plain = self.plain.get(&table.to_ascii_lowercase());
        let rule = plain.and_then(|plain| plain.rules.get(*at)).and_then(Option::as_ref);
        matches!(rule, None | Some(MaskRule::Keep))
    }
}

/// How many rows there are.
struct Counts {
    rows: BTreeMap<String, u64>,
    there: BTreeMap<String, u64>,
    /// The destination is not there yet.
    fresh: bool,
}

impl Counts {
    fn finish(
        self,
        plan: Planning<'_>,
        follows: BTreeMap<(String, String), (String, String)>,
        derived: Vec<(String, Way)>,
    ) -> CopyPlan {
        let count = |of: &BTreeMap<String, u64>, name: &str| {
            let found = of.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
            found.map_or(0, |(_, rows)| *rows)
        };
        let (mut tables, mut ways) = (Vec::new(), BTreeMap::new());
        for (key, table) in plan.plain {
            let rules: Vec<MaskRule> =
                table.rules.iter().map(|rule| rule.clone().unwrap_or(MaskRule::Keep)).collect();
            let way = match table.fate {
                Fate::Copied => Way::Rows(rules.clone()),
                Fate::Dropped => Way::Empty,
                Fate::Records if self.fresh => Way::Rows(rules.clone()),
                Fate::Left if self.fresh => Way::Empty,
                Fate::Records | Fate::Left => Way::Kept,
            };
            if matches!(table.fate, Fate::Copied | Fate::Dropped) {
                let column = |(name, rule): (&String, MaskRule)| PlannedColumn {
                    follows: follows.get(&(key.clone(), name.to_ascii_lowercase())).cloned(),
                    name: name.clone(),
                    rule,
                };
                tables.push(PlannedTable {
                    rows: count(&self.rows, &table.name),
                    goes: count(&self.there, &table.name),
                    dropped: table.fate == Fate::Dropped,
                    columns: table.columns.iter().zip(rules).map(column).collect(),
                    name: table.name,
                });
            }
            ways.insert(key, way);
        }
        let derived: BTreeMap<String, Way> =
            derived.into_iter().map(|(name, way)| (name.to_ascii_lowercase(), way)).collect();
        ways.extend(derived.clone());
        let stays = |name: &str| {
            let own = name.to_ascii_lowercase();
            let is_derived = derived.contains_key(&own);
            !is_derived && *ways.get(&own).unwrap_or(&Way::Kept) == Way::Kept
        };
        let kept = self.there.iter().filter(|(name, _)| stays(name));
        let kept = kept.map(|(name, rows)| (name.clone(), *rows)).collect();
        CopyPlan { tables, kept, ways }
    }
}
