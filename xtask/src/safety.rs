use crate::{
    shell::{self, Outcome, cargo},
    test::ensure_sqlite,
};

/// How many random schemas unless a number is given.
const CASES: &str = "500";
/// How many of them wrangler gets, which starts anew for each.
const WRANGLER: &str = "100";

/// Migrates random schemas in every way there is, and backs random databases up, many more than the
/// tests do; then prints what came of the same set in each way, wrangler's beside ours.
pub(crate) fn run(cases: Option<&str>, wrangler: Option<&str>) -> Outcome {
    ensure_sqlite()?;
    // The local Cloudflare is one of them.
    shell::run(cargo().args(["build", "--workspace", "--bins"]))?;
    let cases = cases.unwrap_or(CASES);
    shell::run(
        cargo()
            .args(["test", "--package", "clodo-db", "--test", "it", "--"])
            .args(["--nocapture", "random"])
            .env("CLODO_SAFETY_CASES", cases),
    )?;
    shell::run(
        cargo()
            .args(["test", "--package", "clodo-tests", "--test", "safety", "--"])
            .args(["--include-ignored", "--nocapture", "--test-threads", "1"])
            .env("CLODO_SAFETY_CASES", cases)
            .env("CLODO_SAFETY_WRANGLER", wrangler.unwrap_or(WRANGLER)),
    )
}
