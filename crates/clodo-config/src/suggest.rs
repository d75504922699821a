/// The candidate that `given` most likely is a slip of; none when nothing is close.
pub(crate) fn similar<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if given.len() > 100 {
        return None;
    }
    let lower = given.to_lowercase();
    let limit = (given.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown name: what it may have meant, or what there is.
#[must_use]
pub fn hint_for<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(similar) = similar(given, candidates.clone()) {
        return format!("did you mean `{similar}`?");
    }
    let mut candidates = candidates.into_iter().peekable();
    match candidates.peek() {
        None => "there are none".to_owned(),
        Some(_) => format!("there is {}", listed(candidates)),
    }
}

/// Names for a message: in backquotes, and not too many of them.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<_> = names.by_ref().take(12).map(|name| format!("`{name}`")).collect();
    match names.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut best = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped = row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            next.push(best);
        }
        before_last = std::mem::replace(&mut last, next);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_and_nonsense_finds_none() {
        let words = ["zones", "id", "protection"];
        for (given, expected) in [
            ("zone", Some("zones")),
            ("zoens", Some("zones")),
            ("Zones", Some("zones")),
            ("protecton", Some("protection")),
            ("di", Some("id")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(similar(given, words), expected, "{given}");
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: Vec<String> = (0..20).map(|n| format!("customer-number-{n}")).collect();
        let hint = hint_for("x", many.iter().map(String::as_str));
        assert!(hint.ends_with("and 8 more"), "{hint}");
    }
}
