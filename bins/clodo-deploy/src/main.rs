//! The program `clodo-deploy`.

fn main() {}
