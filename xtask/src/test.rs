use crate::shell::{self, Outcome, cargo, command, works};
use std::path::Path;

/// Installs what the tests need, then runs all of them: unit, integration, end-to-end, examples in
/// the docs.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    ensure_node()?;
    ensure_python()?;
    ensure_chromium()?;
    ensure_postgres()?;
    ensure_sqlite()?;
    println!(
        "Installing what the tests need from npm and PyPI, at pinned versions, into the user cache:"
    );
    shell::run(cargo().args([
        "run",
        "--quiet",
        "--package",
        "clodo-tests",
        "--bin",
        "test-setup",
    ]))?;
    // End-to-end tests start the programs that cargo built.
    shell::run(cargo().args(["build", "--workspace", "--bins"]))?;
    if works(cargo().args(["nextest", "--version"])) {
        shell::run(
            cargo()
                .args(["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"])
                .args(arguments),
        )?;
    } else {
        println!("cargo-nextest is not installed; using `cargo test`.");
        shell::run(
            cargo()
                .args(["test", "--workspace", "--all-features", "--lib", "--bins", "--tests"])
                .args(arguments),
        )?;
    }
    shell::run(cargo().args(["test", "--workspace", "--all-features", "--doc"]))
}

/// The local Cloudflare's runtime and the wranglers under test come from npm.
fn ensure_node() -> Outcome {
    // On Windows npm is a script, which is only found by its full name.
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    if works(command(npm).arg("--version")) {
        return Ok(());
    }
    if !may_install() {
        return Err("npm is missing: install Node.js 20 or newer, which brings it".into());
    }
    println!("Installing the Debian packages nodejs and npm:");
    shell::run(command("apt-get").args(["update", "--quiet"]))?;
    shell::run(command("apt-get").args(["install", "--yes", "--quiet", "nodejs", "npm"]))
}

/// Cloudflare's Python SDK is one of the clients under test.
fn ensure_python() -> Outcome {
    if works(command("python3").args(["-m", "pip", "--version"])) {
        return Ok(());
    }
    if !may_install() {
        return Err("Python is missing: install Python 3.10 or newer with pip".into());
    }
    println!("Installing the Debian packages python3 and python3-pip:");
    shell::run(command("apt-get").args(["update", "--quiet"]))?;
    shell::run(command("apt-get").args(["install", "--yes", "--quiet", "python3", "python3-pip"]))
}

/// The read-only page is looked at in a real browser.
fn ensure_chromium() -> Outcome {
    if works(command("chromedriver").arg("--version")) {
        return Ok(());
    }
    if !may_install() {
        return Err("chromedriver is missing: install Chromium and ChromeDriver".into());
    }
    println!(
        "Installing the Debian packages chromium and chromium-driver, and the libraries that a \
         browser needs: over a hundred packages:"
    );
    shell::run(command("apt-get").args(["update", "--quiet"]))?;
    shell::run(command("apt-get").args([
        "install",
        "--yes",
        "--quiet",
        "chromium",
        "chromium-driver",
    ]))
}

/// The shared state of a team is tested on a server of the tests' own. Without one these tests say
/// that they are skipped.
fn ensure_postgres() -> Outcome {
    let debian =
        std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut found| found.next().is_some());
    if debian || works(command("initdb").arg("--version")) {
        return Ok(());
    }
    if !may_install() {
        println!("PostgreSQL is missing: tests of state in PostgreSQL are skipped.");
        return Ok(());
    }
    println!("Installing the Debian package postgresql:");
    shell::run(command("apt-get").args(["update", "--quiet"]))?;
    shell::run(command("apt-get").args(["install", "--yes", "--quiet", "postgresql"]))
}

/// Backups and their copies are compared by programs of SQLite's authors. Without them these tests
/// say that they are skipped.
pub(crate) fn ensure_sqlite() -> Outcome {
    let there = |name: &str, asked: &str| works(command(name).arg(asked));
    if there("sqlite3", "--version") && there("sqldiff", "--help") {
        return Ok(());
    }
    if !may_install() {
        println!("sqlite3 or sqldiff is missing: comparisons by SQLite's own tools are skipped.");
        return Ok(());
    }
    println!("Installing the Debian packages sqlite3 and sqlite3-tools:");
    shell::run(command("apt-get").args(["update", "--quiet"]))?;
    shell::run(command("apt-get").args(["install", "--yes", "--quiet", "sqlite3", "sqlite3-tools"]))
}

/// Debian, and root.
fn may_install() -> bool {
    let root = shell::read(command("id").arg("-u")).is_ok_and(|user| user.trim() == "0");
    root && Path::new("/etc/debian_version").exists()
}
