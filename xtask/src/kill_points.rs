use crate::shell::{self, Outcome, cargo};

/// Tries every point at which a deployment can be killed, or those that are named.
pub(crate) fn run(which: &str) -> Outcome {
    shell::run(
        cargo()
            .args(["test", "--package", "clodo-tests", "--test", "kill_points", "--"])
            .args(["--ignored", "--nocapture", "killed_at_every_point"])
            .env("CLODO_KILL_POINTS", which),
    )
}
