//! The key of masks.

use crate::{args::KeyArgs, keeping::of_io};
use clodo_cli::{CliError, Session};
use clodo_db::MaskKey;
use clodo_types::Secret;
use std::{fs, io::Read as _, path::Path};

/// Reads it, where the command says that there is one.
pub(super) fn read(session: &Session, args: &KeyArgs) -> Result<Option<MaskKey>, CliError> {
    let (secret, from) = match (&args.key_file, &args.key_env) {
        (Some(file), _) if file == Path::new("-") => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| of_io("could not read the key from the input", error))?;
            (Secret::new(text), "the input".to_owned())
        }
        (Some(file), _) => {
            let text = fs::read_to_string(session.directory.join(file));
            let doing = format!("could not read the key from {}", file.display());
            (Secret::new(text.map_err(|error| of_io(&doing, error))?), file.display().to_string())
        }
        (None, Some(name)) => {
            let value = session.environment.checked(name);
            let value = value.map_err(|error| CliError::usage(error.to_string()))?;
            let value = value.ok_or_else(|| {
                CliError::usage(format!("{name} is not set"))
                    .with_hint("set it to the key, or give --key-file FILE")
            })?;
            (Secret::new(value), name.clone())
        }
        (None, None) => return Ok(None),
    };
    // The end of a file's line is no part of it.
    let key = Secret::new(secret.expose().trim_end_matches(['\r', '\n']));
    let key = MaskKey::new(&key).map_err(|error| {
        CliError::usage(format!("{from}: {error}")).with_hint(
            "`openssl rand -hex 32` makes one; keep it, and rows look the same next time",
        )
    })?;
    Ok(Some(key))
}

/// A rule needs a key, and nobody gave one.
pub(super) fn missing() -> CliError {
    CliError::usage("rules with `hash` or `fake` need a key")
        .with_hint("give --key-file FILE, `--key-file -` for the input, or --key-env NAME")
}
