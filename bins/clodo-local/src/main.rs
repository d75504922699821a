//! The program `clodo-local`.

fn main() {}
