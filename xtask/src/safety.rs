use crate::shell::{self, Outcome, cargo};

/// How many random schemas unless a number is given.
const CASES: &str = "500";

/// Makes tables of random schemas anew, and backs random databases up, many more than the tests do.
pub(crate) fn run(cases: Option<&str>) -> Outcome {
    shell::run(
        cargo()
            .args(["test", "--package", "clodo-db", "--test", "it", "--"])
            .args(["--nocapture", "random"])
            .env("CLODO_SAFETY_CASES", cases.unwrap_or(CASES)),
    )
}
