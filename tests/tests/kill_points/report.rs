//! The table of a run.

use crate::{
    killer::{Call, Point, When},
    scenario::Survived,
};
use std::collections::BTreeMap;

/// What happened at the points of one kind.
#[derive(Default)]
struct Line {
    points: usize,
    failed: usize,
    lost: usize,
    repeated: usize,
    unreferenced: usize,
}

/// One line for each kind of point of each scenario.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<(&'static str, &'static str, When), Line>);

impl Table {
    /// Adds a point, and what came of it if all was well.
    pub(crate) fn add(&mut self, work: &'static str, point: &Point, outcome: Option<&Survived>) {
        let line = self.0.entry((work, kind(point), point.when)).or_default();
        line.points += 1;
        let Some(survived) = outcome else {
            line.failed += 1;
            return;
        };
        line.lost += survived.lost;
        line.repeated += survived.repeated;
        line.unreferenced = line.unreferenced.max(survived.unreferenced);
    }
}

fn kind(point: &Point) -> &'static str {
    match &point.call {
        Call::Api(method, _) if *method == http::Method::GET => "API read",
        Call::Api(..) => "API write",
        Call::Journal(..) => "journal",
        Call::Lease(_) => "lease",
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "| work | killed | points | same end | answers lost | writes sent again | most versions without use |"
        )?;
        writeln!(f, "|---|---|---:|---:|---:|---:|---:|")?;
        for ((work, kind, when), line) in &self.0 {
            let when = if *when == When::Before { "before" } else { "after" };
            let same = line.points - line.failed;
            let Line { points, lost, repeated, unreferenced, .. } = line;
            writeln!(
                f,
                "| {work} | {when} {kind} | {points} | {same} | {lost} | {repeated} | {unreferenced} |"
            )?;
        }
        Ok(())
    }
}
