use std::{
    fmt,
    io::{self, Read, Write},
};

/// Encrypts backups on their way to a store, and opens them again.
///
/// # Contract
/// - What was sealed opens to the same bytes; what was changed, cut or sealed by another is an error
///   before its last byte was given, never other bytes that look whole.
/// - Nothing that was sealed can be read without it.
pub trait Sealer: fmt::Debug + Send + Sync {
    /// Who can open what this seals; it is part of a backup's name and no secret.
    fn identity(&self) -> &str;

    /// Seals what is written, to `out`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    fn seal<'w>(&self, out: Box<dyn Write + Send + 'w>) -> io::Result<Box<dyn Sealing + 'w>>;

    /// Opens what was sealed.
    ///
    /// # Errors
    /// When it was sealed for another, or is damaged.
    fn open<'r>(&self, input: Box<dyn Read + Send + 'r>) -> io::Result<Box<dyn Read + Send + 'r>>;
}

/// Takes what is to be sealed.
pub trait Sealing: Write + Send {
    /// Writes the end, without which nothing opens.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
