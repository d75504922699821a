use crate::{
    WorkerConfig,
    diagnostics::{Diagnostics, Level},
    reading::File,
    source::Source,
    syntax::{self, Parsed},
    typed,
};
use clodo_types::{Finding, Severity, SourceError};
use std::{fmt, path::Path};

/// A wrangler config, parsed but not yet read for one environment.
#[derive(Debug)]
pub struct Document {
    source: Source,
    shown_path: String,
    root: crate::node::Record,
    repeated: Vec<usize>,
}

/// Parses a wrangler config; the file's name decides between TOML and JSONC.
///
/// # Errors
/// When the file is no UTF-8, larger than 1 MiB, empty where JSON is expected, or breaks the
/// language's grammar.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Document, SourceError> {
    let source = Source::decode(path, bytes)?;
    let Parsed { root, repeated } = syntax::parse(&source)?;
    Ok(Document { shown_path: path.display().to_string(), source, root, repeated })
}

impl Document {
    /// The names under `env`, in the file's order.
    #[must_use]
    pub fn environments(&self) -> Vec<String> {
        self.file().environments()
    }

    /// The Worker's effective config in one environment; `None` and `""` are the top level.
    ///
    /// # Errors
    /// With everything that wrangler refuses, and with names and ids that Cloudflare would refuse.
    pub fn worker(&self, environment: Option<&str>) -> Result<Reading, ConfigErrors> {
        let effective = self.file().read(environment);
        let refused = |errors, diagnostics: &Diagnostics| ConfigErrors {
            errors,
            wrangler: said(diagnostics, Level::Error),
        };
        if effective.diagnostics.has(Level::Error) {
            let errors = effective.diagnostics.errors(&self.source);
            return Err(refused(errors, &effective.diagnostics));
        }
        let mut reader = typed::Reader::new(&self.source);
        let config = typed::worker(&mut reader, &effective, &self.root, environment);
        let (errors, notes) = reader.finish();
        if !errors.is_empty() {
            return Err(refused(errors, &effective.diagnostics));
        }
        let mut warnings = effective.diagnostics.warnings(&self.source);
        warnings.extend(self.repetitions());
        warnings.extend(notes);
        let wrangler = said(&effective.diagnostics, Level::Warning);
        Ok(Reading { config, warnings, wrangler })
    }

    fn file(&self) -> File<'_> {
        let name = self.source.path().file_name().and_then(|name| name.to_str());
        let name = match name {
            Some(name) if name.ends_with(".toml") => "wrangler.toml",
            Some(name) if name.ends_with(".jsonc") => "wrangler.jsonc",
            _ => "wrangler.json",
        };
        File { root: &self.root, shown_path: &self.shown_path, name }
    }

    fn repetitions(&self) -> impl Iterator<Item = Finding> {
        self.repeated.iter().map(|at| Finding {
            rule: "duplicate-key".to_owned(),
            severity: Severity::Note,
            at: Some(self.source.location(*at)),
            message: "this key stands here twice, and wrangler takes the last one".to_owned(),
            hint: Some("remove one of the two".to_owned()),
        })
    }
}

fn said(diagnostics: &Diagnostics, level: Level) -> Option<String> {
    diagnostics.has(level).then(|| diagnostics.render(level))
}

/// What a config says for one environment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// The effective config.
    pub config: WorkerConfig,
    /// wrangler's warnings where they arise, and what Clodo does not support.
    pub warnings: Vec<Finding>,
    /// wrangler's warnings word for word as it prints them, when it has any.
    pub wrangler: Option<String>,
}

/// Why a config cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<SourceError>,
    wrangler: Option<String>,
}

impl ConfigErrors {
    /// Each error, with its place; there is at least one.
    #[must_use]
    pub fn errors(&self) -> &[SourceError] {
        &self.errors
    }

    /// wrangler's errors word for word as it prints them; `None` when wrangler would accept the
    /// file and only a name or an id is wrong.
    #[must_use]
    pub fn wrangler(&self) -> Option<&str> {
        self.wrangler.as_deref()
    }
}

impl fmt::Display for ConfigErrors {
    /// All errors with their lines, one after the other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
