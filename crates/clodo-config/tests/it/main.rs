//! The public API of `clodo-config`.

mod errors;
mod hostile;
mod select;
mod valid;

/// A portfolio with everything that the tables know.
const SHOP: &str = include_str!("shop.toml");

fn portfolio(text: &str) -> clodo_config::Portfolio {
    match clodo_config::Portfolio::parse("clodo.toml", text) {
        Ok(portfolio) => portfolio,
        Err(errors) => panic!("{errors}"),
    }
}
