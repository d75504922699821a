//! The command line, looked at before anything runs.

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// The help text.
    Help,
    /// An option that no chore has.
    UnknownOption(&'a str),
    /// A chore: its words, and what stands after `--`.
    Chore { words: Vec<&'a str>, rest: Vec<&'a str> },
}

impl<'a> Line<'a> {
    /// Options of chores stand before `--`; what stands after it is for the program that a chore
    /// starts.
    pub(crate) fn read(arguments: &'a [String]) -> Self {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
        let (words, rest) = arguments.split_at(end);
        let asks = |word: &&str| ["--help", "-h"].contains(word);
        if words.first().is_none_or(|word| *word == "help") || words.iter().any(asks) {
            return Self::Help;
        }
        let known = |word: &str| words.first() == Some(&"docs") && word == "--check";
        match words.iter().find(|word| word.starts_with('-') && !known(word)) {
            Some(option) => Self::UnknownOption(option),
            None => {
                Self::Chore { words: words.to_vec(), rest: rest.iter().skip(1).copied().collect() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, wanted: &Line<'_>) {
        let given: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
        assert_eq!(&Line::read(&given), wanted, "{given:?}");
    }

    #[test]
    fn help_and_unknown_options_are_answered_before_anything_runs() {
        for asked in ["", "help", "--help", "-h", "test --help", "test name -h", "live --help x"] {
            check(asked, &Line::Help);
        }
        check("test --fast", &Line::UnknownOption("--fast"));
        check("test -p clodo-types", &Line::UnknownOption("-p"));
        check("coverage --check", &Line::UnknownOption("--check"));
        check("docs --check", &Line::Chore { words: vec!["docs", "--check"], rest: vec![] });
    }

    #[test]
    fn what_stands_after_two_dashes_is_passed_on() {
        let rest = vec!["-p", "x", "--help", "--", "y"];
        check("test name -- -p x --help -- y", &Line::Chore { words: vec!["test", "name"], rest });
        check("floors", &Line::Chore { words: vec!["floors"], rest: vec![] });
    }
}
