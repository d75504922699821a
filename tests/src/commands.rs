use crate::{Run, Sandbox, Wrangler};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
};

/// Helps that are asked for at the same time: each takes seconds of a processor.
const AT_ONCE: usize = 3;

/// What `docs/conformance.md` says of wrangler's commands.
#[derive(Debug)]
pub struct ToldCommands {
    page: String,
}

impl ToldCommands {
    /// Reads the page.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
        Self { page: fs::read_to_string(path).expect("the page can be read") }
    }

    /// Whether it tells of a command, written without `wrangler`. A group of which nothing is there,
    /// for one reason, stands for its commands; one that is proved does not.
    #[must_use]
    pub fn tell(&self, command: &str) -> bool {
        let tells = |line: &str| {
            let told = line.strip_prefix("| `wrangler ").and_then(|rest| rest.split_once('`'));
            told.is_some_and(|(told, rest)| {
                let below = command.strip_prefix(told).is_some_and(|rest| rest.starts_with(' '));
                told == command || (below && rest.starts_with(" | not done: "))
            })
        };
        self.page.lines().any(tells)
    }

    /// Every command that wrangler's help lists, from group to group. A command that the page tells
    /// of is not asked for its help: what is below a group of which nothing is there is left out.
    ///
    /// # Panics
    /// When wrangler does not print a help.
    #[must_use]
    pub fn walk(&self, wrangler: &Wrangler) -> BTreeSet<String> {
        let sandbox = Sandbox::empty();
        let mut all = BTreeSet::new();
        let mut groups = vec![String::new()];
        while !groups.is_empty() {
            let some = groups.split_off(groups.len().saturating_sub(AT_ONCE));
            let found: Vec<(String, Vec<String>)> = thread::scope(|scope| {
                let sandbox = &sandbox;
                let asked = some.into_iter().map(|group| {
                    scope.spawn(move || {
                        let found = wrangler.listed(sandbox, &group);
                        (group, found)
                    })
                });
                let asked: Vec<_> = asked.collect();
                asked.into_iter().map(|task| task.join().expect("a help is printed")).collect()
            });
            for (group, commands) in found {
                if commands.is_empty() {
                    // No group, and nobody tells of it.
                    all.insert(group);
                    continue;
                }
                let (told, further): (Vec<_>, Vec<_>) =
                    commands.into_iter().partition(|command| self.tell(command));
                all.extend(told);
                groups.extend(further);
            }
        }
        all
    }
}

impl Wrangler {
    /// What the help of a group lists below it; of a command that is no group, nothing. The empty
    /// group is wrangler itself.
    ///
    /// # Panics
    /// When it does not print a help.
    #[must_use]
    pub fn listed(&self, sandbox: &Sandbox, group: &str) -> Vec<String> {
        let words: Vec<&str> = group.split_whitespace().chain(["--help"]).collect();
        let run: Run = self.offline(sandbox, &words).output().expect("node starts").into();
        let text = run.stdout + &run.stderr;
        assert!(text.contains("GLOBAL FLAGS"), "`wrangler {group} --help` is no help:\n{text}");
        let begin =
            if group.is_empty() { "  wrangler ".into() } else { format!("  wrangler {group} ") };
        let name = |line: &str| {
            let name = line.strip_prefix(&begin)?.split_whitespace().next()?;
            let is_name =
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            is_name.then(|| format!("{group} {name}").trim_start().to_owned())
        };
        text.lines().filter_map(name).collect()
    }
}

/// The file that lists the commands of a wrangler, one a line: `cargo xtask wrangler-commands` writes
/// it from wrangler's own help, which takes minutes.
#[must_use]
pub fn command_list(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("wrangler-commands/{version}.txt"))
}
