/// A line of a text that was compared with another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'t> {
    /// Both have it.
    Same(&'t str),
    /// Only the first one has it.
    Removed(&'t str),
    /// Only the second one has it.
    Added(&'t str),
}

/// More lines than these are not compared one by one.
const MOST: usize = 2_000;

/// Compares two texts line by line: the longest that both have stays.
#[must_use]
pub fn compare_lines<'t>(from: &'t str, to: &'t str) -> Vec<Line<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (from.lines().collect(), to.lines().collect());
    if old.len().max(new.len()) > MOST {
        let removed = old.into_iter().map(Line::Removed);
        return removed.chain(new.into_iter().map(Line::Added)).collect();
    }
    // How many lines both have from here on.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for (at, left) in old.iter().enumerate().rev() {
        for (there, right) in new.iter().enumerate().rev() {
            common[at][there] = match left == right {
                true => common[at + 1][there + 1] + 1,
                false => common[at + 1][there].max(common[at][there + 1]),
            };
        }
    }
    let (mut at, mut there, mut lines) = (0, 0, Vec::new());
    while at < old.len() || there < new.len() {
        match (old.get(at), new.get(there)) {
            (Some(left), Some(right)) if left == right => {
                lines.push(Line::Same(left));
                (at, there) = (at + 1, there + 1);
            }
            (Some(left), right)
                if right.is_none() || common[at + 1][there] >= common[at][there + 1] =>
            {
                lines.push(Line::Removed(left));
                at += 1;
            }
            (_, Some(right)) => {
                lines.push(Line::Added(right));
                there += 1;
            }
            _ => break,
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    fn shown(from: &str, to: &str) -> String {
        let line = |line: Line<'_>| match line {
            Line::Same(text) => format!(" {text}"),
            Line::Removed(text) => format!("-{text}"),
            Line::Added(text) => format!("+{text}"),
        };
        compare_lines(from, to).into_iter().map(line).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn lines_that_both_have_stay() {
        assert_eq!(shown("a\nb\nc", "a\nx\nc\nd"), " a,-b,+x, c,+d");
        assert_eq!(shown("", "a"), "+a");
        assert_eq!(shown("a", ""), "-a");
    }

    proptest! {
        #[test]
        fn both_texts_are_in_it(from in "[ab\n]{0,12}", to in "[ab\n]{0,12}") {
            let lines = compare_lines(&from, &to);
            let side = |wanted: fn(&Line<'_>) -> bool| -> Vec<&str> {
                lines.iter().filter(|line| wanted(line)).map(|line| match *line {
                    Line::Same(text) | Line::Removed(text) | Line::Added(text) => text,
                }).collect()
            };
            assert_eq!(side(|line| !matches!(line, Line::Added(_))), from.lines().collect::<Vec<_>>());
            assert_eq!(side(|line| !matches!(line, Line::Removed(_))), to.lines().collect::<Vec<_>>());
        }
    }
}
