use crate::{NpmError, NpmErrorKind, Pinned};
use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

/// The npm to install with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpmProgram {
    program: OsString,
    timeout: Duration,
}

impl Default for NpmProgram {
    /// `npm` as the search path has it, with ten minutes for an install.
    fn default() -> Self {
        // On Windows npm is a script, which is only found by its full name.
        Self::at(if cfg!(windows) { "npm.cmd" } else { "npm" })
    }
}

impl NpmProgram {
    /// A program by name or path.
    #[must_use]
    pub fn at(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), timeout: Duration::from_secs(600) }
    }

    /// Sets how long one install may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Installs what the lock file in `folder` says, and nothing else.
    pub(crate) async fn install(&self, folder: &Path, pinned: &Pinned) -> Result<(), NpmError> {
        let run = self.command(folder).output();
        let ended = tokio::time::timeout(self.timeout, run).await;
        let label = pinned.label().to_owned();
        let alternative = pinned.alternative();
        let npm = || self.program.to_string_lossy().into_owned();
        match ended {
            Err(_) => Err(NpmError::TimedOut { label, after: self.timeout }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(NpmError::NpmMissing { label, npm: npm(), alternative })
            }
            Ok(Err(source)) => Err(NpmError::NpmBroken { npm: npm(), source }),
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => {
                let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
                text.push_str(&String::from_utf8_lossy(&output.stdout));
                let kind = kind_of_output(&text);
                Err(NpmError::NpmFailed { label, output: last_lines(&text), kind, alternative })
            }
        }
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["ci", "--ignore-scripts", "--include=optional", "--prefer-offline"])
            .args(["--no-audit", "--no-fund", "--no-progress", "--no-update-notifier"])
            .args(["--loglevel=error", "--global=false", "--dry-run=false"])
            // npm's own pauses add up to more than a minute before it says that it is offline.
            .args(["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000"])
            // Without it npm would look upwards for a project that claims this folder.
            .arg("--prefix")
            .arg(folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A child inherits everything by default; only names are looked at here, to take some away.
        for (name, _) in std::env::vars_os() {
            if is_withheld(&name) {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Whether npm has no business with a variable. Its own credentials stay: a private registry needs them.
fn is_withheld(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    if name.starts_with("NPM_") || name == "NODE_AUTH_TOKEN" {
        return false;
    }
    let families = ["CLOUDFLARE_", "CF_", "AWS_", "CLODO_"];
    let secrets =
        ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PRIVATE", "API_KEY", "APIKEY", "CREDENTIAL"];
    families.iter().any(|family| name.starts_with(family))
        || secrets.iter().any(|word| name.contains(word))
}

fn kind_of_output(text: &str) -> NpmErrorKind {
    let has = |codes: &[&str]| codes.iter().any(|code| text.contains(code));
    if has(&["ENOSPC", "EDQUOT"]) {
        NpmErrorKind::DiskFull
    } else if has(&["EINTEGRITY"]) {
        NpmErrorKind::Integrity
    } else if has(&[
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ERR_SOCKET_TIMEOUT",
        "ENOTCACHED",
    ]) {
        NpmErrorKind::Unreachable
    } else if has(&["EACCES", "EROFS", "EPERM"]) {
        NpmErrorKind::NotWritable
    } else {
        NpmErrorKind::Other
    }
}

/// The end of what npm wrote, without where it keeps its log.
fn last_lines(text: &str) -> String {
    let noise = |line: &&str| {
        let line = line.trim_start_matches("npm error").trim();
        !line.is_empty() && !line.starts_with("npm warn") && !line.starts_with("A complete log")
    };
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(noise).collect();
    let tail = &lines[lines.len().saturating_sub(8)..];
    if tail.is_empty() {
        return "(it wrote nothing)".to_owned();
    }
    tail.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_gets_no_secret_but_its_own() {
        let gone = [
            "CLOUDFLARE_API_TOKEN",
            "CF_API_KEY",
            "cloudflare_account_id",
            "GITHUB_TOKEN",
            "STRIPE_SECRET_KEY",
            "PGPASSWORD",
            "AWS_ACCESS_KEY_ID",
            "CLODO_STATE_PASSWORD",
            "OPENAPI_API_KEY",
            "SSH_PRIVATE_KEY",
        ];
        let kept = [
            "PATH",
            "HOME",
            "HTTPS_PROXY",
            "NODE_EXTRA_CA_CERTS",
            "NPM_TOKEN",
            "NODE_AUTH_TOKEN",
            "npm_config_registry",
            "npm_config_//example.test/:_authToken",
            "SystemRoot",
        ];
        assert_eq!(gone.map(OsStr::new).map(is_withheld), [true; 10]);
        assert_eq!(kept.map(OsStr::new).map(is_withheld), [false; 9]);
    }

    #[test]
    fn what_npm_says_has_a_kind() {
        for (text, want) in [
            ("npm error code ENOTFOUND", NpmErrorKind::Unreachable),
            ("npm error code EINTEGRITY", NpmErrorKind::Integrity),
            ("npm error nospc ENOSPC: no space left on device", NpmErrorKind::DiskFull),
            ("npm error code EACCES", NpmErrorKind::NotWritable),
            ("npm error code EUSAGE", NpmErrorKind::Other),
        ] {
            assert_eq!(kind_of_output(text), want, "{text}");
        }
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_shown() {
        let long: String = (1..=30).map(|n| format!("npm error line {n}\n")).collect();
        let shown = last_lines(&format!(
            "npm warn old\n{long}npm error\nnpm error A complete log of this run\n"
        ));
        assert_eq!(shown.lines().count(), 8);
        assert!(shown.ends_with("  npm error line 30"), "{shown}");
        assert_eq!(last_lines(""), "(it wrote nothing)");
    }
}
