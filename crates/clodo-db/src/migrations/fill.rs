//! What an `INSERT … SELECT` puts where: which values of an old table a new one gets.

use super::meaning::plain;
use crate::split::without_marks;
use sqlite3_parser::{
    Bump, FallibleIterator as _,
    ast::{Cmd, Expr, InsertBody, Name, OneSelect, ResultColumn, Stmt},
    lexer::sql::Parser,
};
use std::collections::BTreeSet;

/// An `INSERT … SELECT`. All names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    /// The columns that it names, if it does.
    pub(super) columns: Option<Vec<String>>,
    pub(super) results: Vec<FillColumn>,
}

/// What stands between `SELECT` and `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FillColumn {
    /// `*`.
    All,
    /// A column as it is.
    Plain(String),
    /// What is worked out of these names.
    Of(BTreeSet<String>),
}

impl Fill {
    /// None for any other statement.
    pub(super) fn of(sql: &str) -> Option<Self> {
        let bump = Bump::new();
        let sql = without_marks(sql);
        let mut parser = Parser::new(&bump, sql.as_bytes());
        let Ok(Some(Cmd::Stmt(Stmt::Insert { columns, body, .. }))) = parser.next() else {
            return None;
        };
        let InsertBody::Select(select, _) = body else { return None };
        let OneSelect::Select { columns: results, .. } = &select.body.select else { return None };
        Some(Self {
            columns: columns.map(|columns| columns.iter().map(plain).collect()),
            results: results.iter().map(result).collect(),
        })
    }

    /// Where each value comes from, and the column that gets it: `old` and `new` are the columns of the
    /// tables.
    pub(super) fn pairs<'f>(
        &'f self,
        old: &'f [String],
        new: &'f [String],
    ) -> impl Iterator<Item = (FillColumn, &'f String)> {
        let sources = self.results.iter().flat_map(move |result| match result {
            FillColumn::All => old.iter().cloned().map(FillColumn::Plain).collect(),
            other => vec![other.clone()],
        });
        sources.zip(self.columns.as_deref().unwrap_or(new))
    }
}

impl FillColumn {
    /// Whether a value of a column is in it.
    pub(super) fn has(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Plain(name) => name == column,
            Self::Of(names) => names.contains(column),
        }
    }
}

fn result(column: &ResultColumn<'_>) -> FillColumn {
    match column {
        ResultColumn::Star | ResultColumn::TableStar(_) => FillColumn::All,
        ResultColumn::Expr(expr, _) => match named(expr) {
            Some(name) => FillColumn::Plain(name),
            None => {
                let mut names = BTreeSet::new();
                gather(expr, &mut names);
                FillColumn::Of(names)
            }
        },
    }
}

/// The column that an expression is, if it is nothing else.
fn named(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Id(id) => Some(plain(&Name(id.0))),
        Expr::Name(name) | Expr::Qualified(_, name) | Expr::DoublyQualified(_, _, name) => {
            Some(plain(name))
        }
        Expr::Parenthesized(inner) if inner.len() == 1 => named(inner.first()?),
        _ => None,
    }
}

/// The names of columns in an expression; what stands in a query within it is none of them.
fn gather(expr: &Expr<'_>, names: &mut BTreeSet<String>) {
    if let Some(name) = named(expr) {
        names.insert(name);
        return;
    }
    let mut all: Vec<&Expr<'_>> = Vec::new();
    match expr {
        Expr::Between { lhs, start, end, .. } => all.extend([*lhs, *start, *end]),
        Expr::Binary(left, _, right) => all.extend([*left, *right]),
        Expr::Case { base, when_then_pairs, else_expr } => {
            all.extend(base.iter().chain(else_expr));
            all.extend(when_then_pairs.iter().flat_map(|(when, then)| [when, then]));
        }
        Expr::Cast { expr, .. }
        | Expr::Collate(expr, _)
        | Expr::IsNull(expr)
        | Expr::NotNull(expr)
        | Expr::Unary(_, expr) => all.push(expr),
        Expr::FunctionCall { args, .. } => all.extend(args.iter().flat_map(|args| args.iter())),
        Expr::InList { lhs, rhs, .. } => {
            all.push(lhs);
            all.extend(rhs.iter().flat_map(|list| list.iter()));
        }
        Expr::InSelect { lhs, .. } | Expr::InTable { lhs, .. } => all.push(lhs),
        Expr::Like { lhs, rhs, .. } => all.extend([*lhs, *rhs]),
        Expr::Parenthesized(inner) => all.extend(inner.iter()),
        _ => {}
    }
    for one in all {
        gather(one, names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(sql: &str, old: &[&str], new: &[&str]) -> Vec<String> {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (old, new) = (owned(old), owned(new));
        let fill = Fill::of(sql).unwrap();
        let shown = |(source, target): (FillColumn, &String)| match source {
            FillColumn::Plain(name) => format!("{target}={name}"),
            FillColumn::Of(names) => format!("{target}={names:?}"),
            FillColumn::All => unreachable!("it is expanded"),
        };
        fill.pairs(&old, &new).map(shown).collect()
    }

    #[test]
    fn values_go_where_the_statement_says() {
        let (old, new) = (["id", "title", "price"], ["id", "cents", "title"]);
        let all = |sql: &str| carried(sql, &old, &new).join(" ");
        assert_eq!(all("INSERT INTO n SELECT id, price*100 FROM p"), "id=id cents={\"price\"}");
        assert_eq!(all("INSERT INTO n SELECT * FROM p"), "id=id cents=title title=price");
        assert_eq!(
            all("INSERT INTO n (title, \"ID\") SELECT t.\"Title\", (t.id) FROM p t"),
            "title=title id=id"
        );
        assert_eq!(all("INSERT INTO n (id) SELECT NULL AS id FROM p ORDER BY id"), "id={}");
        assert_eq!(
            all(
                "INSERT INTO n (id, title) SELECT id, coalesce(title, CASE price WHEN 1 THEN 'x' END) FROM p"
            ),
            "id=id title={\"price\", \"title\"}"
        );
        assert_eq!(all("INSERT INTO n (id) SELECT count(*) FROM p"), "id={}");
        assert_eq!(Fill::of("INSERT INTO n VALUES (1)"), None);
    }
}
