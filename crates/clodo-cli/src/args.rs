use std::path::PathBuf;

/// Flags that every program takes. A program flattens them into its own arguments.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
#[non_exhaustive]
pub struct GlobalArgs {
    /// Print one JSON document on stdout, or with `--json=events` one event per line
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "document"
    )]
    pub json: Option<JsonMode>,

    /// Say nothing but warnings and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say more; twice for debug output, three times for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Print without colour, as `NO_COLOR` does
    #[arg(long, global = true)]
    pub no_color: bool,

    /// The project's folder; without it the nearest clodo.toml upwards counts
    #[arg(long, global = true, value_name = "DIR")]
    pub project: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum JsonMode {
    /// One document, at the end
    Document,
    /// One event per line, as they happen; the document is the last line
    Events,
}

/// The arguments of a whole program, as [`crate::Launch`] needs them.
pub trait ProgramArgs: clap::Parser {
    /// The flags that every program takes.
    fn global(&self) -> &GlobalArgs;
}
