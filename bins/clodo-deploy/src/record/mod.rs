//! Deployments of the history, as people and programs read them.

mod csv;
mod html;
mod junit;
mod past;
mod text;

pub(crate) use past::{PastDeployment, RecordDocument, state_word, untested};

use crate::args::RecordFormat;
use clodo_orchestrator::DeploymentRecord;

/// A record in one of its forms.
pub(crate) fn render(record: &DeploymentRecord, format: RecordFormat) -> String {
    match format {
        RecordFormat::Text => text::render(record),
        RecordFormat::Json => {
            let document = RecordDocument::of(record);
            serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
        }
        RecordFormat::Junit => junit::render(record),
        RecordFormat::Csv => csv::render(record),
        RecordFormat::Html => html::render(record),
    }
}

/// Text as it may stand in XML and HTML, also between quotes. What XML cannot hold becomes `?`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(char),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('?')
            }
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
