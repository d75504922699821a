use std::{fmt::Write as _, process::ExitCode};

/// How a program ended. The numbers are the same in every program and scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, or there was nothing to do.
    Done = 0,
    /// It was tried and failed.
    Failed = 1,
    /// Wrong usage, an unreadable configuration, or an answer that nobody gave.
    Usage = 2,
    /// A gate refused; nothing was written.
    Refused = 3,
    /// Found what it was asked to look for: drift, scan findings, failed tests.
    Found = 4,
    /// Partly done: `resume` can finish.
    Partly = 5,
    /// Not allowed: authentication, a permission, a lease that another holds.
    NotAllowed = 6,
    /// The platform cannot be reached, or limits us.
    Unreachable = 7,
    /// Interrupted; the journal is safe.
    Interrupted = 130,
}

impl Exit {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::Found,
        Self::Partly,
        Self::NotAllowed,
        Self::Unreachable,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The word for it in JSON output (`outcome`), for a run that has nothing finer to say.
    #[must_use]
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Done | Self::Found => "done",
            Self::Refused => "refused",
            Self::Partly => "partly_done",
            Self::Failed
            | Self::Usage
            | Self::NotAllowed
            | Self::Unreachable
            | Self::Interrupted => "failed",
        }
    }

    /// What it means, as a sentence for the documentation.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "Done, or there was nothing to do.",
            Self::Failed => "It was tried and failed.",
            Self::Usage => {
                "Wrong usage, an unreadable configuration, or a question that nobody was there \
                 to answer."
            }
            Self::Refused => {
                "Refused by a gate before anything was written; also `validate` when it would refuse, \
                 and a plan that is stale."
            }
            Self::Found => {
                "Found what it was asked to look for: `clodo-deploy drift`; `clodo-db verify`, \
                 `clodo-db diff`, `clodo-db health`, `clodo-db drill`, `clodo-db sync schema`; and with \
                 `--exit-code` what `clodo-deploy plan`, `clodo-db status`, `clodo-local diff` and \
                 `clodo-local status` look for."
            }
            Self::Partly => "Partly done; `resume` can finish.",
            Self::NotAllowed => {
                "Not allowed: a wrong token, a missing permission, a lease that another holds."
            }
            Self::Unreachable => {
                "The platform cannot be reached or is limiting; a port is taken, or workerd is \
                 missing."
            }
            Self::Interrupted => "Interrupted; the journal is safe.",
        }
    }

    /// The page `docs/exit-codes.md`.
    #[must_use]
    pub fn documentation() -> String {
        let mut page = String::from(
            "# Exit codes\n\nThe same in every program.\n\n| code | name | meaning |\n|---|---|---|\n",
        );
        for exit in Self::ALL {
            // Writing to a `String` cannot fail.
            let _ = writeln!(page, "| {} | `{exit:?}` | {} |", exit.code(), exit.meaning());
        }
        page
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130]);
    }

    #[test]
    fn every_code_is_on_the_page() {
        let page = Exit::documentation();
        for exit in Exit::ALL {
            assert!(page.contains(&format!("| {} | `{exit:?}` |", exit.code())), "{exit:?}");
        }
    }
}
