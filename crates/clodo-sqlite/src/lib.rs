//! SQLite behind async: one blocking thread per file.
