use crate::{BundleError, project::Project};
use std::process::{Output, Stdio};
use tokio::process::Command;

/// Runs the config's build command in the project's folder, as wrangler does before it bundles.
pub(crate) async fn run(text: &str, project: &Project) -> Result<(), BundleError> {
    let mut command = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
    command
        .arg(if cfg!(windows) { "/C" } else { "-c" })
        .arg(text)
        .current_dir(project.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A build has no business with the account.
    for name in ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "CF_API_TOKEN", "CF_API_KEY"] {
        command.env_remove(name);
    }
    let failed = |output: String| BundleError::Command { command: text.to_owned(), output };
    match command.output().await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(failed(last_lines(&output))),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn last_lines(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
