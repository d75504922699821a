use crate::judged::{Count, Tally};
use clodo_schema_fixture::Kind;
use std::fmt;

/// The ways beside each other.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<(&'static str, Tally)>);

impl Report {
    pub(crate) fn add(&mut self, way: &'static str, tally: Tally) {
        self.0.push((way, tally));
    }

    pub(crate) fn assert_clodo_loses_nothing(&self) {
        for (_, tally) in self.0.iter().filter(|(way, _)| way.starts_with("Clodo")) {
            tally.assert_nothing_is_lost();
        }
    }
}

/// As Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways: Vec<&str> = self.0.iter().map(|(way, _)| *way).collect();
        writeln!(f, "| migration | {} |", ways.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(ways.len()))?;
        for kind in Kind::ALL {
            let count = |(_, tally): &(_, Tally)| match tally.counts.get(&kind) {
                Some(count) => count.to_string(),
                None => Count::default().to_string(),
            };
            let counts: Vec<String> = self.0.iter().map(count).collect();
            writeln!(f, "| {kind} | {} |", counts.join(" | "))?;
        }
        let total = |(_, tally): &(_, Tally)| {
            let lost: usize = tally.counts.values().map(|count| count.lost).sum();
            match lost {
                0 => format!("{} cases: no row lost", tally.cases()),
                _ => format!("{} cases: {} rows lost in {lost}", tally.cases(), tally.rows()),
            }
        };
        let totals: Vec<String> = self.0.iter().map(total).collect();
        writeln!(f, "| all | {} |", totals.join(" | "))
    }
}
