//! What Clodo's programs share: the terminal, exit codes, errors that name a way out.
