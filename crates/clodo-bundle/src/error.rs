use crate::esbuild::EsbuildError;
use clodo_npm::NpmError;
use clodo_types::SourceError;
use std::{fmt::Write as _, io, path::PathBuf};

/// Why a project could not be bundled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The code does not build; one error per place.
    #[error("{}", listed(.0))]
    Source(Vec<SourceError>),
    /// The configuration names something that is not there, or that cannot be done.
    #[error("{0}")]
    Config(Box<SourceError>),
    /// There is no esbuild in the project, and the cache could not get one.
    #[error("esbuild is not there")]
    NoEsbuild(#[source] NpmError),
    /// esbuild did not do its part.
    #[error("esbuild (`{}`) failed", .program.display())]
    Esbuild {
        /// The program.
        program: PathBuf,
        /// What it did.
        #[source]
        source: EsbuildError,
    },
    /// The config's build command failed.
    #[error("the build command `{command}` failed{}", lines(.output))]
    Command {
        /// The command.
        command: String,
        /// The last lines it wrote.
        output: String,
    },
    /// A file could not be read.
    #[error("`{}` cannot be read", .path.display())]
    Read {
        /// The file, as the user would write it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The modules together are larger than any account may upload.
    #[error("the Worker has {bytes} bytes, and at most {most} can be uploaded; largest: {largest}")]
    TooLarge {
        /// Bytes of all modules.
        bytes: u64,
        /// The limit.
        most: u64,
        /// What takes the most room.
        largest: String,
    },
    /// A static asset cannot be uploaded.
    #[error("the asset `{}` {problem}", .path.display())]
    Asset {
        /// The file, as the user would write it.
        path: PathBuf,
        /// What is wrong with it.
        problem: AssetProblem,
    },
    /// The work was stopped from outside, or a thread failed.
    #[error("the work was stopped")]
    Stopped,
}

/// What is wrong with an asset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssetProblem {
    /// More than a file may have.
    #[error("has {bytes} bytes, and a file may have {most}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// More files than a Worker may have.
    #[error("is one too many: a Worker may have {most} files")]
    TooMany {
        /// The limit.
        most: usize,
    },
    /// Server code that would become public.
    #[error("is the code of a Pages project, which would become public")]
    PagesWorker,
    /// Its name is not UTF-8, so that no URL reaches it.
    #[error("has a name that is not UTF-8")]
    Name,
    /// A link that leads nowhere.
    #[error("is a link that leads nowhere")]
    DanglingLink,
    /// A link to a folder that holds it.
    #[error("is a link to a folder that contains it")]
    Loop,
}

/// What sort of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BundleErrorKind {
    /// The user's code.
    Source,
    /// The user's configuration or assets.
    Config,
    /// esbuild cannot be had or does not work.
    Tool,
    /// The disk.
    Io,
}

impl BundleError {
    /// What sort of trouble it is, for who decides on it.
    #[must_use]
    pub fn kind(&self) -> BundleErrorKind {
        match self {
            Self::Source(_) | Self::TooLarge { .. } | Self::Command { .. } => {
                BundleErrorKind::Source
            }
            Self::Config(_) | Self::Asset { .. } => BundleErrorKind::Config,
            Self::NoEsbuild(_) | Self::Esbuild { .. } => BundleErrorKind::Tool,
            Self::Read { .. } | Self::Stopped => BundleErrorKind::Io,
        }
    }

    /// The places in the user's files that it is about.
    #[must_use]
    pub fn places(&self) -> &[SourceError] {
        match self {
            Self::Source(errors) => errors,
            Self::Config(error) => std::slice::from_ref(error),
            _ => &[],
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(_) | Self::Config(_) => {
                let mut hints: Vec<&str> =
                    self.places().iter().filter_map(|place| place.hint.as_deref()).collect();
                hints.dedup();
                (!hints.is_empty()).then(|| hints.join("; "))
            }
            Self::NoEsbuild(source) => {
                let advice = source.hint().unwrap_or_default();
                let or = if advice.is_empty() { "" } else { ", or " };
                Some(format!("{advice}{or}add `esbuild` to the project's devDependencies"))
            }
            Self::Esbuild { .. } => {
                Some("reinstall the project's packages (`npm ci`), then run this again".to_owned())
            }
            Self::Asset { problem, .. } => problem.hint().map(str::to_owned),
            Self::TooLarge { .. } => {
                Some("set `minify`, or move data to R2, KV or static assets".to_owned())
            }
            Self::Command { .. } | Self::Read { .. } | Self::Stopped => None,
        }
    }
}

impl AssetProblem {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge { .. } => Some("list it in `.assetsignore` and serve it from R2"),
            Self::TooMany { .. } => Some("list what need not be served in `.assetsignore`"),
            Self::PagesWorker => Some(
                "add a file `.assetsignore` to the folder of assets, with the line `_worker.js`; an empty one uploads it anyway",
            ),
            Self::Name => Some("rename it"),
            Self::DanglingLink | Self::Loop => {
                Some("remove the link, or list it in `.assetsignore`")
            }
        }
    }
}

fn listed(errors: &[SourceError]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = errors.iter().take(SHOWN).map(ToString::to_string).collect();
    let mut text = shown.join("\n");
    if errors.len() > SHOWN {
        let _ = write!(text, "\nand {} more", errors.len() - SHOWN);
    }
    text
}

fn lines(output: &str) -> String {
    output.lines().fold(String::new(), |text, line| text + "\n  " + line)
}
