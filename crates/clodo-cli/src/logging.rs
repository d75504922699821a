use crate::{environment::Environment, ui::Ui};
use std::io;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{MakeWriter, time::SystemTime},
    layer::SubscriberExt as _,
};

/// Sends this program's log lines to stderr: warnings, and with each `-v` a level more. `CLODO_LOG`
/// (`clodo_http=trace,hyper=debug`) decides instead where it is set.
///
/// Other people's crates never log below `debug`: at `trace` some of them print what goes over
/// the wire, tokens included.
pub(crate) fn install(ui: &Ui, quiet: bool, verbose: u8, environment: &Environment) {
    let filter = match environment.get("CLODO_LOG").map(str::parse::<Targets>) {
        Some(Ok(asked)) => clamped(asked),
        Some(Err(_)) => {
            ui.warn("`CLODO_LOG` is not understood; an example: CLODO_LOG=clodo_http=debug");
            by_flags(quiet, verbose)
        }
        None => by_flags(quiet, verbose),
    };
    // A program may run for days, and what it says is held against other programs' logs.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_timer(SystemTime)
        .with_writer(TalkWriter(ui.clone()));
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    // A second program in the same process (a test) keeps the first one's log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn by_flags(quiet: bool, verbose: u8) -> Targets {
    let ours = match verbose {
        _ if quiet => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target("clodo", ours)
}

fn clamped(asked: Targets) -> Targets {
    let default = asked.default_level().unwrap_or(LevelFilter::OFF);
    let targets: Vec<_> = asked.into_iter().collect();
    let mut clamped =
        Targets::new().with_default(default.min(LevelFilter::DEBUG)).with_target("clodo", default);
    for (target, level) in targets {
        let ours = target.starts_with("clodo");
        let level = if ours { level } else { level.min(LevelFilter::DEBUG) };
        clamped = clamped.with_target(target, level);
    }
    clamped
}

/// Hands each log line over as a whole, so that it does not tear a moving line.
struct TalkWriter(Ui);

impl<'a> MakeWriter<'a> for TalkWriter {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { ui: self.0.clone(), bytes: Vec::new() }
    }
}

struct Line {
    ui: Ui,
    bytes: Vec<u8>,
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.ui.write_talk(&String::from_utf8_lossy(&self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn each_v_shows_a_level_more_of_our_own_and_nothing_of_others() {
        let shown = |verbose, target, level| by_flags(false, verbose).would_enable(target, &level);
        assert!(shown(0, "clodo_http", Level::WARN));
        assert!(!shown(0, "clodo_http", Level::INFO));
        assert!(shown(2, "clodo_http", Level::DEBUG));
        assert!(shown(3, "clodo_http", Level::TRACE));
        assert!(!shown(3, "hyper", Level::INFO));
        assert!(!by_flags(true, 0).would_enable("clodo_http", &Level::WARN));
    }

    #[test]
    fn what_goes_over_the_wire_is_not_logged_by_other_crates() {
        for asked in ["trace", "h2=trace", "h2::codec=trace,clodo_http=trace"] {
            let filter = clamped(asked.parse().unwrap());
            assert!(!filter.would_enable("h2::codec", &Level::TRACE), "{asked}");
        }
        assert!(clamped("trace".parse().unwrap()).would_enable("clodo_http", &Level::TRACE));
        assert!(clamped("hyper=debug".parse().unwrap()).would_enable("hyper", &Level::DEBUG));
    }
}
