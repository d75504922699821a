use super::{
    Scope,
    values::{not_of_type, one_of},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::json,
    node::{Node, Type},
};

pub(crate) fn string(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    of_type(d, scope, value, Type::String);
}

pub(crate) fn boolean(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    of_type(d, scope, value, Type::Boolean);
}

fn of_type(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>, kind: Type) {
    if let Some(given) = value.filter(|value| value.type_of() != kind) {
        d.error(given.at, not_of_type(scope.field, kind, value));
    }
}

pub(crate) fn string_list(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value else { return };
    let fits = |items: &[Node]| items.iter().all(|item| item.text().is_some());
    if given.list().is_some_and(fits) {
        return;
    }
    let message =
        format!("Expected \"{}\" to be of type string array but got {}.", scope.field, json(value));
    d.error(given.at, message);
}

pub(crate) fn worker_name(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value else { return };
    if given.text().is_some_and(is_worker_name) {
        return;
    }
    let message = format!(
        "Expected \"{}\" to be of type string, alphanumeric and lowercase with dashes only but got {}.",
        scope.field,
        json(value)
    );
    d.error(given.at, message);
}

// An empty name counts as none.
fn is_worker_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !text.starts_with('-') && text.bytes().all(allowed)
}

pub(crate) fn compatibility_date(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    let Some(given) = value else { return };
    let field = scope.field;
    let Some(text) = given.text() else {
        return d.error(given.at, not_of_type(field, Type::String, value));
    };
    if text.contains(['\u{2013}', '\u{2014}']) {
        let message = format!(
            "\"{field}\" field should use ISO-8601 accepted hyphens (-) rather than en-dashes (\u{2013}) or em-dashes (\u{2014})."
        );
        d.error(given.at, message);
    }
    if !is_date(&text.replace(['\u{2013}', '\u{2014}'], "-")) {
        let message = format!(
            "\"{field}\" field should be a valid ISO-8601 date (YYYY-MM-DD), but got {}.",
            json(value)
        );
        d.error(given.at, message);
    }
}

// wrangler lets anything pass that JavaScript takes for a date; Cloudflare then refuses all but
// this form.
fn is_date(text: &str) -> bool {
    let part = |at: std::ops::Range<usize>| {
        let digits = text.get(at).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|part| part.parse::<u32>().ok())
    };
    text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| (b == b'-') == (at == 4 || at == 7))
        && part(0..4).is_some()
        && part(5..7).is_some_and(|month| (1..=12).contains(&month))
        && part(8..10).is_some_and(|day| (1..=31).contains(&day))
}

pub(crate) fn compliance_region(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>) {
    one_of(d, scope.field, value, &["public", "fedramp_high"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compatibility_date_has_one_form() {
        for good in ["2025-01-31", "2021-11-02"] {
            assert!(is_date(good), "{good}");
        }
        for bad in
            ["", "2025-1-2", "2025-13-01", "2025-01-32", "yesterday", "2025-01-0é", "+025-01-01"]
        {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn wrangler_wants_lower_case_names() {
        for good in ["", "a", "_a-b", "0a"] {
            assert!(is_worker_name(good), "{good}");
        }
        for bad in ["-a", "A", "a b", "é"] {
            assert!(!is_worker_name(bad), "{bad}");
        }
    }
}
