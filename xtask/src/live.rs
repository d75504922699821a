//! The suite of `clodo-cf-api` against a real account.

use crate::shell::{self, Outcome, cargo, root};
use std::{env, fs};

/// Where nobody's account stands unless its owner wrote it there.
const ALLOWED: &str = "tests/live-accounts.txt";

/// Runs the suite against the account that the environment names, if that account is on the list.
#[expect(clippy::disallowed_methods, reason = "a chore reads its environment here, once")]
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let setting = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let account = setting("CLODO_LIVE_ACCOUNT");
    let (Some(account), Some(_)) = (account, setting("CLODO_LIVE_TOKEN")) else {
        return Err(
            "set CLODO_LIVE_TOKEN and CLODO_LIVE_ACCOUNT: the suite makes and removes Workers, \
                    databases, buckets and more in that account"
                .into(),
        );
    };
    let listed = fs::read_to_string(root().join(ALLOWED))?;
    allowed(&account, &listed, setting("CI").is_some())?;
    println!(
        "Running the suite against account {account}. What a failed test leaves behind is named clodo-suite-*."
    );
    shell::run(
        cargo()
            .args(["test", "--package", "clodo-tests", "--test", "api_conformance", "--"])
            // One after the other: the account's budget of calls is shared with everything else.
            .arg("--test-threads=1")
            .args(arguments),
    )
}

fn allowed(account: &str, listed: &str, in_ci: bool) -> Result<(), String> {
    if in_ci {
        return Err("a live account is for people at a terminal: this never runs in CI".to_owned());
    }
    let lines = listed.lines().filter(|line| !line.starts_with('#'));
    let mut ids = lines.filter_map(|line| line.split_whitespace().next());
    if !ids.any(|id| id == account) {
        return Err(format!(
            "account {account} is not in {ALLOWED}: its owner must write it there"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_account_on_the_list_is_used_and_never_in_ci() {
        let id = "0123456789abcdef0123456789abcdef";
        let listed = format!("# comment\n\n{id} for the suite\n");
        assert!(allowed(id, &listed, false).is_ok());
        assert!(allowed(id, &listed, true).is_err());
        for other in ["", "#", "for", "0123", "ffffffffffffffffffffffffffffffff"] {
            assert!(allowed(other, &listed, false).is_err(), "{other}");
        }
        assert!(allowed(id, include_str!("../../tests/live-accounts.txt"), false).is_err());
    }
}
