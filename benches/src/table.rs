use std::fmt;

/// What was measured: a bar, a figure, and whether it was met.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

#[derive(Debug)]
struct Row {
    what: String,
    bar: String,
    measured: String,
    met: Option<bool>,
}

impl Table {
    /// Adds a row that was measured.
    pub(crate) fn row(&mut self, what: &str, bar: &str, measured: String, met: bool) {
        self.push(Row { what: what.into(), bar: bar.into(), measured, met: Some(met) });
    }

    /// Adds a figure that has no bar.
    pub(crate) fn shown(&mut self, what: &str, measured: String) {
        self.push(Row { what: what.into(), bar: "-".into(), measured, met: None });
    }

    /// Adds a row that could not be measured, and says why.
    pub(crate) fn skipped(&mut self, what: &str, bar: &str, why: &str) {
        let measured = format!("not measured: {why}");
        self.push(Row { what: what.into(), bar: bar.into(), measured, met: None });
    }

    /// Whoever waits sees each figure as soon as it is there.
    fn push(&mut self, row: Row) {
        eprintln!("{}: {}", row.what, row.measured);
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | bar | measured | met |\n|---|---|---|---|")?;
        for row in &self.0 {
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            };
            writeln!(f, "| {} | {} | {} | {met} |", row.what, row.bar, row.measured)?;
        }
        Ok(())
    }
}
