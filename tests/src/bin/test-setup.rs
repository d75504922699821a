//! Installs what the tests need into the user cache, and says so.

#![expect(clippy::print_stdout, reason = "it is run by `cargo xtask test`")]

fn main() {
    for pinned in clodo_tests::pins() {
        let installed = clodo_tests::install(&pinned);
        println!("  {}: {}", pinned.label(), installed.root().display());
    }
    println!("  cloudflare for Python 5.9.0: {}", clodo_tests::install_python().display());
}
